"""Images: pixels for the encoder, what the camera wrote, quality, and signatures of duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ragstone.config import LimitSettings
from ragstone.ingestion.dedup.image_hash import sign_image
from ragstone.ingestion.parsers.base import without_empty
from ragstone.ingestion.parsers.pixels import decode, pixels
from ragstone.schemas.records import Document, Modality, Payload

if TYPE_CHECKING:
    from PIL.Image import Image

PAYLOAD_SIDE = 512  # of what an encoder sees, at most
_QUALITY_SIDE = 256  # signals are measured at one size, so that they can be compared


def parse_image(content: bytes, limits: LimitSettings, *, keep_gps: bool = False) -> Document:
    """Return the first picture of a PNG, JPEG, WebP, GIF, TIFF, BMP, AVIF, HEIC or PNM file.

    The metadata has width and height (upright), format and mode, what EXIF says, and `quality`, as
    of `measure`. The place where it was taken is left out unless `keep_gps`.

    Raises
    ------
    UnsupportedFormat
        It is no such file, or the package for its format is not installed.
    LimitExceeded
        It has more than `limits.pixels`.
    MalformedInput
        It is damaged or cut off.
    """
    picture = decode(content, limits)
    payload = pixels(shrunk(picture.image, PAYLOAD_SIDE))
    width, height = picture.image.size
    metadata = {
        "width": width,
        "height": height,
        "format": picture.media_type.removeprefix("image/"),
        "mode": picture.mode,
        **{name: note for name, note in picture.notes.items() if keep_gps or name != "gps"},
        "quality": measure(payload),
    }
    return Document(
        text="",
        blocks=(),
        media_type=picture.media_type,
        metadata=without_empty(metadata),
        modality=Modality.IMAGE,
        payloads=(Payload(Modality.IMAGE, payload),),
        signatures=sign_image(pixels(picture.image), payload),
    )


def shrunk(image: Image, side: int) -> Image:
    """Return the image with no side longer than `side`; a smaller one as it is."""
    from PIL import Image as module

    longest = max(image.size)
    if longest <= side:
        return image
    width, height = (max(1, round(length * side / longest)) for length in image.size)
    return image.resize((width, height), module.Resampling.LANCZOS, reducing_gap=3.0)


def measure(payload: NDArray[np.uint8]) -> dict[str, float]:
    """Return the quality signals of uint8 RGB pixels of shape (height, width, 3).

    Returns
    -------
    dict
        `blur`: variance of the Laplacian at 256 pixels (Pech-Pacheco et al. 2000), low when out of
        focus; `brightness`: mean luma, 0 to 1; `contrast`: its standard deviation, 0 to 0.5;
        `entropy`: of its histogram, 0 to 8 bits.
    """
    from PIL import Image as module

    small = shrunk(module.fromarray(payload), _QUALITY_SIDE).convert("L")
    grey = np.asarray(small, np.float64)
    counts = np.bincount(np.asarray(small).ravel(), minlength=256)
    shares = counts[counts > 0] / grey.size
    return {
        "blur": round(_laplacian_variance(grey), 3),
        "brightness": round(float(grey.mean()) / 255, 4),
        "contrast": round(float(grey.std()) / 255, 4),
        "entropy": round(abs(float(-(shares * np.log2(shares)).sum())), 4),
    }


def _laplacian_variance(grey: NDArray[np.float64]) -> float:
    padded = np.pad(grey, 1, mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return float((around - 4 * grey).var())
