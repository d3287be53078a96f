"""The tables of an export as an import reads them, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ragstone.errors import DamagedFile
from ragstone.exchange.layout import (
    CHUNKS_FOLDER,
    ITEM_COLUMNS,
    ITEMS_FOLDER,
    schema_of,
    shards,
    vector_columns,
)
from ragstone.storage.parts import embedded_in

if TYPE_CHECKING:
    from ragstone.exchange.layout import Export

CHUNK_FIELDS = ["chunk_id", "ordinal", "start", "end", "page", "heading", "tokens", "text"]
CHUNK_FIELDS += ["modality", "from_ms", "to_ms"]
_ROWS = 64  # items that are taken in together


def item_batches(folder: Path, export: Export, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield the items, a few at a time; there is one batch at least.

    Raises
    ------
    DamagedFile
        A file is no such table.
    """
    empty = schema_of(tuple(c for c in ITEM_COLUMNS if c.name in columns))
    yield pa.RecordBatch.from_pylist([], schema=empty).select(columns)
    for name in shards(export, ITEMS_FOLDER):
        yield from _read(folder / name, columns)


class Chunks:
    """The chunks of an export, which are in the order of their items."""

    def __init__(self, folder: Path, export: Export) -> None:
        self._folder = folder / CHUNKS_FOLDER
        self._modalities = pa.array(["text", *export.media])
        self._columns = vector_columns(export.space, export.dimension, export.media)
        columns = ["item", *CHUNK_FIELDS, *self._columns]
        paths = [folder / name for name in shards(export, CHUNKS_FOLDER)]
        self._batches = (batch for path in paths for batch in _read(path, columns))
        self._rest: pa.Table | None = None

    def below(self, item: int) -> Iterator[pa.Table]:
        """Yield those of the items before row `item` that were not yielded yet."""
        while self._rest is not None or self._next():
            assert self._rest is not None
            count = int(np.searchsorted(self._rest["item"].to_numpy(), item))
            if count:
                yield self._rest.slice(0, count)
            if count < len(self._rest):
                self._rest = self._rest.slice(count)
                return
            self._rest = None

    def vectors(self, chunks: pa.Table) -> dict[str, NDArray[np.float16]]:
        """Return the vectors of `chunks` by embedding space, float16 of shape (n, dimension).

        A space that has none of them is left out. The n vectors are in the order of the chunks.

        Raises
        ------
        DamagedFile
            A chunk has no vector where it needs one, or one too many.
        """
        known = pc.is_in(chunks["modality"], self._modalities)
        if not pc.all(known, min_count=0).as_py():
            raise DamagedFile(self._folder, "chunks are of a modality without embedding space")
        found = {}
        for name, (space, dimension) in self._columns.items():
            column = chunks[name].combine_chunks()
            held = column.is_valid().to_numpy(zero_copy_only=False)
            rows = column.drop_null().flatten().to_numpy(zero_copy_only=False)
            if (held != embedded_in(chunks, space)).any() or len(rows) != held.sum() * dimension:
                raise DamagedFile(self._folder, f"{name} is not there where it should be")
            if len(rows):
                found[space] = rows.reshape(-1, dimension)
        return found

    def _next(self) -> bool:
        batch = next(self._batches, None)
        if batch is not None:
            self._rest = pa.Table.from_batches([batch])
        return batch is not None


def _read(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(_ROWS, columns=columns)
    except (OSError, pa.ArrowInvalid) as error:
        raise DamagedFile(path, str(error)) from error
