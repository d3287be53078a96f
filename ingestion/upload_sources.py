"""Uploads as sources: files that came over HTTP and are kept in the workspace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.config import LimitSettings
from ragstone.errors import InvalidArgument, UnknownSource
from ragstone.ingestion.options import SourceOptions
from ragstone.ingestion.sources import open_source
from ragstone.ingestion.tabular import path_text
from ragstone.schemas.records import Raw
from ragstone.storage import uploads
from ragstone.storage.files import TEMPORARY

if TYPE_CHECKING:
    from ragstone.ingestion.sources import Source


class UploadSource:
    """The files of one upload; `upload:ULID/NAME` are its source objects, wherever they lie.

    Parameters
    ----------
    root
        The workspace.
    place
        `upload:ULID`.

    Raises
    ------
    UnknownSource
        There is no such upload.
    """

    def __init__(
        self, root: Path, place: str, options: SourceOptions, limits: LimitSettings
    ) -> None:
        folder = upload_folder(root, place)
        own = (*options.exclude, uploads.ERASED, f"{TEMPORARY}*")
        self._place = place
        self._below = path_text(folder)
        self._files: Source = open_source(folder, replace(options, exclude=own), limits=limits)

    @property
    def total(self) -> int | None:
        """As its files say."""
        return self._files.total

    def raws(self) -> Iterator[Raw]:
        """Yield each object of its files."""
        for raw in self._files.raws():
            yield replace(raw, source=self._place + raw.source.removeprefix(self._below))


def upload_folder(root: Path, place: str) -> Path:
    """Return the folder of `upload:ULID`.

    Raises
    ------
    UnknownSource
        There is no such upload.
    """
    try:
        return uploads.folder_of(root, place.removeprefix(uploads.SCHEME)).resolve(strict=True)
    except (InvalidArgument, OSError) as error:
        raise UnknownSource(place) from error
