"""Places that hold files, a folder or an archive, seen in the same way."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ragstone.config import CONFIG_FILE
from ragstone.errors import LimitExceeded, UnreadableInput
from ragstone.ingestion.selection import Selection, walk
from ragstone.ingestion.sidecars import Caption, CaptionTable, FolderTables, Sidecars, captioned
from ragstone.ingestion.tabular import Table, is_table, path_text
from ragstone.schemas.records import Raw
from ragstone.storage.owner import LOCK_FILE, OWNER_FILE

# What a workspace keeps of its own; often it lies in the folder of the documents, or is it.
_OWN = frozenset({CONFIG_FILE, OWNER_FILE, LOCK_FILE}).union(
    "blobs datasets forgets jobs models quarantine uploads".split()
)
_PEEKED = 2**26  # bytes; what stands beside other files is never longer


class Place(Protocol):
    """Files below one root, by their path below it, in sorted order."""

    @property
    def names(self) -> Sequence[str]:
        """The files that are not shut out; nothing else of the place is read."""
        ...

    def raw(self, name: str) -> Raw:
        """Return a file as a source object; where its bytes cannot be had, with the reason."""
        ...

    def table(self, name: str) -> Table | None:
        """Return a file with the ending of a table as one; None when it cannot be read."""
        ...

    def peek(self, name: str) -> bytes:
        """Return the bytes of a small file.

        Raises
        ------
        Rejected, OSError
            They cannot be had, or are too many.
        """
        ...


class Folder:
    """The files below a folder, or one file.

    Files that are no regular files (sockets, pipes) are among them, so that they are seen to be
    rejected.
    """

    def __init__(self, root: Path, selection: Selection) -> None:
        if root.is_dir():
            files = walk(root, selection, _own)
            self._files = {_name(root, path): path for path in files}
        else:
            self._files = {root.name: root}

    @property
    def names(self) -> Sequence[str]:
        """The files in sorted order, level by level."""
        return list(self._files)

    def path(self, name: str) -> Path:
        """Return where a file is."""
        return self._files[name]

    def raw(self, name: str) -> Raw:
        """Return a file by its path; it is read later."""
        path = self._files[name]
        return Raw(source=path_text(path), name=path_text(Path(name)), path=path)

    def table(self, name: str) -> Table | None:
        """Return a table that can be read."""
        path = self._files[name]
        return Table(path) if is_table(path) and is_readable(path) else None

    def peek(self, name: str) -> bytes:
        """Return the bytes of a small regular file."""
        path = self._files[name]
        if not is_readable(path):
            raise UnreadableInput("it is not a regular file that may be read")
        size = path.stat().st_size
        if size > _PEEKED:
            raise LimitExceeded("Its size in bytes", size, _PEEKED, "(fixed)")
        return path.read_bytes()


class Beside:
    """What the files of a place say about others of them, or a table of captions does."""

    def __init__(self, place: Place, captions: CaptionTable | None) -> None:
        self._sidecars = Sidecars(place.names, place.peek)
        self._tables = FolderTables(place.names, place.table)
        self._captions = captions

    def takes(self, name: str) -> bool:
        """Tell whether `name` is no object of its own but says something about others."""
        return self._tables.is_table(name) or self._sidecars.is_sidecar(name)

    def might_take(self, name: str) -> bool:
        """Tell, without reading it, whether `name` may be such a file."""
        return self._tables.is_table(name) or self._sidecars.may_be_sidecar(name)

    def captioned(self, raw: Raw, name: str) -> Raw:
        """Return `raw` with all that is said about it."""
        return captioned(raw, *self._said(raw, name))

    def _said(self, raw: Raw, name: str) -> Iterator[Caption]:
        yield from self._sidecars.of(name)
        yield from self._tables.of(name)
        if self._captions is not None:
            yield self._captions.of(raw.source.replace("!", "/"))


def is_readable(path: Path) -> bool:
    """Tell whether `path` is a regular file that may be read."""
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False
    return regular and os.access(path, os.R_OK)


def _name(root: Path, path: Path) -> str:
    return path.name if path == root else path.relative_to(root).as_posix()


def _own(entries: Sequence[Path]) -> frozenset[Path]:
    """Return those of the entries of a folder that a workspace keeps there as its own."""
    if not any(entry.name == CONFIG_FILE for entry in entries):
        return frozenset()
    from ragstone.storage.catalog import CATALOG_FILE  # loads DuckDB, which readers do without

    return frozenset(e for e in entries if e.name in _OWN or e.name.startswith(CATALOG_FILE))
