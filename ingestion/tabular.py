"""Tables read row by row: JSON lines, CSV, TSV and Parquet, also packed with gzip."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from ragstone.errors import Rejected
from ragstone.ingestion.parsers.base import clean
from ragstone.ingestion.parsers.decode import decode
from ragstone.ingestion.parsers.tables import sniff_delimiter
from ragstone.schemas.records import Raw, RowColumns

_PEEKED = 100  # rows of JSON lines that are looked at for their column names
_SAMPLE = 2**16  # bytes that show encoding and delimiter
_BATCH = 1_000  # rows of Parquet in memory at a time
_MAX_LINE = 2**28  # bytes; what is longer is no line
_MAX_FIELD = 2**31 - 1

_Rows = Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Table:
    """A file of rows, each given as the bytes of a JSON object."""

    path: Path

    def columns(self) -> list[str]:
        """Return the column names; of JSON lines those of the first 100 rows."""
        if not self._is_json:
            return self._head()
        found: dict[str, None] = {}
        for row in islice(self._objects(), _PEEKED):
            found.update(dict.fromkeys(row))
        return list(found)

    def has_any(self, names: Iterable[str]) -> bool:
        """Tell whether some row has one of the columns; stops at the first that has."""
        wanted = set(names)
        rows: Iterable[Iterable[str]] = self._objects() if self._is_json else [self._head()]
        return any(not wanted.isdisjoint(row) for row in rows)

    def raws(self, columns: RowColumns) -> Iterator[Raw]:
        """Yield each row, broken ones too; the parser finds out and says what is wrong.

        Where the file itself cannot be read on, the whole file is yielded, to be rejected with
        its own reason.
        """
        file = path_text(self.path)
        seen: dict[str, int] = {}
        try:
            for number, content in enumerate(self._rows(), start=1):
                name = _name(content, columns.name) or str(number)
                source = f"{file}#{_free(name, seen)}"
                yield Raw(source=source, name=name, content=content, columns=columns)
        except _errors():
            yield Raw(source=file, name=path_text(Path(self.path.name)), path=self.path)

    @property
    def _is_json(self) -> bool:
        return _READERS[ending(self.path)] is _json_lines

    def _head(self) -> list[str]:
        """Return the columns that the file itself names, be there rows or not."""
        try:
            return (_parquet_head if ending(self.path) == ".parquet" else _header)(self.path)
        except _errors():
            return []

    def _rows(self) -> _Rows:
        return _READERS[ending(self.path)](self.path)

    def _objects(self) -> Iterator[dict[str, Any]]:
        try:
            for content in self._rows():
                row = _object(content)
                if row is not None:
                    yield row
        except _errors():
            return


def path_text(path: Path) -> str:
    """Return `path` as text that can be stored, bytes that are not UTF-8 as their hex code."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def is_table(path: Path) -> bool:
    """Tell by its ending whether a file holds rows."""
    return ending(path) in _READERS


def ending(path: Path) -> str:
    """Return the file's ending, that below `.gz` for packed files."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _json_lines(path: Path) -> _Rows:
    with _opened(path) as file:
        for line in iter(lambda: file.readline(_MAX_LINE), b""):
            content = line.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n")
            if content.strip():
                yield content


def _delimited(path: Path) -> _Rows:
    with _records(path) as rows:
        header = _names(next(rows, []))
        for row in rows:
            if any(row):
                cells = {_column(header, i): cell for i, cell in enumerate(row)}
                yield _json(dict.fromkeys(header, "") | cells)


def _header(path: Path) -> list[str]:
    with _records(path) as rows:
        return _names(next(rows, []))


@contextmanager
def _records(path: Path) -> Iterator[Iterator[list[str]]]:
    """Open a delimited file for its records, the header first."""
    with _opened(path) as file:
        sample = file.read(_SAMPLE)
    complete = sample[: sample.rfind(b"\n") + 1] or sample
    text, encoding = decode(complete)
    csv.field_size_limit(_MAX_FIELD)
    with io.TextIOWrapper(_opened(path), encoding, errors="replace", newline="") as file:
        yield csv.reader(file, delimiter=sniff_delimiter(text))


def _names(header: list[str]) -> list[str]:
    """Return the column names, each once: an empty or repeated one gives way to its number."""
    # A byte order mark is part of the text in encodings that name their byte order.
    bare = [name.strip().lstrip("\ufeff") for name in header]
    return [_column([], i) if not n or n in bare[:i] else n for i, n in enumerate(bare)]


def _parquet(path: Path) -> _Rows:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH):
            yield from map(_json, batch.to_pylist())


def _parquet_head(path: Path) -> list[str]:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        return list(file.schema_arrow.names)


_READERS: dict[str, Callable[[Path], _Rows]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _delimited,
    ".tsv": _delimited,
    ".parquet": _parquet,
}


def _errors() -> tuple[type[Exception], ...]:
    """Return what a damaged file raises while it is read; asked for only when that happens."""
    import pyarrow as pa

    return (OSError, EOFError, zlib.error, csv.Error, UnicodeError, Rejected, pa.ArrowException)


def _opened(path: Path) -> BinaryIO:
    packed = path.name.lower().endswith(".gz")
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")


def _column(header: list[str], position: int) -> str:
    """Return the name of a cell's column; one without a name gets its number."""
    return header[position] if position < len(header) else f"column {position + 1}"


def _json(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, sort_keys=True, default=str).encode(
        "utf-8", errors="replace"
    )


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _name(content: bytes, column: str | None) -> str:
    if column is None:
        return ""
    value = (_object(content) or {}).get(column)
    return "" if value is None else clean(str(value))


def _free(name: str, seen: dict[str, int]) -> str:
    """Return `name`, or with `~2`, `~3` … the first that no row before has taken."""
    if name not in seen:
        seen[name] = 1
        return name
    free = name
    while free in seen:
        seen[name] += 1
        free = f"{name}~{seen[name]}"
    seen[free] = 1
    return free
