"""Where one grey copy lies on another one: windows of it, and a fit to the pixel's fraction.

Two pictures of which one is a crop of the other, or turned by a few degrees, have hashes that say
nothing. Low `frequencies` of windows bring them together roughly, `fit` lays one exactly on the
other, and what is left when the coarse shapes are taken off tells the same picture from a similar
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ragstone.ingestion.dedup.image_hash import SIDE, Floats, blurring, cosines

# Parts of a picture, as what is cut off at its left, right, top and bottom. The first is all of it;
# of a crop of up to a tenth at each side, no side is farther than a twentieth from one of them.
WINDOWS = (
    (0.0, 0.0, 0.0, 0.0),
    (0.05, 0.05, 0.05, 0.05),
    (0.1, 0.0, 0.1, 0.0),
    (0.0, 0.1, 0.1, 0.0),
    (0.1, 0.0, 0.0, 0.1),
    (0.0, 0.1, 0.0, 0.1),
    (0.1, 0.1, 0.1, 0.1),
)
_LOW = 6  # frequencies in each direction whose values such a shift leaves alike
_SIGNS = 8  # those whose signs it mostly leaves
_BLOCK = 4_096  # copies transformed at a time

_HALVING = 1.0  # standard deviation of the blur before the size is halved, in pixels
_COARSE_STEPS, _FINE_STEPS = 7, 4
_NEAR = 0.5  # correlation after the coarse steps below which finer ones are in vain
_COARSE = 3.0  # standard deviation of the blur, in pixels, that leaves the coarse shapes
_STILL = 1e-3  # weight of no change, so that every problem has one solution
_LEAST_GAIN, _LARGEST_MOVE = 0.2, 0.1
# Two crops of a tenth at opposite corners share 0.64 of the picture.
_LEAST_OVERLAP = 0.55
_SMALLEST = 0.72  # factor of size; a tenth cut off at either side is 0.8
_TURNED = 0.13  # radians; 3 degrees are 0.052, and up to twice that in a stretched picture


def frequencies(grey: NDArray[np.uint8], window: int) -> Floats:
    """Return the 8 x 8 lowest frequencies in one of `WINDOWS` of each copy.

    Parameters
    ----------
    grey
        Shape (n, 32, 32).
    window
        Its place in `WINDOWS`.

    Returns
    -------
    ndarray
        Float32 of shape (n, 8, 8), the vertical frequency first.
    """
    left, right, top, bottom = WINDOWS[window]
    down, across = _low_basis(top, bottom), _low_basis(left, right)
    found = np.empty((len(grey), _SIGNS, _SIGNS), np.float32)
    for start in range(0, len(grey), _BLOCK):
        # as two products of large matrices: small ones by the thousand take ten times as long
        rows = grey[start : start + _BLOCK].astype(np.float32).reshape(-1, SIDE) @ across.T
        columns = rows.reshape(-1, SIDE, _SIGNS).transpose(0, 2, 1).reshape(-1, SIDE) @ down.T
        found[start : start + _BLOCK] = columns.reshape(-1, _SIGNS, _SIGNS).transpose(0, 2, 1)
    return found


def descriptors(low: Floats) -> Floats:
    """Return unit vectors of the 6 x 6 lowest of `frequencies`, float32 of shape (n, 35).

    Frequencies weigh more the higher they are, as pictures have less and less of them.
    """
    orders = np.arange(_LOW, dtype=np.float32)
    weighted = low[:, :_LOW, :_LOW] * np.hypot(orders[:, None], orders)
    vectors = weighted.reshape(len(low), -1)[:, 1:]  # without the mean
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.maximum(lengths, 1e-6), np.float32)


def codes(low: Floats) -> NDArray[np.uint8]:
    """Return the signs of `frequencies`, without the mean, as uint8 of shape (n, 8)."""
    signs = (low > 0).reshape(len(low), -1)
    signs[:, 0] = False
    return np.packbits(signs, axis=1)


@cache
def _low_basis(before: float, after: float) -> Floats:
    """Return the low frequencies of a part of a line, shape (8, 32)."""
    places = (before + (np.arange(SIDE) + 0.5) / SIDE * (1 - before - after)) * SIDE - 0.5
    nearest = np.clip(np.floor(places).astype(int), 0, SIDE - 2)
    share = places - nearest
    sampling = np.zeros((SIDE, SIDE))
    sampling[np.arange(SIDE), nearest] = 1 - share
    sampling[np.arange(SIDE), nearest + 1] += share
    return np.asarray(cosines(SIDE, _SIGNS) @ sampling, np.float32)


@dataclass(frozen=True, slots=True)
class Fit:
    """How m pictures lie on m others."""

    maps: Floats  # shape (m, 2, 3): from x, y of the second, -1 to 1, and 1, to x, y of the first
    correlation: Floats  # shape (m,): of the detail of both where they overlap; -1 for no fit
    overlap: Floats  # shape (m,): share of the second that the first covers


def fit(first: NDArray[np.uint8], second: NDArray[np.uint8], windows: NDArray[np.int64]) -> Fit:
    """Lay each of `first` on its `second` by an affine map; gain and offset of its levels are free.

    Gauss-Newton steps on the squared differences where both are (Lucas & Kanade 1981; here
    compositional, Baker & Matthews 2004), first at half the size, then on those that came near.

    Parameters
    ----------
    first, second
        Grey copies, shape (m, 32, 32).
    windows
        Which window of the first is like the second, shape (m,): where the fit begins.
    """
    one, other = standard(first), standard(second)
    maps = _beginnings(windows)
    best = compare(one, other, maps)
    small = _halved(one), _halved(other)
    for _ in range(_COARSE_STEPS):
        maps = _step(maps, *small)
    _improve(best, compare(one, other, maps), np.arange(len(maps)))
    near = np.flatnonzero(best.correlation >= _NEAR)
    if len(near):
        maps = refine(one[near], other[near], best.maps[near])
        _improve(best, compare(one[near], other[near], maps), near)
    return best


def _improve(best: Fit, found: Fit, places: NDArray[np.int64]) -> None:
    """Write what `found` has better than `best` into it; `places` are those of `found` in it."""
    better = found.correlation > best.correlation[places]
    for name in ("maps", "correlation", "overlap"):
        getattr(best, name)[places[better]] = getattr(found, name)[better]


def refine(first: Floats, second: Floats, maps: Floats) -> Floats:
    """Return better maps of pictures that lie on each other already; all as of `compare`."""
    for _ in range(_FINE_STEPS):
        maps = _step(maps, first, second)
    return maps


def compare(first: Floats, second: Floats, maps: Floats) -> Fit:
    """Return the correlation of detail of pictures that lie on each other by `maps`.

    Parameters
    ----------
    first, second
        As of `standard`, shape (m, side, side).
    maps
        As of `Fit`. One that cuts off too much, or stretches or turns too far, is no fit.
    """
    seen, inside = _sampled(first, maps)
    overlap = inside.mean(axis=(1, 2), dtype=np.float32)
    sizes = np.linalg.svd(maps[:, :, :2], compute_uv=False)
    allowed = (overlap >= _LEAST_OVERLAP) & (sizes >= _SMALLEST).all(axis=1)
    allowed &= (sizes <= 1 / _SMALLEST).all(axis=1)
    allowed &= np.abs(maps[:, 0, 1] - maps[:, 1, 0]) <= 2 * _TURNED
    found = _detail_correlation(seen, second, inside)
    return Fit(maps, np.where(allowed, found, -1).astype(np.float32), overlap)


def standard(copies: NDArray[np.uint8] | Floats) -> Floats:
    """Return copies with mean 0 and standard deviation 1, float32 of the same shape."""
    centred: Floats = copies.astype(np.float32)
    centred = np.asarray(centred - centred.mean(axis=(1, 2), keepdims=True), np.float32)
    return np.asarray(centred / np.maximum(centred.std(axis=(1, 2), keepdims=True), 1e-6))


def _halved(copies: Floats) -> Floats:
    """Return the copies blurred, and half as large."""
    blur = blurring(_HALVING, SIDE)
    matrix = (blur[::2] + blur[1::2]) / 2
    return np.asarray(matrix @ copies @ matrix.T)


def _beginnings(windows: NDArray[np.int64]) -> Floats:
    insets = np.array(WINDOWS, np.float32)[windows]
    maps = np.zeros((len(windows), 2, 3), np.float32)
    for axis in range(2):
        before, after = insets[:, 2 * axis], insets[:, 2 * axis + 1]
        maps[:, axis, axis] = 1 - before - after
        maps[:, axis, 2] = before - after
    return maps


@cache
def _grid(side: int) -> Floats:
    """Return the places of the pixels, shape (3, side * side): x and y from -1 to 1, and 1."""
    line = (np.arange(side, dtype=np.float32) + 0.5) * (2 / side) - 1
    x, y = np.meshgrid(line, line)
    return np.stack([x.ravel(), y.ravel(), np.ones(side * side, np.float32)])


def _sampled(copies: Floats, maps: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the copies as seen through the maps, bilinear, and where there is something to see."""
    side = copies.shape[-1]
    places = (maps @ _grid(side) + 1) * np.float32(side / 2) - np.float32(0.5)
    limit = np.float32(side - 1)
    near = (places >= -0.5) & (places <= limit + np.float32(0.5))
    inside = np.asarray(near.all(axis=1))
    places = np.clip(places, 0, limit)
    whole = np.minimum(places.astype(np.int32), side - 2)
    across, down = (places - whole).transpose(1, 0, 2)
    corner = whole[:, 1] * side + whole[:, 0]
    corner += (np.arange(len(copies), dtype=np.int32) * side * side)[:, None]
    flat = copies.ravel()
    above, below = flat[corner], flat[corner + side]
    above = above + (flat[corner + 1] - above) * across
    below = below + (flat[corner + side + 1] - below) * across
    seen = above + (below - above) * down
    return seen.reshape(copies.shape), inside.reshape(copies.shape)


