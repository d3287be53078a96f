"""Archives as places of files: zip, and tar in its packings.

Members are read into memory, never written under a name that the archive chose. A packed tar is
unpacked once into a file without a name, so that its members can be read in any order.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ragstone.config import LimitSettings
from ragstone.errors import EmptyInput, LimitExceeded, MalformedInput, Rejected
from ragstone.ingestion.archive_formats import Member, Opened, TarArchive, ZipArchive
from ragstone.ingestion.parsers.base import clean
from ragstone.ingestion.tabular import Free, Table, is_table
from ragstone.schemas.records import Raw

MAX_DEPTH = 3  # archives in archives
MAX_BYTES = 64 * 2**30  # that one archive unpacks to, with all archives in it
_HARMLESS = 16 * 2**20  # bytes; only what grows beyond is worth refusing for its ratio
_IN_MEMORY = 64 * 2**20  # bytes of an unpacked tar; beyond, it is a file without a name
_STEP = 2**20

_PACKINGS = {
    ".tar.gz": "gz",
    ".tgz": "gz",
    ".tar.bz2": "bz2",
    ".tbz2": "bz2",
    ".tar.xz": "xz",
    ".txz": "xz",
}
_ENDINGS = (".zip", ".tar", *_PACKINGS)
_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)


@dataclass(slots=True)
class Budget:
    """What one archive, with the archives in it, may unpack to."""

    packed: int  # bytes of the outermost archive
    limits: LimitSettings
    unpacked: int = 0

    def charge(self, size: int) -> None:
        """Count `size` more bytes.

        Raises
        ------
        LimitExceeded
            They are too many, or too many for the archive's own size.
        """
        self.unpacked += size
        if self.unpacked > MAX_BYTES:
            what = "The unpacked size of the archive in bytes"
            raise LimitExceeded(what, self.unpacked, MAX_BYTES, "(fixed)")
        ratio = self.unpacked / max(self.packed, 1)
        if self.unpacked > _HARMLESS and ratio > self.limits.ratio:
            what = "Unpacked over packed size of the archive"
            raise LimitExceeded(what, ratio, self.limits.ratio, "limits.ratio")


class Spent(Exception):  # a signal to whoever goes through an archive
    """The budget of an archive is used up: nothing more of it is unpacked."""

    def __init__(self, reason: LimitExceeded) -> None:
        self.reason = reason
        super().__init__(str(reason))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an archive is: how its members are called, how deep it lies, what is left for it."""

    source: str  # members are `source!member`
    name: str  # members are `name/member`
    depth: int  # 1 for an archive that is a file
    budget: Budget

    def within(self, source: str, name: str) -> Origin:
        """Return the origin of an archive in this one.

        Raises
        ------
        LimitExceeded
            It lies too deep.
        """
        if self.depth >= MAX_DEPTH:
            what = "The depth of archives in archives"
            raise LimitExceeded(what, self.depth + 1, MAX_DEPTH, "(fixed)")
        return Origin(source, name, self.depth + 1, self.budget)


class Archive:
    """The members of an archive, in sorted order.

    Parameters
    ----------
    wanted
        Tells of a path in the archive whether it is not shut out.
    """

    def __init__(self, opened: Opened, origin: Origin, wanted: Callable[[str], bool]) -> None:
        self._opened = opened
        self._origin = origin
        self._charged = isinstance(opened, ZipArchive)  # a packed tar was charged as a whole
        self._members: dict[str, Member] = {}
        free = Free()
        for member in sorted(opened.members, key=lambda member: member.name.split("/")):
            if wanted(member.name):
                self._members[free(member.name)] = member

    @property
    def names(self) -> Sequence[str]:
        """The members; a second one of the same name is `name~2`."""
        return list(self._members)

    @property
    def damage(self) -> Rejected | None:
        """Why not all of the archive could be read; an archive without files says so."""
        if self._opened.damage is None and not self._opened.members:
            return EmptyInput("The archive holds no files")
        return self._opened.damage

    def source(self, name: str) -> str:
        """Return what a member is called among all sources."""
        return f"{self._origin.source}!{name}"

    def raw(self, name: str) -> Raw:
        """Return a member with its bytes, or with the reason why it has none.

        Raises
        ------
        Spent
            Too much of the archive was unpacked.
        """
        raw = Raw(self.source(name), f"{self._origin.name}/{self._members[name].name}")
        try:
            return Raw(raw.source, raw.name, content=self.peek(name))
        except Rejected as problem:
            return Raw(raw.source, raw.name, problem=problem)

    def table(self, name: str) -> Table | None:
        """Return a member that is a table."""
        if not is_table(Path(name)):
            return None
        raw = self.raw(name)
        if raw.content is None:
            return None
        return Table(Path(self._members[name].name), raw.content, raw.source)

    def peek(self, name: str) -> bytes:
        """Return the bytes of a member."""
        member = self._members[name]
        if member.problem is not None:
            raise member.problem
        if self._charged:
            try:
                self._origin.budget.charge(member.size)
            except LimitExceeded as reason:
                raise Spent(reason) from reason
        return self._opened.read(member)

    def within(self, raw: Raw) -> Origin:
        """Return the origin of the archive that the member `raw` is."""
        return self._origin.within(raw.source, raw.name)


def is_archive(name: str) -> bool:
    """Tell by its ending whether a file is an archive; Office files and e-books are none."""
    return name.lower().endswith(_ENDINGS)


@contextmanager
def open_archive(
    file: BinaryIO, size: int, origin: Origin, wanted: Callable[[str], bool]
) -> Iterator[Archive | None]:
    """Open an archive of `size` bytes; None for a document that is only named like one.

    Raises
    ------
    MalformedInput, LimitExceeded
        Nothing of it can be read, or it would unpack to too much.
    """
    limits = origin.budget.limits
    name = origin.name.lower()
    if name.endswith(".zip"):
        opened = ZipArchive(file, size, limits)
        yield None if opened.is_document else Archive(opened, origin, wanted)
    elif name.endswith(".tar"):
        yield Archive(TarArchive(file, limits), origin, wanted)
    else:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as unpacked:
            damage = _unpack(file, name, unpacked, origin.budget)
            tar = TarArchive(cast(BinaryIO, unpacked), limits)
            tar.damage = damage or tar.damage
            yield Archive(tar, origin, wanted)


def _opened(ending: str, file: BinaryIO) -> gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile:
    match _PACKINGS[ending]:
        case "gz":
            return gzip.GzipFile(fileobj=file, mode="rb")
        case "bz2":
            return bz2.BZ2File(file)
        case _:
            return lzma.LZMAFile(file)


def _unpack(
    file: BinaryIO, name: str, target: tempfile.SpooledTemporaryFile[bytes], budget: Budget
) -> MalformedInput | None:
    """Unpack as much as can be; return what stood in the way of the rest."""
    ending = next(end for end in _PACKINGS if name.endswith(end))
    damage = None
    try:
        with _opened(ending, file) as packed:
            # Not `read`: it would keep back what it has when the packing breaks off.
            while piece := packed.read1(_STEP):
                budget.charge(len(piece))
                target.write(piece)
    except _DAMAGED as error:
        damage = MalformedInput(ending.removeprefix("."), clean(str(error)))
    target.seek(0)
    return damage
