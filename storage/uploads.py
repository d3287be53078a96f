"""Uploads: files that came over HTTP, kept below `uploads/<ULID>/` for as long as a job names them.

A job reads them as the place `upload:<ULID>`, wherever the workspace lies, and a synchronisation
reads them again. Names are other people's: they are made safe before anything is written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ulid import ULID

from ragstone.errors import InvalidArgument, StorageFault, UploadTooLarge
from ragstone.schemas.api import UploadedFile
from ragstone.storage.files import TEMPORARY, make_folder, remove, stamp, sync_folder

if TYPE_CHECKING:
    from ragstone.storage.catalog import Catalog

FOLDER = "uploads"
SCHEME = "upload:"
ERASED = ".erased"  # in an upload from which something was erased: the folder must not seem lost
UNCLAIMED = timedelta(days=1)  # an upload that no job names is kept so long

_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_NAMED = re.compile(rf"{SCHEME}({_ID.pattern})")
# Control characters, what some file systems refuse, and what turns the direction of writing.
_UNSAFE = re.compile(
    r'[\x00-\x1f\x7f-\x9f<>:"|?*\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]'
)
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
_LONGEST = 200  # bytes of one part of a name: file systems take 255, and a number may come to it
_DEEPEST = 16  # folders
_PIECE = 2**20

Job = tuple[str, str]  # state and specification of one


def new_id() -> str:
    """Return the name of an upload to come."""
    return str(ULID())


def is_upload(place: str) -> bool:
    """Tell whether a place is an upload: `upload:ULID`."""
    return place.startswith(SCHEME)


def folder_of(root: Path, upload: str) -> Path:
    """Return where the files of an upload are, or would be.

    Raises
    ------
    InvalidArgument
        The name is no ULID.
    """
    if not _ID.fullmatch(upload):
        raise InvalidArgument("upload", upload[:40], "a ULID: 26 digits and capital letters")
    return root / FOLDER / upload


def safe_name(name: str) -> str:
    """Return a relative path that is safe to write: no way up, nothing hidden, no odd characters.

    Folders in the name stay, so that a folder can be uploaded as it is.
    """
    parts = [_safe(part) for part in re.split(r"[/\\]", name)]
    kept = [part for part in parts if part]
    return "/".join(kept[-_DEEPEST:]) or "file"


def _safe(part: str) -> str:
    clean = _UNSAFE.sub("_", part).strip().rstrip(". ")
    if not clean.strip("._ "):
        return ""  # `.`, `..` and the like
    if clean.startswith("."):
        clean = f"_{clean[1:]}"  # hidden files would not be read
    if _RESERVED.match(clean):
        clean = f"_{clean}"
    return _shortened(clean)


def _shortened(part: str) -> str:
    """Cut the middle out of a long name: its beginning and its ending tell what it is."""
    if len(part.encode()) <= _LONGEST:
        return part
    stem, dot, ending = part.rpartition(".")
    if not dot or len(ending.encode()) > 20:
        stem, dot, ending = part, "", ""
    room = _LONGEST - len(ending.encode()) - len(dot)
    return stem.encode()[:room].decode(errors="ignore") + dot + ending


class Incoming:
    """One file that comes in, piece by piece: `write` what comes, then `keep` it, or `discard` it.

    Parameters
    ----------
    folder
        Of the upload; see `folder_of`.
    name
        As somebody else calls it.
    limit
        Bytes that it may have.
    """

    def __init__(self, folder: Path, name: str, limit: int) -> None:
        self._folder, self._name, self._limit = folder, name, limit
        self._temporary = folder / f"{TEMPORARY}{ULID()}"
        self._size = 0
        self._file: BinaryIO | None = None
        try:
            make_folder(folder)
            self._file = self._temporary.open("xb")
        except OSError as error:
            raise _refused(name, error) from error

    def write(self, piece: bytes) -> None:
        """Take the next piece; what goes beyond the limit is counted and not kept.

        Raises
        ------
        StorageFault
            It cannot be written.
        """
        self._size += len(piece)
        if self._file is None or self._size > self._limit:
            return
        try:
            self._file.write(piece)
        except OSError as error:
            raise _refused(self._name, error) from error

    def keep(self) -> UploadedFile:
        """Give the file its name, durably; a name that is taken gets a number.

        Raises
        ------
        UploadTooLarge
            It has more bytes than it may.
        StorageFault
            It cannot be written.
        """
        if self._size > self._limit:
            self.discard()
            raise UploadTooLarge(safe_name(self._name), self._size, self._limit)
        assert self._file is not None
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            name = self._publish()
        except OSError as error:
            raise _refused(self._name, error) from error
        finally:
            self.discard()
        upload = self._folder.name
        return UploadedFile(upload, name, self._size, f"{SCHEME}{upload}/{name}")

    def discard(self) -> None:
        """Let go of what was not kept; a second call does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None
            remove(self._temporary)

    def _publish(self) -> str:
        for name in _free_names(safe_name(self._name)):
            final = self._folder / name
            try:
                make_folder(final.parent)
                os.link(self._temporary, final)
            except (FileExistsError, NotADirectoryError):  # it, or a folder of it, is a file's
                continue
            sync_folder(final.parent)
            return name
        raise AssertionError


