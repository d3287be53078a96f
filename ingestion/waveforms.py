"""A picture of a recording's waveform, for pages that show one."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from ragstone.config import LimitSettings
from ragstone.errors import InvalidArgument
from ragstone.ingestion.parsers.decoding_audio import Samples, decode

_PEAKS, _LOUDNESS = 1, 2  # of the palette; 0 is transparent
_PALETTE = (0, 0, 0, 120, 160, 205, 40, 90, 150)  # red, green, blue of each
_LARGEST = 4_096  # pixels of a side


def waveform_picture(
    content: bytes, limits: LimitSettings, width: int = 600, height: int = 120
) -> bytes:
    """Return a PNG of a recording: left is its beginning, full scale is the full height.

    Each column shows from the lowest to the highest sample in light blue, and in dark blue the
    root mean square. A recording of fewer samples than columns is drawn as steps; silence is a
    line. The background is transparent.

    Raises
    ------
    InvalidArgument
        `width` or `height` is not from 16 to 4,096.
    Rejected
        It is no recording that can be read; as of `parse_audio`.
    """
    for name, value in (("width", width), ("height", height)):
        if not 16 <= value <= _LARGEST:
            raise InvalidArgument(name, value, f"a number from 16 to {_LARGEST:,}")
    return _drawn(_columns(decode(content, limits).samples, width), height)


def _columns(samples: Samples, width: int) -> NDArray[np.float64]:
    """Return lowest, highest and root mean square of each column, full scale 1: (3, width)."""
    starts = np.arange(width) * len(samples) // width
    ends = np.maximum(np.append(starts[1:], len(samples)), starts + 1)
    # reduceat gives the single sample where two columns begin at one
    lowest = np.minimum.reduceat(samples, starts)
    highest = np.maximum.reduceat(samples, starts)
    squares = np.add.reduceat(np.square(samples.astype(np.float64)), starts)
    return np.stack((lowest, highest, np.sqrt(squares / (ends - starts)))) / 32_768


def _drawn(columns: NDArray[np.float64], height: int) -> bytes:
    from PIL import Image

    lowest, highest, loudness = columns
    rows = np.arange(height)[:, None]
    middle = (height - 1) / 2

    def between(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.bool_]:
        top = np.rint(middle - high * middle)
        bottom = np.rint(middle - low * middle)
        return (rows >= top) & (rows <= bottom)

    pixels = np.zeros((height, columns.shape[1]), np.uint8)
    pixels[between(lowest, highest)] = _PEAKS
    pixels[between(-loudness, loudness)] = _LOUDNESS
    image = Image.fromarray(pixels)
    image.putpalette(_PALETTE)
    target = BytesIO()
    image.save(target, "PNG", transparency=0, optimize=True)
    return target.getvalue()
