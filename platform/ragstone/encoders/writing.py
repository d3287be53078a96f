"""Writing a model's folder: it is there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ragstone.errors import InvalidArgument


def check_new(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises
    ------
    InvalidArgument
        It is not empty, or is a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidArgument("out", str(folder), "a folder that is new or empty")


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """Yield a folder beside `folder` to write into; it gets that name when all went well."""
    temporary = folder.with_name(f".{folder.name}-{os.getpid()}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary)
        raise
