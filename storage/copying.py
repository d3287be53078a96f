"""Copies whose bytes are counted and digested on the way, and folders published whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3
from ulid import ULID

from ragstone.errors import InvalidArgument
from ragstone.storage.files import (
    TEMPORARY,
    FileStamp,
    make_folder,
    publish_folder,
    remove,
    sync_folder,
)

_PIECE = 2**20  # bytes

Tell = Callable[[int, int], None]  # bytes done, bytes in all


@dataclass(slots=True)
class Progress:
    """Counts bytes and tells how far it is."""

    total: int
    tell: Tell | None = None
    done: int = 0

    def add(self, size: int) -> None:
        """Count `size` bytes more."""
        self.done += size
        self.total = max(self.total, self.done)
        if self.tell:
            self.tell(self.done, self.total)


def copy_file(source: Path, target: Path) -> FileStamp:
    """Copy `source` to the new file `target`, durably; return what was copied.

    The name of `target` becomes durable with its folder; see `sync_tree`.
    """
    hasher, size = blake3(), 0
    with source.open("rb") as reader, target.open("xb") as writer:
        while piece := reader.read(_PIECE):
            hasher.update(piece)
            writer.write(piece)
            size += len(piece)
        writer.flush()
        os.fsync(writer.fileno())
    shutil.copymode(source, target)
    return FileStamp(size, hasher.hexdigest())


def link_file(source: Path, target: Path) -> bool:
    """Give `source` the further name `target`; False where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def sync_tree(root: Path) -> None:
    """Make all names below `root` durable."""
    for folder in (path for path in root.rglob("*") if path.is_dir()):
        sync_folder(folder)
    sync_folder(root)


def check_target(name: str, target: Path, workspace: Path | None = None) -> None:
    """Refuse a folder that holds something, or lies in `workspace`.

    Raises
    ------
    InvalidArgument
        Called `name`, it is no place to write to.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidArgument(name, str(target), "a new or an empty folder")
    if workspace:
        check_outside(name, target, workspace)


def check_outside(name: str, target: Path, workspace: Path) -> None:
    """Refuse a folder in `workspace`.

    Raises
    ------
    InvalidArgument
        It lies there.
    """
    if target.resolve().is_relative_to(workspace.resolve()):
        raise InvalidArgument(name, str(target), "a folder outside the workspace")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a folder to fill, which becomes `target` when all went well and goes otherwise."""
    make_folder(target.parent)
    temporary = target.with_name(f"{TEMPORARY}{ULID()}-{target.name}")
    temporary.mkdir()
    try:
        yield temporary
        sync_tree(temporary)
        publish_folder(temporary, target, [])
    except BaseException:
        with suppress(OSError):  # what came first is what the caller has to hear
            remove(temporary)
        raise
