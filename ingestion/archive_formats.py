"""What is in a zip or tar archive: its members, checked before they are read."""

from __future__ import annotations

import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from ragstone.config import LimitSettings
from ragstone.errors import (
    EncryptedInput,
    LimitExceeded,
    MalformedInput,
    Rejected,
    UnsupportedFormat,
)
from ragstone.ingestion.parsers.base import clean

MAX_MEMBERS = 1_000_000
_ENCRYPTED = 0x1
_UNIX = 3  # the system whose file modes a zip member carries
_HARMLESS = 16 * 2**20  # bytes; only what grows beyond is worth refusing for its ratio
_DRIVE = re.compile(r"[A-Za-z]:")
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)
# RecursionError: headers that announce headers that announce headers.
_TAR_ERRORS = (tarfile.TarError, OSError, EOFError, ValueError, RecursionError, OverflowError)
# The parts that make a zip container an Office document or an e-book.
_DOCUMENTS = frozenset(
    "META-INF/container.xml word/document.xml ppt/presentation.xml xl/workbook.xml".split()
)


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive, by a name that is safe to show; `problem` says why it is none."""

    name: str
    size: int  # bytes, unpacked, as the archive says
    handle: Any  # what the format reads it by
    problem: Rejected | None = None


class Opened(Protocol):
    """An archive whose table of contents has been read."""

    damage: Rejected | None  # why there may be more members than were found

    @property
    def members(self) -> list[Member]:
        """All files, in the order of the archive."""
        ...

    def read(self, member: Member) -> bytes:
        """Return the bytes of a member.

        Raises
        ------
        Rejected
            They are damaged, encrypted or too many.
        """
        ...


class ZipArchive:
    """A zip archive.

    Raises
    ------
    MalformedInput, LimitExceeded
        Its table of contents cannot be read, or names too much.
    """

    def __init__(self, file: BinaryIO, size: int, limits: LimitSettings) -> None:
        self.damage: Rejected | None = None
        self._limits = limits
        try:
            self._zip = zipfile.ZipFile(file)
        except (*_ZIP_ERRORS, NotImplementedError) as error:
            raise MalformedInput("ZIP", clean(str(error))) from error
        # Not `is_dir`: before Python 3.12 a name without any letter stops it.
        infos = [info for info in self._zip.infolist() if not info.filename.endswith("/")]
        _check_number(len(infos))
        if sum(info.compress_size for info in infos) > size:
            raise MalformedInput("ZIP", "its members overlap: they share packed bytes")
        self.members = [self._member(info) for info in infos]

    @property
    def is_document(self) -> bool:
        """True when it is an Office document or an e-book under the name of an archive."""
        return not _DOCUMENTS.isdisjoint(self._zip.namelist())

    def read(self, member: Member) -> bytes:
        """Return the bytes of a member; no more than the archive says are unpacked."""
        try:
            return self._zip.read(member.handle)
        except NotImplementedError as error:
            what = f"A ZIP member of its kind ({clean(str(error))})"
            raise UnsupportedFormat(what) from error
        except _ZIP_ERRORS as error:
            raise MalformedInput("ZIP", f"a member is damaged ({clean(str(error))})") from error

    def _member(self, info: zipfile.ZipInfo) -> Member:
        name, problem = safe_name(info.filename, "ZIP")
        mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
        if problem is None and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            problem = UnsupportedFormat(_special(stat.S_ISLNK(mode)))
        return Member(name, info.file_size, info, problem or self._refused(info))

    def _refused(self, info: zipfile.ZipInfo) -> Rejected | None:
        if info.flag_bits & _ENCRYPTED:
            return EncryptedInput()
        if info.file_size > self._limits.bytes:
            return too_large(info.file_size, self._limits)
        ratio = info.file_size / max(info.compress_size, 1)
        if info.file_size > _HARMLESS and ratio > self._limits.ratio:
            return LimitExceeded(
                "Unpacked over packed size", ratio, self._limits.ratio, "limits.ratio"
            )
        if info.compress_type == zipfile.ZIP_BZIP2:
            # `zipfile` unpacks it in steps without a bound: 4 kB may become 4 GB.
            return UnsupportedFormat("A ZIP member packed with bzip2")
        return None


class TarArchive:
    """A tar archive, not packed; what follows a damaged place is not found."""

    def __init__(self, file: BinaryIO, limits: LimitSettings) -> None:
        self.damage: Rejected | None = None
        self._limits = limits
        self.members: list[Member] = []
        try:
            # Opening reads the first header.
            self._tar = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115  # as long as `file`
            for info in self._infos():
                self.members.append(self._member(info))
        except _TAR_ERRORS as error:
            self.damage = MalformedInput("tar", clean(str(error)) or type(error).__name__)
        _check_number(len(self.members))

    def read(self, member: Member) -> bytes:
        """Return the bytes of a member."""
        try:
            file = self._tar.extractfile(member.handle)
            content = file.read() if file is not None else b""
        except _TAR_ERRORS as error:
            raise MalformedInput("tar", f"a member is damaged ({clean(str(error))})") from error
        if len(content) != member.size:
            raise MalformedInput("tar", f"a member ends after {len(content)} bytes")
        return content

    def _infos(self) -> Iterator[tarfile.TarInfo]:
        """Yield the members; a header that leads backwards would be read for ever."""
        before = -1
        while (info := self._tar.next()) is not None:
            if info.offset <= before or info.size < 0:
                raise tarfile.ReadError("a header leads backwards")
            before = info.offset
            if not info.isdir():
                yield info
            if len(self.members) > MAX_MEMBERS:
                return

    def _member(self, info: tarfile.TarInfo) -> Member:
        stored = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        name, problem = safe_name(stored, "tar")
        if problem is None and info.issparse():
            problem = UnsupportedFormat("A sparse file in an archive")
        elif problem is None and not info.isreg():
            problem = UnsupportedFormat(_special(info.issym() or info.islnk()))
        elif problem is None and info.size > self._limits.bytes:
            problem = too_large(info.size, self._limits)
        return Member(name, info.size, info, problem)


def safe_name(name: str, media: str) -> tuple[str, Rejected | None]:
    """Return a member's name as a path below the archive, and why it cannot be one."""
    text = clean(name.replace("\\", "/"))
    parts = [part for part in text.split("/") if part not in ("", ".")]
    shown = "/".join(parts) or "?"
    if text.startswith("/") or _DRIVE.match(text) or ".." in parts or not parts:
        reason = f"the name {text[:200]!r} of a member leads out of it"
        return shown, MalformedInput(media, reason)
    return shown, None


def too_large(size: int, limits: LimitSettings) -> LimitExceeded:
    """Return the error of a member that is larger than a file may be."""
    return LimitExceeded("Its size in bytes", size, limits.bytes, "limits.bytes")


def _check_number(count: int) -> None:
    if count > MAX_MEMBERS:
        raise LimitExceeded("The number of packed files", count, MAX_MEMBERS, "(fixed)")


def _special(link: bool) -> str:  # noqa: FBT001
    return "A link in an archive" if link else "A device or pipe in an archive"
