"""Digests of the files of a model, remembered while the files are the same."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from ragstone.errors import EncoderUnavailable

_BLOCK = 2**20  # bytes read at a time while hashing

Stamp = tuple[Path, int, int, int]  # of a file: nanoseconds of its time, bytes, inode


def folder_stamp(name: str, folder: Path) -> tuple[Stamp, ...]:
    """Return what changes when a file does that decides a model's vectors, without reading it.

    Raises
    ------
    EncoderUnavailable
        The folder cannot be read.
    """
    patterns = ("**/*.safetensors", "**/*.json", "**/*.txt", "**/*.model")
    paths = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    try:
        found = [(path, path.stat()) for path in paths]
    except OSError as error:
        raise EncoderUnavailable(name, f"{folder} cannot be read: {error}") from error
    return tuple((path, seen.st_mtime_ns, seen.st_size, seen.st_ino) for path, seen in found)


def folder_digest(name: str, folder: Path) -> str:
    """SHA-256 over all files that decide a model's vectors: weights, settings and vocabulary."""
    return _digest_of(folder, folder_stamp(name, folder))


@lru_cache(maxsize=16)
def _digest_of(folder: Path, stamps: tuple[Stamp, ...]) -> str:
    # Remembered per path, time, size and inode, so that large models are read once per process.
    lines = (f"{path.relative_to(folder).as_posix()} {sha256(path)}" for path, *_ in stamps)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def sha256(*paths: Path) -> str:
    """Return the SHA-256, in hex, of the bytes of `paths` one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
