"""Parquet files of bounded size, written as rows come."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ragstone.storage.files import sync_file

SHARD_BYTES = 256 * 2**20  # on the disk; a file ends with the group of rows that passes it
GROUP_BYTES = 16 * 2**20  # in memory; one group of rows is what a reader holds at least


class Shards:
    """Writes a table to `folder` as `train-00000-of-00002.parquet` and so on."""

    def __init__(self, folder: Path, schema: pa.Schema, limit: int = SHARD_BYTES) -> None:
        self._folder = folder
        self._schema = schema
        self._limit = limit
        self._group = min(GROUP_BYTES, limit)
        self._waiting: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None
        self._files: list[Path] = []
        folder.mkdir()

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        self._waiting.append(table)
        if sum(waiting.nbytes for waiting in self._waiting) >= self._group:
            self._flush()

    def close(self) -> list[Path]:
        """Finish all files, durably, and return them; there is one at least."""
        self._flush()
        if not self._files:
            self._open()
        self._end()
        count = len(self._files)
        return [
            path.rename(self._folder / f"{path.name}-of-{count:05d}.parquet")
            for path in self._files
        ]

    def abandon(self) -> None:
        """Close the file that is open."""
        if self._writer:
            self._writer.close()
            self._writer = None

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        self._waiting = []
        rows = max(1, table.num_rows * self._group // max(1, table.nbytes))
        for start in range(0, table.num_rows, rows):
            writer = self._writer or self._open()
            writer.write_table(table.slice(start, rows), row_group_size=rows)
            if self._files[-1].stat().st_size >= self._limit:
                self._end()

    def _open(self) -> pq.ParquetWriter:
        path = self._folder / f"train-{len(self._files):05d}"
        self._files.append(path)
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        return self._writer

    def _end(self) -> None:
        if self._writer:
            self._writer.close()
            self._writer = None
            sync_file(self._files[-1])
