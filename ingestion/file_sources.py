"""Files, folders and archives as a source, with the tables, captions and archives among them."""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ragstone.config import LimitSettings
from ragstone.errors import InvalidArgument, Rejected
from ragstone.ingestion.archives import Archive, Budget, Origin, Spent, is_archive, open_archive
from ragstone.ingestion.options import SourceOptions
from ragstone.ingestion.parsers.templates import text_fields
from ragstone.ingestion.places import Beside, Folder, Place, is_readable
from ragstone.ingestion.selection import Selection
from ragstone.ingestion.sidecars import CaptionTable, read_captions
from ragstone.ingestion.tabular import Table, is_table
from ragstone.schemas.records import Raw


class FileSource:
    """A file, or the files below a folder in sorted order, and the members of archives there.

    Hidden files and folders are left out unless asked for, symbolic links that lead out of the
    folder too, and what a workspace keeps of its own.
    """

    def __init__(self, root: Path, options: SourceOptions, limits: LimitSettings) -> None:
        self._root = root
        self._single = not root.is_dir()
        self._options = options
        self._limits = limits
        self._columns = options.columns
        self._fields = text_fields(options.columns.text) if options.columns else ()
        self._selection = Selection.of(options)
        self._captions: CaptionTable | None = None
        self._captions_path: Path | None = None
        if options.captions is not None:
            self._captions_path = Path(options.captions).expanduser().resolve()
            self._captions = read_captions(self._captions_path)
        self._folder = Folder(root, self._selection)

    @property
    def is_folder(self) -> bool:
        """False for one file, which may be an archive or a table."""
        return not self._single

    @property
    def total(self) -> int | None:
        """Number of files; unknown when some of them are archives or tables to be read by rows."""
        beside = Beside(self._folder, self._captions)
        count = 0
        for name in self._folder.names:
            table = self._columns is not None and is_table(Path(name))
            if table or self._is_archive(name):
                return None
            beside_others = beside.might_take(name) or self._is_captions(name)
            count += self._is_object(name) and not beside_others
        return count

    def raws(self) -> Iterator[Raw]:
        """Yield a raw object for each file, each row of a table and each member of an archive."""
        beside = Beside(self._folder, self._captions)
        for name in self._folder.names:
            if beside.takes(name) or self._is_captions(name):
                continue
            if self._is_archive(name) and is_readable(self._folder.path(name)):
                yield from self._unpacked(name)
            elif self._is_object(name):
                yield from self._object(self._folder, name, beside)

    def check_columns(self) -> None:
        """Raise `InvalidArgument` unless some table has a text column.

        A template must find all of its columns in these tables. What is in an archive, or in a
        table that cannot be read, is not known and may be it.
        """
        if self._columns is None or any(map(self._is_archive, self._folder.names)):
            return
        tables = [self._folder.path(n) for n in self._folder.names if is_table(Path(n))]
        if not all(map(is_readable, tables)):
            return  # to be rejected with its own reason
        fitting = [path for path in tables if Table(path).has_any(self._fields)]
        if not fitting:
            raise _unfitting(",".join(self._columns.text), tables)
        for piece in self._columns.text:
            missing = set(text_fields([piece])) - {piece}  # a plain name may be missing
            for path in fitting if missing else ():
                missing = Table(path).missing(missing)
            if missing:
                raise _unfitting(piece, fitting)

    def _is_captions(self, name: str) -> bool:
        return self._folder.path(name) == self._captions_path

    def _takes(self, name: str) -> bool:
        return self._single or self._selection.takes(name)

    def _is_object(self, name: str) -> bool:
        """Tell whether a path is taken, or cannot be opened and may hold what would be."""
        return self._takes(name) or self._is_archive(name) or _is_closed(self._folder.path(name))

    def _is_archive(self, name: str) -> bool:
        return self._options.archives and is_archive(name)

    def _object(self, place: Place, name: str, beside: Beside) -> Iterator[Raw]:
        table = place.table(name) if self._columns is not None else None
        if table is not None and self._columns is not None and table.has_any(self._fields):
            yield from table.raws(self._columns)
        else:
            yield beside.captioned(place.raw(name), name)

    def _unpacked(self, name: str) -> Iterator[Raw]:
        """Yield what an archive that is a file holds."""
        path = self._folder.path(name)
        whole = self._folder.raw(name)
        size = path.stat().st_size
        origin = Origin(whole.source, whole.name, 1, Budget(size, self._limits))
        base = "" if path == self._root else f"{name}/"
        try:
            with path.open("rb") as file:
                yield from self._members(file, size, origin, base, whole)
        except Spent as spent:
            yield Raw(whole.source, whole.name, problem=spent.reason)

    def _members(
        self, file: BinaryIO, size: int, origin: Origin, base: str, whole: Raw
    ) -> Iterator[Raw]:
        """Yield the members of an archive; `base` stands before their paths in globs."""

        def wanted(path: str) -> bool:
            return not self._selection.shuts_out(base + path)

        try:
            with open_archive(file, size, origin, wanted) as archive:
                if archive is None:
                    yield whole
                else:
                    yield from self._selected(archive, base)
                    if archive.damage is not None:
                        yield Raw(whole.source, whole.name, problem=archive.damage)
        except Rejected as problem:
            yield Raw(whole.source, whole.name, problem=problem)

    def _selected(self, archive: Archive, base: str) -> Iterator[Raw]:
        beside = Beside(archive, self._captions)
        for name in archive.names:
            if beside.takes(name):
                continue
            if self._is_archive(name):
                yield from self._nested(archive, name, base)
            elif self._selection.takes(base + name):
                yield from self._object(archive, name, beside)

    def _nested(self, archive: Archive, name: str, base: str) -> Iterator[Raw]:
        """Yield what an archive in an archive holds."""
        raw = archive.raw(name)
        if raw.content is None:
            yield raw
            return
        try:
            origin = archive.within(raw)
        except Rejected as problem:
            yield Raw(raw.source, raw.name, problem=problem)
            return
        size = len(raw.content)
        yield from self._members(io.BytesIO(raw.content), size, origin, f"{base}{name}/", raw)


def _is_closed(path: Path) -> bool:
    """Tell whether a path among the files is a folder, or cannot be looked at."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _unfitting(wanted: str, tables: list[Path]) -> InvalidArgument:
    if not tables:
        expected = "given only with a table: JSON lines, CSV, TSV or Parquet"
        return InvalidArgument("text", wanted, expected)
    there: dict[str, None] = {}
    for path in tables:
        there.update(dict.fromkeys(Table(path).columns()))
    names = ", ".join(there) or "it has none"
    return InvalidArgument("text", wanted, f"columns of the table: {names}")
