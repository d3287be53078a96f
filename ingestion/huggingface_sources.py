"""Folders of Hugging Face `datasets` as sources, read with Arrow alone.

Two kinds: what `save_to_disk` writes (Arrow streams with state.json), and Parquet files below
`data/` as the hub has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from ragstone.errors import InvalidArgument, MalformedInput, UnreadableInput
from ragstone.ingestion.options import SourceOptions
from ragstone.ingestion.pages import LISTING
from ragstone.ingestion.parsers.base import clean
from ragstone.ingestion.parsers.templates import text_fields
from ragstone.ingestion.sidecars import caption_of
from ragstone.ingestion.tabular import Free, path_text
from ragstone.ingestion.values import plain, row_json
from ragstone.schemas.records import Raw, RowColumns

_SHARD = re.compile(r"([\w.-]+?)-\d{5}-of-\d{5}(?:-[0-9a-f]+)?\.parquet")
_MEDIA = {"bytes", "path"}  # the fields of a picture or a recording in a cell
_TEXT = "text"  # the column that is taken when none is named
_BATCH = 64
_ERRORS = (OSError, pa.ArrowException, ValueError)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of rows of one split."""

    split: str
    path: Path

    @property
    def is_parquet(self) -> bool:
        """True for Parquet, False for an Arrow stream."""
        return self.path.suffix == ".parquet"

    def schema(self) -> pa.Schema:
        """Return the columns."""
        if self.is_parquet:
            return parquet.read_schema(self.path)
        with pa.memory_map(str(self.path)) as file, pa.ipc.open_stream(file) as stream:
            return stream.schema

    def count(self) -> int:
        """Return the number of rows."""
        if self.is_parquet:
            return int(parquet.read_metadata(self.path).num_rows)
        with pa.memory_map(str(self.path)) as file, pa.ipc.open_stream(file) as stream:
            return sum(batch.num_rows for batch in stream)

    def rows(self) -> Iterator[Row]:
        """Yield the rows, a few in memory at a time."""
        if self.is_parquet:
            with parquet.ParquetFile(self.path) as file:
                for batch in file.iter_batches(_BATCH):
                    yield from batch.to_pylist()
            return
        with pa.memory_map(str(self.path)) as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                for start in range(0, batch.num_rows, _BATCH):
                    yield from batch.slice(start, _BATCH).to_pylist()


class HuggingFaceSource:
    """The rows of a dataset folder, split by split.

    A cell that holds a picture or a recording is an object with the cell's bytes; the row's
    caption is its caption, the other columns its metadata. A row without such a cell is a row of a
    table. A class label stands by its name.
    """

    def __init__(self, folder: Path, shards: list[Shard], columns: RowColumns | None) -> None:
        self._folder = folder
        self._shards = shards
        known = _readable(shards)
        self._schema = known.schema()
        self._media = [field.name for field in self._schema if _is_media(field.type)]
        self._columns = columns or RowColumns((_TEXT,))
        self._labels = _labels(self._schema, known.path.parent)

    @cached_property
    def total(self) -> int | None:
        """Number of rows, or of pictures and recordings in them."""
        try:
            return sum(shard.count() for shard in self._shards) * max(len(self._media), 1)
        except _ERRORS:
            return None

    @property
    def has_text(self) -> bool:
        """True when rows can be made objects: they hold media, or the text column is there."""
        return bool(self._media) or _TEXT in self._schema.names

    def check_columns(self) -> None:
        """Raise `InvalidArgument` when a text column is not there."""
        names = set(self._schema.names)
        for piece in () if self._media else self._columns.text:
            if not names.issuperset(text_fields([piece])):
                there = ", ".join(self._schema.names)
                raise InvalidArgument("text", piece, f"columns of the dataset: {there}")

    def raws(self) -> Iterator[Raw]:
        """Yield the objects; a file that cannot be read on is yielded with the reason.

        So are those after it whose rows cannot be numbered: under the number of another row, one
        would take its place. Both have `pages.LISTING` in their metadata.
        """
        free = Free()
        numbers: dict[str, int | None] = {}  # of the next row of each split, where it is known
        for shard in self._shards:
            first = numbers.get(shard.split, 0)
            if first is None:
                yield _broken(shard, "it is not known how many rows come before it")
                continue
            try:
                for number, row in enumerate(shard.rows(), first):
                    yield from self._row(self._named(row), f"{shard.split}/{number}", free)
            except _ERRORS as error:
                yield _broken(shard, str(error))
            numbers[shard.split] = _after(shard, first)

    def _row(self, row: Row, place: str, free: Free) -> Iterator[Raw]:
        if not self._media:
            named = row.get(self._columns.name) if self._columns.name else None
            name = place if named is None else clean(str(plain(named)))
            source = f"{path_text(self._folder)}#{free(name)}"
            yield Raw(source, name, content=row_json(row), columns=self._columns)
        for column in self._media:
            spot = place if len(self._media) == 1 else f"{place}.{column}"
            yield self._medium(row, row[column], spot)

    def _medium(self, row: Row, cell: Mapping[str, Any] | None, spot: str) -> Raw:
        """Return the picture or recording in a cell; its file may lie in the folder."""
        source = f"{path_text(self._folder)}#{spot}"
        content, stored = (cell or {}).get("bytes"), (cell or {}).get("path")
        name = clean(PurePosixPath(stored).name) if stored else spot
        path = None
        if content is None:
            path = _inside(self._folder, stored)
            if path is None:
                what = "the row names a file that is not in the folder" if stored else "it is empty"
                return Raw(source, name, problem=UnreadableInput(what))
        said = caption_of(row, self._media)
        metadata = json.loads(row_json(said.metadata))
        return Raw(source, name, path, content, None, metadata, said.text)

    def _named(self, row: Row) -> Row:
        for column, names in self._labels.items():
            number = row.get(column)
            if isinstance(number, int) and 0 <= number < len(names):
                row[column] = names[number]
        return row


