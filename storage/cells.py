"""Cells: vectors sorted by which of some centres is nearest, so that a search looks into few.

The centres are found by spherical k-means, Lloyd's algorithm on the unit sphere (Dhillon and Modha,
"Concept Decompositions for Large Sparse Text Data", Machine Learning 2001). The same vectors give
the same cells on every machine, whatever its processor and threads: an index can be made again to
the same bytes. For that, vectors and centres are rounded to whole numbers, of length `_LENGTH`: no
sum of products of their numbers, in whatever order, goes over the square of that, and below 2**24
all are exact in float32.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_LENGTH = 4_000  # its square, with what rounding adds, stays below 2**24 up to 36,000 dimensions
_STEPS = 5
_SAMPLE = 24  # vectors for each centre, that it is found from
_ROWS = 8_192  # at a time: times 1,000 centres, 32 MB of scores
_FINER = 16  # a mean is kept to a sixteenth until it has its length
_FEWEST = 32  # cells that are looked into, or all of them
_PART = 24  # one of so many is looked into

Whole = NDArray[np.float32]  # whole numbers, of shape (n, dimension)


def cell_count(vectors: int) -> int:
    """Return how many cells suit so many vectors: four times as many as each of them then holds.

    With more, a search reads less for the same recall, and sorting takes longer: on sentences, 32
    of twice the root of 60,000 find what 24 of the root find, in three quarters of the time.
    """
    return max(1, 2 * math.isqrt(vectors))


def centres_of(vectors: NDArray[np.float16], count: int) -> Whole:
    """Return at most `count` centres of `vectors`: each has some, and is no vector's own place.

    Parameters
    ----------
    vectors
        Unit vectors of shape (n, dimension), more than `count`.

    Returns
    -------
    Directions, each a row of whole numbers of length `_LENGTH`, roughly.
    """
    step = max(1, len(vectors) // (count * _SAMPLE))
    sample = _whole(vectors[::step])
    centres = sample[:: max(1, len(sample) // count)][:count]
    for _ in range(_STEPS):
        centres = _means(sample, _nearest(sample, centres))
    return centres


def assigned(vectors: NDArray[np.float16], centres: Whole) -> NDArray[np.int64]:
    """Return the number of the nearest centre of each vector, shape (n,); the first of equals."""
    found = np.empty(len(vectors), np.int64)
    for start in range(0, len(vectors), _ROWS):
        rows = slice(start, start + _ROWS)
        found[rows] = _nearest(_whole(vectors[rows]), centres)
    return found


def _whole(vectors: NDArray[np.float16]) -> Whole:
    return np.asarray(np.rint(vectors.astype(np.float32) * np.float32(_LENGTH)), np.float32)


def _nearest(rows: Whole, centres: Whole) -> NDArray[np.int64]:
    found = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), _ROWS):
        scores = rows[start : start + _ROWS] @ centres.T  # (rows, centres), each exact
        found[start : start + _ROWS] = scores.argmax(axis=1)
    return found


def _means(rows: Whole, cells: NDArray[np.int64]) -> Whole:
    """Return the mean direction of the rows of each cell; one without rows is given up."""
    order = np.argsort(cells, kind="stable")
    _, starts, counts = np.unique(cells[order], return_index=True, return_counts=True)
    sums = np.add.reduceat(rows[order].astype(np.int64), starts, axis=0)
    means = (_FINER * sums) // counts[:, None]
    squares = (means * means).sum(axis=1)  # whole numbers, so that their order does not matter
    lengths = np.sqrt(np.maximum(squares, 1).astype(np.float64))
    return np.asarray(np.rint(means * (_LENGTH / lengths)[:, None]), np.float32)


def probed(cells: int, share: float = 1.0) -> int:
    """Return into how many of `cells` a search looks that may find this share of the vectors.

    What a filter leaves of the nearest is in more cells, which it makes quicker to look through:
    with the fourth root recall stays, down to a thirtieth, and the time is at most 1.6 times.
    """
    base = max(_FEWEST, math.ceil(cells / _PART))
    return min(cells, math.ceil(base / math.sqrt(math.sqrt(share))))
