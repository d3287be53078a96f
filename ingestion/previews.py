"""Small pictures of items, for people to look at."""

from __future__ import annotations

import io

from ragstone.config import LimitSettings
from ragstone.ingestion.parsers.image import shrunk
from ragstone.ingestion.parsers.pixels import decode

_QUALITY = 80


def image_thumbnail(content: bytes, limits: LimitSettings, side: int = 256) -> bytes:
    """Return an image as WebP with no side longer than `side`, upright, without any metadata.

    Raises
    ------
    Rejected
        The bytes are no picture, as of `parse_image`.
    """
    image = shrunk(decode(content, limits, draft=side).image, side)
    image.info = {}  # the camera's notes and the place stay where they are
    written = io.BytesIO()
    image.save(written, "WEBP", quality=_QUALITY, method=4)
    return written.getvalue()
