"""Tables read row by row: JSON lines, CSV, TSV and Parquet, also packed with gzip.

A table is a file, or the bytes of a member of an archive.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from ragstone.errors import MalformedInput, Rejected
from ragstone.ingestion.parsers.base import clean
from ragstone.ingestion.parsers.decode import decode
from ragstone.ingestion.parsers.tables import sniff_delimiter
from ragstone.ingestion.values import row_json, typed
from ragstone.schemas.records import Raw, RowColumns

_PEEKED = 100  # rows of JSON lines that are looked at for their column names
_SAMPLE = 2**16  # bytes that show encoding and delimiter
_BATCH = 1_000  # rows of Parquet in memory at a time
_MAX_LINE = 2**28  # bytes; what is longer is no line
_MAX_FIELD = 2**31 - 1

_Open = Callable[[], BinaryIO]
Verbatim = AbstractSet[str | None]  # columns whose cells stay text


@dataclass(frozen=True, slots=True)
class Table:
    """A file of rows, each given as the bytes of a JSON object.

    Parameters
    ----------
    path
        Where it is; of a table in an archive, only its name says something.
    content
        The bytes of a table that is no file.
    source
        What its rows are sources of, when it is not the path.
    """

    path: Path
    content: bytes | None = None
    source: str = ""

    def columns(self) -> list[str]:
        """Return the column names; of JSON lines those of the first 100 rows."""
        if not self._is_json:
            return self._head()
        found: dict[str, None] = {}
        for row in islice(self.objects(), _PEEKED):
            found.update(dict.fromkeys(row))
        return list(found)

    def has_any(self, names: Iterable[str]) -> bool:
        """Tell whether some row has one of the columns; stops at the first that has."""
        wanted = set(names)
        return any(not wanted.isdisjoint(row) for row in self._named())

    def missing(self, names: Iterable[str]) -> set[str]:
        """Return those of `names` that no row has; stops when all were met."""
        wanted = set(names)
        for row in self._named():
            wanted.difference_update(row)
            if not wanted:
                break
        return wanted

    def raws(self, columns: RowColumns) -> Iterator[Raw]:
        """Yield each row, broken ones too; the parser finds out and says what is wrong.

        Where the file itself cannot be read on, the whole file is yielded with the reason.
        """
        file = self.source or path_text(self.path)
        free = Free()
        verbatim = frozenset({*columns.text, columns.name})
        try:
            for number, content in enumerate(self._rows(verbatim), start=1):
                name = _name(content, columns.name) or str(number)
                source = f"{file}#{free(name)}"
                yield Raw(source=source, name=name, content=content, columns=columns)
        except _errors() as error:
            problem = error if isinstance(error, Rejected) else self._broken(error)
            yield Raw(file, path_text(Path(self.path.name)), problem=problem)

    def objects(self, verbatim: frozenset[str] = frozenset()) -> Iterator[dict[str, Any]]:
        """Yield the rows that are objects, up to where the file cannot be read on.

        Numbers in the columns `verbatim` of a text table stay text.
        """
        try:
            for content in self._rows(verbatim):
                row = _object(content)
                if row is not None:
                    yield row
        except _errors():
            return

    @property
    def _is_json(self) -> bool:
        return _READERS[ending(self.path)] is _json_lines

    def _head(self) -> list[str]:
        """Return the columns that the file itself names, be there rows or not."""
        try:
            return (_parquet_head if ending(self.path) == ".parquet" else _header)(self._open)
        except _errors():
            return []

    def _named(self) -> Iterable[Iterable[str]]:
        return self.objects() if self._is_json else [self._head()]

    def _broken(self, error: Exception) -> MalformedInput:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return MalformedInput(ending(self.path).removeprefix("."), clean(lines[0][:200]))

    def _rows(self, verbatim: Verbatim) -> Iterator[bytes]:
        return _READERS[ending(self.path)](self._open, verbatim)

    def _open(self) -> BinaryIO:
        file = self.path if self.content is None else io.BytesIO(self.content)
        if self.path.name.lower().endswith(".gz"):
            return cast(BinaryIO, gzip.open(file, "rb"))
        return file.open("rb") if isinstance(file, Path) else file


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


def _json_lines(opened: _Open, _: Verbatim) -> Iterator[bytes]:
    with opened() as file:
        for line in iter(lambda: file.readline(_MAX_LINE), b""):
            content = line.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n")
            if content.strip():
                yield content


def _delimited(opened: _Open, verbatim: Verbatim) -> Iterator[bytes]:
    with _records(opened) as rows:
        header = _names(next(rows, []))
        for row in rows:
            if any(row):
                cells = ((_column(header, i), cell) for i, cell in enumerate(row))
                values = {n: cell if n in verbatim else typed(cell) for n, cell in cells}
                yield row_json(dict.fromkeys(header, "") | values)


def _header(opened: _Open) -> list[str]:
    with _records(opened) as rows:
        return _names(next(rows, []))


@contextmanager
def _records(opened: _Open) -> Iterator[Iterator[list[str]]]:
    """Open a delimited file for its records, the header first."""
    with opened() as file:
        sample = file.read(_SAMPLE)
    complete = sample[: sample.rfind(b"\n") + 1] or sample
    text, encoding = decode(complete)
    csv.field_size_limit(_MAX_FIELD)
    with io.TextIOWrapper(opened(), encoding, errors="replace", newline="") as file:
        yield csv.reader(file, delimiter=sniff_delimiter(text))


def _names(header: list[str]) -> list[str]:
    """Return the column names, each once: an empty or repeated one gives way to its number."""
    # A byte order mark is part of the text in encodings that name their byte order.
    bare = [name.strip().lstrip("\ufeff") for name in header]
    return [_column([], i) if not n or n in bare[:i] else n for i, n in enumerate(bare)]


def _parquet(opened: _Open, _: Verbatim) -> Iterator[bytes]:
    from pyarrow import parquet

    with opened() as whole, parquet.ParquetFile(whole) as file:
        for batch in file.iter_batches(_BATCH):
            yield from map(row_json, batch.to_pylist())


def _parquet_head(opened: _Open) -> list[str]:
    from pyarrow import parquet

    with opened() as whole, parquet.ParquetFile(whole) as file:
        return list(file.schema_arrow.names)


_READERS: dict[str, Callable[[_Open, Verbatim], Iterator[bytes]]] = {
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


def _column(header: list[str], position: int) -> str:
    """Return the name of a cell's column; one without a name gets its number."""
    return header[position] if position < len(header) else f"column {position + 1}"


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


class Free:
    """Gives out names, each once: a second `a` is `a~2`, a third `a~3`, where nobody has it."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        """Return `name`, or with `~2`, `~3` … the first that no one before has taken."""
        seen = self._seen
        if name not in seen:
            seen[name] = 1
            return name
        free = name
        while free in seen:
            seen[name] += 1
            free = f"{name}~{seen[name]}"
        seen[free] = 1
        return free
