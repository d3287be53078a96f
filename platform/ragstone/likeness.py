"""From a picture or a recording to what an encoder sees of it, for searching by it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.errors import UnknownSource

if TYPE_CHECKING:
    from ragstone.config import LimitSettings
    from ragstone.schemas.records import Payload

Given = str | Path | bytes | None  # a file, or its bytes


def payloads_of(limits: LimitSettings, image: Given, audio: Given) -> tuple[Payload, ...]:
    """Return the picture, and the windows of the recording, as encoders take them.

    Raises
    ------
    UnknownSource
        There is no such file.
    Rejected
        It is no picture, or no recording, that can be read.
    """
    found: list[Payload] = []
    if image is not None:
        from ragstone.ingestion.parsers.image import parse_image

        found += parse_image(_bytes_of(image), limits).payloads
    if audio is not None:
        from ragstone.ingestion.parsers.audio import parse_audio

        found += parse_audio(_bytes_of(audio), limits).payloads
    return tuple(found)


def _bytes_of(given: str | Path | bytes) -> bytes:
    if isinstance(given, bytes):
        return given
    try:
        return Path(given).expanduser().read_bytes()
    except OSError as error:
        raise UnknownSource(str(given)) from error
