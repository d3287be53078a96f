"""A watermark that nobody sees, and its detector: spread spectrum in the middle frequencies.

Cox and others, "Secure Spread Spectrum Watermarking for Multimedia" (1997): a pattern of +1 and -1
that only the key tells is added to coefficients of a transform, and found again by correlation.
Here the transform is the cosine transform of blocks of 8 x 8 pixels of the brightness, in the
frequencies that JPEG keeps and eyes hardly see; the pattern repeats every 4 x 4 blocks, so that
it is found in a part of an image, too. Each image is changed as little as its own detection needs.

Detection. Each coefficient counts by its sign, softly (c / (|c| + 4)), so that a few edges do not
drown the rest. With v the sum of these over the tiles, and over images where several are looked at,
and p the pattern, the statistic is z = p.v / |v|. Over all keys, its mean is 0 and its variance 1,
whatever the images are; so it tells how unlikely chance is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn, idctn

BLOCK, TILE = 8, 4  # pixels of a block, blocks of a tile
SMALLEST = 2 * BLOCK  # pixels of a side: less has too few coefficients to be sure by
THRESHOLD = 5.5  # of z, where the image lies as it was made: chance 2e-8
THRESHOLD_MOVED = 6.5  # where all 1,024 places are tried: chance below 1e-7
_TARGET = 8.0  # of z after JPEG at quality 75, when it is put in
_MOST_ERROR = 255**2 / 10**3.5  # mean square: a peak signal to noise ratio of 35 dB
_SIZES = (8.0, 12.0, 16.0)  # levels that coefficients are moved to: JPEG rounds less away
_DEAREST, _CHEAPEST, _TRIES = 1 / 100, 1 / 4000, 10  # prices of the square of a change
_ROUNDS = 3
_SOFT = 4.0  # levels
_SUMS = (2, 3, 4, 5)  # horizontal and vertical frequency together, of the coefficients used
_ROWS, _COLUMNS = np.array([(u, v) for u in range(BLOCK) for v in range(BLOCK) if u + v in _SUMS]).T

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Detection:
    """Whether images carry the watermark of a key."""

    z: float
    found: bool
    moved: tuple[int, int] | None  # pixels cut off at the left and top, by 32; None: not tried


def pattern(key: bytes) -> NDArray[np.float64]:
    """Return the pattern of a key, +1 and -1, (tile, tile, coefficients)."""
    seed = int.from_bytes(blake3(b"ragstone watermark of images" + key).digest(16))
    signs = np.random.default_rng(seed).integers(0, 2, (TILE, TILE, len(_ROWS)))
    return signs.astype(np.float64) * 2 - 1


def marked(pixels: Pixels, key: bytes) -> Pixels:
    """Return an image with the watermark; one that is too small as it is.

    Coefficients are moved to the side of the pattern where that helps most for the change of the
    image that it costs, until the watermark is found after JPEG at quality 75, or the image has
    changed enough.

    Parameters
    ----------
    pixels
        uint8 (height, width) or (height, width, 3).
    """
    if min(pixels.shape[:2]) < SMALLEST:
        return pixels
    signs, light = pattern(key), _light(pixels)
    before = dctn(_blocks(light), axes=(2, 3), norm="ortho")
    wanted = _tiled(signs, before.shape)
    made = pixels
    for price in np.geomspace(_DEAREST, _CHEAPEST, _TRIES):
        changed = _changed(pixels, before, wanted, price)
        if made is not pixels and _error(pixels, changed) > _MOST_ERROR:
            break
        made = changed
        if detect([_packed(made)], key).z >= _TARGET:
            break
    return made


def _changed(
    pixels: Pixels, before: NDArray[np.float64], wanted: NDArray[np.float64], price: float
) -> Pixels:
    """Return the image with each coefficient where its gain, less the price of its change, is most.

    What is clipped at black and white is tried again from what is left.
    """
    made = pixels.astype(np.float64)
    height, width = before.shape[0] * BLOCK, before.shape[1] * BLOCK
    now = before
    for _ in range(_ROUNDS):
        change = np.zeros_like(before)
        change[..., _ROWS, _COLUMNS] = _moves(
            before[..., _ROWS, _COLUMNS], now[..., _ROWS, _COLUMNS], wanted, price
        )
        light = _joined(idctn(change, axes=(2, 3), norm="ortho"))
        inside = made[:height, :width]
        inside += light if pixels.ndim == 2 else light[..., None]
        made = np.clip(np.rint(made), 0, 255)
        now = dctn(_blocks(_light(made)), axes=(2, 3), norm="ortho")
    return made.astype(np.uint8)


def _moves(
    before: NDArray[np.float64],
    now: NDArray[np.float64],
    wanted: NDArray[np.float64],
    price: float,
) -> NDArray[np.float64]:
    """Return by how much to change coefficients, from where they are now."""
    best, to = wanted * before / (np.abs(before) + _SOFT), before
    for size in _SIZES:
        gain = size / (size + _SOFT) - price * np.square(wanted * size - before)
        to = np.where(gain > best, wanted * size, to)
        best = np.maximum(gain, best)
    return to - now


def _packed(pixels: Pixels) -> Pixels:
    """Return an image as JPEG at quality 75 leaves it."""
    target = BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", quality=75)
    return np.asarray(Image.open(BytesIO(target.getvalue())))


def _error(before: Pixels, after: Pixels) -> float:
    return float(np.square(before.astype(np.float64) - after).mean())


def detect(images: Sequence[Pixels], key: bytes, *, moved: bool = False) -> Detection:
    """Look for the watermark of a key in images of one size, all together.

    Parameters
    ----------
    images
        uint8 (height, width) or (height, width, 3); one at least.
    moved
        Try all places of the pattern, for a part of an image.
    """
    signs = pattern(key)
    if not moved:
        z = _z(signs, _sum(images, 0, 0))
        return Detection(z, z >= THRESHOLD, None)
    best, where = -np.inf, (0, 0)
    for top, left in np.ndindex(BLOCK, BLOCK):
        found = _sum(images, top, left)
        for down, right in np.ndindex(TILE, TILE):
            z = _z(np.roll(signs, (-down, -right), (0, 1)), found)
            if z > best:
                best, where = z, ((BLOCK * right - left) % 32, (BLOCK * down - top) % 32)
    return Detection(float(best), best >= THRESHOLD_MOVED, where)


def _z(signs: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    length = float(np.linalg.norm(found))
    return float((signs * found).sum()) / length if length else 0.0


def _sum(images: Sequence[Pixels], top: int, left: int) -> NDArray[np.float64]:
    """Return the soft signs of all coefficients, summed over tiles and images."""
    total = np.zeros((TILE, TILE, len(_ROWS)))
    for pixels in images:
        soft = _soft(pixels[top:, left:])
        folded = np.zeros_like(total)
        for row, column in np.ndindex(TILE, TILE):
            folded[row, column] = soft[row::TILE, column::TILE].sum((0, 1))
        total += folded / (np.linalg.norm(folded) or 1.0)
    return total


def _soft(pixels: Pixels) -> NDArray[np.float64]:
    """Return the soft signs of the coefficients, (rows of blocks, columns, coefficients)."""
    found = dctn(_blocks(_light(pixels)), axes=(2, 3), norm="ortho")[..., _ROWS, _COLUMNS]
    soft: NDArray[np.float64] = found / (np.abs(found) + _SOFT)
    return soft


def _light(pixels: NDArray[Any]) -> NDArray[np.float64]:
    if pixels.ndim == 2:
        return pixels.astype(np.float64)
    light: NDArray[np.float64] = pixels.mean(2, dtype=np.float64)
    return light


def _blocks(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return whole blocks, (rows, columns, 8, 8); what is left at the edges is left out."""
    rows, columns = (side // BLOCK for side in light.shape)
    whole = light[: rows * BLOCK, : columns * BLOCK]
    return whole.reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3)


def _joined(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = blocks.shape[:2]
    return blocks.transpose(0, 2, 1, 3).reshape(rows * BLOCK, columns * BLOCK)


def _tiled(signs: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the pattern for each block, (rows, columns, coefficients)."""
    rows, columns = (np.arange(side) % TILE for side in shape[:2])
    return signs[rows[:, None], columns[None, :]]
