"""Images: pixels for the encoder, what the camera wrote, text in them, quality, signatures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ragstone.config import LimitSettings
from ragstone.ingestion.dedup.image_hash import sign_image
from ragstone.ingestion.parsers.base import TextWriter, without_empty
from ragstone.ingestion.parsers.pixels import decode, pixels
from ragstone.schemas.records import Document, Found, Modality, Payload

if TYPE_CHECKING:
    from PIL.Image import Image

    from ragstone.encoders.ocr import TextReader

PAYLOAD_SIDE = 512  # of what an encoder sees, at most
_QUALITY_SIDE = 256  # signals are measured at one size, so that they can be compared


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """What is taken out of an image beside its pixels."""

    keep_gps: bool = False  # where it was taken
    ocr: str = ""  # languages that text in it is read in, as of `Tesseract`; empty: none is read


PLAIN = ImageOptions()


def parse_image(content: bytes, limits: LimitSettings, options: ImageOptions = PLAIN) -> Document:
    """Return the first picture of a PNG, JPEG, WebP, GIF, TIFF, BMP, AVIF, HEIC or PNM file.

    The metadata has width and height (upright), format and mode, what EXIF says, and `quality`, as
    of `measure`. The text is what was read in the image, if that is asked for.

    Raises
    ------
    UnsupportedFormat
        It is no such file, or the package for its format is not installed.
    LimitExceeded
        It has more than `limits.pixels`.
    MalformedInput
        It is damaged or cut off.
    ParserTimeout
        Its text takes more than half of `limits.seconds` to read.
    Unavailable
        What reads text is not installed.
    """
    picture = decode(content, limits)
    payload = pixels(shrunk(picture.image, PAYLOAD_SIDE))
    width, height = picture.image.size
    media_type = picture.media_type
    written, found = TextWriter(media_type, limits), None
    if options.ocr:
        reader = text_reader(options.ocr, limits.seconds)
        for paragraph in reader.read(pixels(picture.image)).text.split("\n\n"):
            written.add(paragraph)
        found = None if written.empty else Found(0, reader.fingerprint)
    read = written.document()
    metadata = {
        "width": width,
        "height": height,
        "format": picture.media_type.removeprefix("image/"),
        "mode": picture.mode,
        **{k: note for k, note in picture.notes.items() if options.keep_gps or k != "gps"},
        "quality": measure(payload),
    }
    return Document(
        text=read.text,
        blocks=read.blocks,
        media_type=media_type,
        metadata=without_empty(metadata),
        modality=Modality.IMAGE,
        payloads=(Payload(Modality.IMAGE, payload),),
        signatures=sign_image(pixels(picture.image), payload),
        found=found,
    )


@lru_cache(maxsize=4)
def text_reader(languages: str, seconds: float) -> TextReader:
    """Return what reads text in images; one image may take half of `seconds`.

    The process that reads it is ended at `seconds`, and would leave the program behind.

    Raises
    ------
    Unavailable
        The program or one of the languages is not installed.
    """
    from ragstone.encoders.ocr import Tesseract

    return Tesseract(languages, seconds=seconds / 2)


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