def _free_names(name: str) -> Iterator[str]:
    """Yield `a/b.md`, `a/b~2.md`, and so on; where `a` is a file, `a_b.md` before these."""
    yield name
    yield from (name.replace("/", "_"),) if "/" in name else ()
    flat = name.replace("/", "_")
    stem, dot, ending = flat.partition(".")
    for number in count(2):
        yield f"{stem}~{number}{dot}{ending}"


def _refused(name: str, error: OSError) -> StorageFault:
    problem = f"The upload of {safe_name(name)!r} cannot be written: {error.strerror or error}"
    return StorageFault(problem, "Free disk space or check the disk, and upload it again.")


def pieces(content: bytes | Path | BinaryIO) -> Iterator[bytes]:
    """Yield a file, or its bytes, in pieces of 1 MiB.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if isinstance(content, bytes):
        for begin in range(0, len(content), _PIECE):
            yield content[begin : begin + _PIECE]
    elif isinstance(content, Path):
        with content.open("rb") as file:
            yield from pieces(file)
    else:
        while piece := content.read(_PIECE):
            yield piece


# ---------------------------------------------------------------- who needs which


def claimed(catalog: Catalog) -> set[str]:
    """Return the uploads that a job names which was not cancelled."""
    rows = catalog.rows(
        "SELECT CAST(spec AS VARCHAR) FROM jobs WHERE state <> 'cancelled' "
        "AND contains(CAST(spec AS VARCHAR), ?)",
        [SCHEME],
    )
    return {upload for (spec,) in rows for upload in _NAMED.findall(spec)}


def unclaimed(catalog: Catalog, root: Path) -> list[Path]:
    """Return the folders of uploads that no job names, and that nobody wrote to for a day."""
    folders = [path for path in (root / FOLDER).glob("*") if path.is_dir()]
    if not folders:
        return []
    named, oldest = claimed(catalog), datetime.now(UTC) - UNCLAIMED
    return [path for path in folders if path.name not in named and _changed(path) < oldest]


def _changed(folder: Path) -> datetime:
    return datetime.fromtimestamp(folder.stat().st_mtime, UTC)


def files_in(root: Path) -> Iterator[Path]:
    """Yield every file of every upload, without what is half written."""
    for path in sorted((root / FOLDER).glob("*/**/*")):
        if path.is_file() and path.name != ERASED and not path.name.startswith(TEMPORARY):
            yield path


def holding(catalog: Catalog, root: Path, items: Sequence[str]) -> list[Path]:
    """Return the uploaded files that hold one of some items: itself, or an archive with it.

    An archive or a table goes as a whole; other items that were in it stay in their datasets.

    Parameters
    ----------
    items
        Ids, which are the BLAKE3 of their bytes.
    """
    listed = ", ".join("?" for _ in items)
    rows = catalog.rows(
        "SELECT size, source FROM items JOIN sources USING (dataset_id, item_key) "  # noqa: S608
        f"WHERE item_id IN ({listed}) UNION "
        f"SELECT size, source FROM quarantine WHERE item_id IN ({listed})",
        [*items, *items],
    )
    wanted, sizes, sources = set(items), {row[0] for row in rows}, {row[1] for row in rows}
    found = []
    for path in files_in(root):
        upload, name = path.relative_to(root / FOLDER).as_posix().split("/", 1)
        place = f"{SCHEME}{upload}/{name}"
        inside = any(s.startswith((f"{place}!", f"{place}#")) for s in sources)
        same = path.stat().st_size in sizes and stamp(path).blake3 in wanted  # others are not read
        if inside or same:
            found.append(path)
    return found


def erase(root: Path, paths: Iterable[Path]) -> None:
    """Delete uploaded files durably; their upload stays, and shows that something was erased."""
    for path in paths:
        upload = root / FOLDER / path.relative_to(root / FOLDER).parts[0]
        (upload / ERASED).touch()
        sync_folder(upload)
        remove(path)
        sync_folder(path.parent)