def open_huggingface(path: Path, options: SourceOptions) -> HuggingFaceSource | None:
    """Open a dataset folder; None when it is none.

    Raises
    ------
    InvalidArgument
        It holds neither media nor the text column.
    """
    if not path.is_dir():
        return None
    shards = _saved(path) or _on_the_hub(path)
    if not shards:
        return None
    try:
        source = HuggingFaceSource(path, shards, options.columns)
    except _ERRORS:
        return None  # damaged: its files are rejected one by one
    if options.columns is None and not source.has_text and shards[0].is_parquet:
        return None  # tables as any others: each is a document
    source.check_columns()
    return source


def _saved(folder: Path) -> list[Shard]:
    """Return the files that `save_to_disk` wrote, of all splits, be they there or not.

    A split without a list of its files is one that cannot be read.
    """
    splits = _object(folder / "dataset_dict.json").get("splits")
    if isinstance(splits, list):
        return [
            shard
            for split in splits
            if isinstance(split, str) and Path(split).name == split
            for shard in _state(folder / split, split) or [Shard(split, folder / split)]
        ]
    return _state(folder, "")


def _state(folder: Path, split: str) -> list[Shard]:
    state = _object(folder / "state.json")
    files = state.get("_data_files")
    if not isinstance(files, list):
        return []
    split = split or str(state.get("_split") or "train")
    names = [entry.get("filename") for entry in files if isinstance(entry, dict)]
    safe = [name for name in names if isinstance(name, str) and Path(name).name == name]
    return [Shard(split, folder / name) for name in safe]


def _on_the_hub(folder: Path) -> list[Shard]:
    """Return the Parquet files of all splits, when there is nothing else in `data/`."""
    files = sorted((folder / "data").glob("*")) if (folder / "data").is_dir() else []
    matches = [_SHARD.fullmatch(path.name) for path in files]
    return [Shard(m[1], path) for m, path in zip(matches, files, strict=True) if m] * all(matches)


def _labels(schema: pa.Schema, folder: Path) -> dict[str, list[str]]:
    """Return the names of the values of class label columns."""
    features: Any = _object(folder / "dataset_info.json").get("features")
    if not isinstance(features, dict):
        try:
            features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        except (KeyError, ValueError, TypeError):
            return {}
    return {
        column: [str(name) for name in feature["names"]]
        for column, feature in features.items()
        if isinstance(feature, dict)
        and feature.get("_type") == "ClassLabel"
        and isinstance(feature.get("names"), list)
    }


def _is_media(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and {field.name for field in kind} == _MEDIA


def _readable(shards: list[Shard]) -> Shard:
    """Return the first file whose columns can be read; without any, the last."""
    for shard in shards[:-1]:
        with suppress(*_ERRORS):
            shard.schema()
            return shard
    return shards[-1]


def _after(shard: Shard, first: int) -> int | None:
    """Return the number of the row after those of a file; a damaged one may not say."""
    try:
        return first + shard.count()
    except _ERRORS:
        return None


def _broken(shard: Shard, reason: str) -> Raw:
    problem = MalformedInput("Parquet" if shard.is_parquet else "Arrow", clean(reason[:200]))
    source = path_text(shard.path)
    return Raw(source, shard.path.name, metadata={LISTING: True}, problem=problem)


def _inside(folder: Path, stored: object) -> Path | None:
    if not isinstance(stored, str):
        return None
    path = (folder / stored).resolve()
    return path if path.is_relative_to(folder) and path.is_file() else None


def _object(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
