"""Bytes of a picture to its pixels: upright RGB with 8 bits, whatever the file holds.

Only the formats named here are tried, the size is checked before anything is decoded, and nothing
is warned about: what is wrong with a file ends in its `Rejected`.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ragstone.config import LimitSettings
from ragstone.errors import EmptyInput, LimitExceeded, MalformedInput, UnsupportedFormat
from ragstone.ingestion.parsers.base import malformed
from ragstone.ingestion.parsers.exif import DAMAGED, describe, orientation

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

MEDIA_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",  # two views in one file, as stereo cameras write them: the first
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
    "PPM": "image/x-portable-anymap",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
}
_AVIF = (b"avif", b"avis")
_HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")

# Beginnings of files that are damaged when no format takes them.
_MAGIC = (
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"RIFF", "WEBP"),
    (b"GIF8", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"BM", "BMP"),
)

# What Pillow raises on files that are damaged or made to hurt, besides its own OSErrors.
_DAMAGED = (*DAMAGED, struct.error, zlib.error)
# Numbers of EXIF: what has to be done so that the picture stands upright.
_UPRIGHT = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture."""

    image: Image  # mode RGB, upright
    media_type: str
    mode: str  # how the file holds it: Pillow's name, such as L, P, CMYK or I;16
    notes: dict[str, Any]  # of the camera, as of `exif.describe`: the place too


def decode(content: bytes, limits: LimitSettings, draft: int | None = None) -> Picture:
    """Return the first picture in `content`, transparency laid on white, colour profiles ignored.

    Parameters
    ----------
    content
        The bytes of the file.
    limits
        `limits.pixels` is held before decoding.
    draft
        When less will do: a JPEG may come smaller, but no side below this many pixels.

    Raises
    ------
    EmptyInput
        There are no bytes.
    UnsupportedFormat
        The bytes are of no picture format read here, or its optional package is missing.
    LimitExceeded
        The picture has more pixels than allowed.
    MalformedInput
        The file is damaged.
    """
    if not content:
        raise EmptyInput

    with _quiet():
        with malformed("image", *_DAMAGED):
            opened = _opened(content)
        if opened is None:
            raise _unknown(content)
        with opened:
            width, height = opened.size
            if width * height > limits.pixels:
                count = width * height
                raise LimitExceeded("The number of pixels", count, limits.pixels, "limits.pixels")
            media_type, mode = MEDIA_TYPES[str(opened.format)], opened.mode
            with malformed(media_type.removeprefix("image/").upper(), *_DAMAGED):
                if draft is not None:
                    opened.draft("RGB", (draft, draft))
                exif = _exif(opened)
                notes = describe(exif)  # before the pixels: with these a TIFF closes its file
                image = _upright(_rgb(opened), orientation(exif))
            return Picture(image, media_type, mode, notes)


def pixels(image: Image) -> NDArray[np.uint8]:
    """Return the pixels of an RGB image, shape (height, width, 3)."""
    return np.asarray(image, np.uint8)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow from warning, and let `limits.pixels` alone decide how large is too large."""
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _opened(content: bytes) -> Image | None:
    """Return the opened file, not yet decoded; None when it is of no known format."""
    from PIL import Image, UnidentifiedImageError

    if content[4:8] == b"ftyp" and content[8:12] in _HEIC and not _heif_registered():
        return None
    try:
        Image.init()
        known = [name for name in MEDIA_TYPES if name in Image.OPEN]
        return Image.open(io.BytesIO(content), formats=known)
    except UnidentifiedImageError:
        return None


def _heif_registered() -> bool:
    """Tell whether an optional package for HEIC is there, and let Pillow know of it."""
    try:
        import pillow_heif
    except ImportError:
        try:
            import pi_heif as pillow_heif
        except ImportError:
            return False
    pillow_heif.register_heif_opener()
    return True


def _unknown(content: bytes) -> Exception:
    """Return why no format took the bytes: a package is missing, they are damaged, or others."""
    from PIL import Image

    brand = content[8:12] if content[4:8] == b"ftyp" else b""
    for brands, name, format_, package in (
        (_HEIC, "a HEIC image", "HEIF", "pi-heif"),
        (_AVIF, "an AVIF image", "AVIF", "pillow"),
    ):
        if brand in brands and format_ not in Image.OPEN:
            error = UnsupportedFormat(f"Without the package {package}, {name}")
            error.hint = f"Install it: pip install --upgrade {package}. Or convert the file."
            return error
    for magic, name in _MAGIC:
        if content.startswith(magic):
            return _damaged(name)
    if brand in (*_HEIC, *_AVIF):
        return _damaged("HEIC or AVIF")
    return UnsupportedFormat("An image of this kind")


def _damaged(name: str) -> Exception:
    return MalformedInput(name, "its header is damaged or cut off")


def _exif(image: Image) -> Exif:
    """Return what the camera wrote; nothing when it cannot be read."""
    from PIL import Image as module

    try:
        return image.getexif()
    except _DAMAGED:
        return module.Exif()


def _upright(image: Image, noted: int) -> Image:
    from PIL import Image as module

    if noted not in _UPRIGHT:
        return image
    return image.transpose(module.Transpose[_UPRIGHT[noted]])


def _rgb(image: Image) -> Image:
    """Return the first frame as 8-bit RGB."""
    image.load()
    if image.mode == "RGB" and "transparency" not in image.info:
        return image.copy()
    if image.mode == "F" or image.mode.startswith("I"):
        return _from_numbers(np.asarray(image))
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    if image.mode == "LAB":
        from PIL import ImageCms

        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
        assert converted is not None
        return converted
    return image.convert("RGB")


def _on_white(image: Image) -> Image:
    from PIL import Image as module

    ground = module.new("RGB", image.size, (255, 255, 255))
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _from_numbers(values: NDArray[np.generic]) -> Image:
    """Return grey levels of 16-bit, 32-bit or floating-point samples.

    Whole numbers count as 16-bit, real ones as 0 to 1; when they are outside of that range, the
    least becomes black and the greatest white.
    """
    from PIL import Image as module

    whole = np.issubdtype(values.dtype, np.integer)
    numbers = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = 0.0, 65_535.0 if whole else 1.0
    least, most = float(numbers.min()), float(numbers.max())
    if least < low or most > high:
        low, high = least, most
    grey = np.rint((numbers - low) * (255.0 / (high - low)))
    return module.fromarray(grey.astype(np.uint8)).convert("RGB")
