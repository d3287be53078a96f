"""File operations that survive a crash: write, flush, publish; and the digest of a file.

Everything in a workspace goes through here, so that the order "bytes, fsync, name, fsync of the
folder" is written once.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from blake3 import blake3
from numpy.lib import format as npy
from numpy.typing import NDArray

from ragstone.errors import DamagedFile

TEMPORARY = ".tmp-"  # names that begin so belong to nobody and are swept on opening


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What a manifest promises about a file."""

    size: int  # bytes
    blake3: str  # hex


def digest_bytes(content: bytes) -> str:
    """Return the BLAKE3 of `content` in hex (64 characters)."""
    return blake3(content).hexdigest()


def stamp(path: Path) -> FileStamp:
    """Return size and BLAKE3 of the file at `path`."""
    hasher = blake3()
    hasher.update_mmap(path)
    return FileStamp(path.stat().st_size, hasher.hexdigest())


def verify(path: Path, promised: FileStamp) -> None:
    """Compare the file at `path` with what was promised.

    Raises
    ------
    DamagedFile
        It is missing, shorter or longer, or its bytes differ.
    """
    try:
        found = stamp(path)
    except OSError as error:
        raise DamagedFile(path, f"it cannot be read ({error.strerror})") from error
    if found.size != promised.size:
        raise DamagedFile(path, f"it has {found.size} bytes, not {promised.size}")
    if found.blake3 != promised.blake3:
        raise DamagedFile(path, "its bytes have changed since they were written")


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make the bytes of `path` durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents, each durable in its own parent."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def write_durably(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Put `content` at `path` in one step: a reader sees the old bytes or all of the new."""
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def write_array(path: Path, array: NDArray[np.generic]) -> None:
    """Write `array` as a .npy file that `np.load` reads and maps into memory.

    `np.save` to a file does not look at what closing it says, and takes a file that lost its last
    bytes for written.
    """
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(array))
        file.write(np.ascontiguousarray(array).data)


def publish_once(path: Path, content: bytes) -> None:
    """Put `content` at `path`, never over something that is there.

    Raises
    ------
    FileExistsError
        The name is taken.
    """
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    finally:
        temporary.unlink()
    sync_folder(path.parent)


def publish_folder(temporary: Path, final: Path, written: Iterable[Path]) -> None:
    """Flush `written` (files inside `temporary`), then give the folder its name."""
    for path in written:
        sync_file(path)
    sync_folder(temporary)
    temporary.rename(final)
    sync_folder(final.parent)


def remove(path: Path) -> None:
    """Delete a file or a folder with all it holds."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
