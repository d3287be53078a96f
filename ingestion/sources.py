"""Where raw objects come from: files, folders, and tables whose rows are objects."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ragstone.config import CONFIG_FILE
from ragstone.errors import InvalidArgument, UnknownSource
from ragstone.ingestion.tabular import Table, is_table, path_text
from ragstone.schemas.records import Raw, RowColumns
from ragstone.storage.owner import LOCK_FILE, OWNER_FILE

# What a workspace keeps of its own; often it lies in the folder of the documents, or is it.
_OWN = frozenset({"blobs", "datasets", "quarantine", CONFIG_FILE, OWNER_FILE, LOCK_FILE})


class Source(Protocol):
    """Yields the raw objects of one place, always in the same order."""

    @property
    def total(self) -> int | None:
        """How many there are, when that is known without reading them."""
        ...

    def raws(self) -> Iterator[Raw]:
        """Yield each object once."""
        ...


def open_source(where: str | Path, columns: RowColumns | None = None) -> Source:
    """Open a file or a folder.

    Parameters
    ----------
    where
        Path of a file or a folder.
    columns
        When given, the rows of JSON lines, CSV, TSV and Parquet files become objects of their
        own. Tables in a folder that have none of the text columns stay one object.

    Raises
    ------
    UnknownSource
        Nothing is there.
    InvalidArgument
        `columns` are given and no table there has any of the text columns.
    """
    path = Path(where).expanduser()
    try:
        path = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise UnknownSource(str(where)) from error
    files = list(_walk(path)) if path.is_dir() else [path]
    source = FileSource(path, files, columns)
    if columns is not None:
        source.check_columns()
    return source


class FileSource:
    """A file, or the files below a folder in sorted order.

    Hidden files and folders are left out, symbolic links that lead out of the folder, and what a
    workspace keeps of its own. Files that are no regular files (sockets, pipes) are yielded, so
    that they are seen to be rejected.
    """

    def __init__(self, root: Path, files: list[Path], columns: RowColumns | None) -> None:
        self._root = root
        self._files = files
        self._columns = columns

    @property
    def total(self) -> int | None:
        """Number of files; unknown when some of them are tables to be read by rows."""
        if self._columns is not None and any(is_table(path) for path in self._files):
            return None
        return len(self._files)

    def raws(self) -> Iterator[Raw]:
        """Yield a raw object for each file, or each row of a table."""
        for path in self._files:
            name = Path(path.name) if path == self._root else path.relative_to(self._root)
            if self._columns is not None and self._has_columns(path):
                yield from Table(path).raws(self._columns)
            else:
                yield Raw(source=path_text(path), name=path_text(name), path=path)

    def check_columns(self) -> None:
        """Raise `InvalidArgument` unless some table has a text column."""
        if self._columns is None or any(map(self._has_columns, self._files)):
            return
        there: dict[str, None] = {}
        tables = list(filter(is_table, self._files))
        if not all(map(_readable_table, tables)):
            return  # to be rejected with its own reason
        for path in tables:
            there.update(dict.fromkeys(Table(path).columns()))
        wanted = ",".join(self._columns.text)
        if tables:
            names = ", ".join(there) or "it has none"
            raise InvalidArgument("text", wanted, f"columns of the table: {names}")
        raise InvalidArgument(
            "text", wanted, "given only with a table: JSON lines, CSV, TSV or Parquet"
        )

    def _has_columns(self, path: Path) -> bool:
        if self._columns is None or not _readable_table(path):
            return False
        return Table(path).has_any(self._columns.text)


def _readable_table(path: Path) -> bool:
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False
    return is_table(path) and regular and os.access(path, os.R_OK)


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files below `folder`, sorted by name level by level, no link followed out of it."""
    pending = [folder]
    seen = {folder}
    while pending:
        current = pending.pop()
        if not current.is_dir():
            yield current
            continue
        try:
            entries = sorted(current.iterdir(), reverse=True)
        except OSError:
            # Yielded as an object in its own right, to be rejected as unreadable.
            yield current
            continue
        own = any(entry.name == CONFIG_FILE for entry in entries)
        pending.extend(
            entry
            for entry in entries
            if _wanted(entry, folder, seen) and not (own and _is_own(entry.name))
        )


def _is_own(name: str) -> bool:
    """Tell whether a workspace keeps something under this name."""
    from ragstone.storage.catalog import CATALOG_FILE  # loads DuckDB, which readers do without

    return name in _OWN or name.startswith(CATALOG_FILE)


def _wanted(entry: Path, root: Path, seen: set[Path]) -> bool:
    """Tell whether to go on with an entry; each folder is entered once, under one name."""
    if entry.name.startswith("."):
        return False
    try:
        real = entry.resolve()
        if entry.is_symlink() and not real.is_relative_to(root):
            return False
        if entry.is_dir():
            if real in seen:
                return False
            seen.add(real)
    except (OSError, RuntimeError):
        return False  # a link that leads round in a circle
    return True