def _step(maps: Floats, moving: Floats, fixed: Floats) -> Floats:
    """Return better maps: one linear least-squares problem of eight unknowns for each."""
    side = fixed.shape[-1]
    pixels = side * side
    seen, inside = _sampled(moving, maps)
    columns = np.empty((len(maps), 8, pixels), np.float32)
    x, y, ones = _grid(side)
    for start, axis in ((0, 2), (3, 1)):  # slopes across, then down
        slope = np.gradient(seen, 2 / side, axis=axis).reshape(-1, pixels)
        columns[:, start], columns[:, start + 1], columns[:, start + 2] = (
            slope * x,
            slope * y,
            slope,
        )
    columns[:, 6], columns[:, 7] = seen.reshape(-1, pixels), ones
    columns *= inside.reshape(-1, 1, pixels)
    squares = columns @ columns.transpose(0, 2, 1)
    squares += np.eye(8, dtype=np.float32) * (_STILL * pixels)
    wanted = (columns @ fixed.reshape(-1, pixels, 1))[..., 0]
    wanted[:, 6] += _STILL * pixels  # the gain is drawn to 1, all else to 0
    found = np.linalg.solve(squares, wanted[..., None])[..., 0]
    moves = found[:, :6].reshape(-1, 2, 3) / np.maximum(found[:, 6], _LEAST_GAIN)[:, None, None]
    moves = np.clip(moves, -_LARGEST_MOVE, _LARGEST_MOVE)
    moves[:, 0, 0] += 1
    moves[:, 1, 1] += 1
    better = maps[:, :, :2] @ moves
    better[:, :, 2] += maps[:, :, 2]
    return np.asarray(better)


def _detail_correlation(seen: Floats, fixed: Floats, inside: NDArray[np.bool_]) -> Floats:
    """Return the correlation of what a blur takes off, within `inside`, shape (m,)."""
    mask = inside.astype(np.float32)
    matrix = blurring(_COARSE, fixed.shape[-1])
    weight = matrix @ mask @ matrix.T + np.float32(1e-6)
    one, other = (
        (copies - (matrix @ (copies * mask) @ matrix.T) / weight) * mask for copies in (seen, fixed)
    )
    product = (one * other).sum(axis=(1, 2))
    lengths = (one * one).sum(axis=(1, 2)) * (other * other).sum(axis=(1, 2))
    return np.asarray(product / np.sqrt(np.maximum(lengths, 1e-6)), np.float32)
