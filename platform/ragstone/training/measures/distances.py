"""How far two sets of features are apart, and how far one fills the other: pure functions.

Features are float arrays (count, dimension), a row for each thing. What they are of, and what made
them, is the caller's: a distance compares with others of the same features alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.errors import InvalidArgument

Features: TypeAlias = NDArray[np.floating[Any]]

_AT_ONCE = 512  # rows whose distances to all others are looked at together
_NEAR = 3  # neighbours of precision and recall, as in the paper
_DENSE = 5  # neighbours of density and coverage, as in the paper


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, and the standard error of its mean."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Filling:
    """How two sets of points lie in each other; see `filling`."""

    precision: float
    recall: float
    density: float
    coverage: float


def frechet(real: Features, made: Features) -> float:
    """Return the Frechet distance of two Gaussians with the means and covariances of the sets.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Dowson and Landau 1982), as the FID of Heusel and
    others (2017) has it. It is larger for fewer rows, so compare equal counts alone.

    Raises
    ------
    InvalidArgument
        A set has fewer than two rows, a value is not finite, or the dimensions differ.
    """
    first, second = _checked(real, made)
    roots = [_root(np.atleast_2d(np.cov(rows, rowvar=False))) for rows in (first, second)]
    apart = float(np.square(first.mean(0) - second.mean(0)).sum())
    spread = sum(float(np.square(root).sum()) for root in roots)  # the traces of C1 and C2
    # The trace of the root of C1 C2 is the sum of the singular values of the product of their
    # roots: no root of a matrix that is not symmetric, and no trouble with one of lower rank.
    shared = float(np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum())
    return max(0.0, apart + spread - 2 * shared)


def kernel_distance(real: Features, made: Features, *, blocks: int = 10, seed: int = 0) -> Estimate:
    """Return the squared maximum mean discrepancy, unbiased, with its standard error.

    Of the kernel (x y / dimension + 1)^3: the KID of Binkowski and others (2018). Both sets are
    shuffled and parted into blocks that share nothing; the value is the mean of the blocks'. It may
    be less than 0 where the sets are alike.

    Parameters
    ----------
    blocks
        At most: each has four rows of each set or more.

    Raises
    ------
    InvalidArgument
        As `frechet`.
    """
    first, second = _checked(real, made)
    chance = np.random.default_rng(seed)
    count = max(1, min(blocks, len(first) // 4, len(second) // 4))
    parts = [np.array_split(chance.permutation(rows), count) for rows in (first, second)]
    found = [_discrepancy(x, y) for x, y in zip(*parts, strict=True)]
    error = float(np.std(found, ddof=1)) / math.sqrt(count) if count > 1 else math.nan
    return Estimate(float(np.mean(found)), error)


def filling(real: Features, made: Features) -> Filling:
    """Return how much of each set lies among the points of the other.

    A ball around a point reaches to its k-th nearest of the same set. `precision`: part of what was
    made that lies in a ball of a real one; `recall`: part of the real ones in a ball of a made one
    (k = 3; Kynkaanniemi and others 2019). `density`: balls of real ones that a made one lies in, on
    average, as a part of k; `coverage`: part of the real ones with a made one in their ball (k = 5;
    Naeem and others 2020). Two sets of one distribution, of as many points, have a coverage of
    0.97.

    Raises
    ------
    InvalidArgument
        As `frechet`.
    """
    first, second = _checked(real, made)
    near, dense = _radii(first, (_NEAR, _DENSE))
    (made_near,) = _radii(second, (_NEAR,))
    in_real = np.zeros(len(second), bool)
    balls, in_made, covered = 0, 0, 0
    for rows, distances in _distances(first, second):
        in_real |= (distances <= near[rows, None]).any(0)
        within = distances <= dense[rows, None]
        balls += int(within.sum())
        covered += int(within.any(1).sum())
        in_made += int((distances <= made_near).any(1).sum())
    return Filling(
        precision=float(in_real.mean()),
        recall=in_made / len(first),
        density=balls / (_neighbours(first, _DENSE) * len(second)),
        coverage=covered / len(first),
    )


def coverage(real: Features, made: Features) -> float:
    """Return the part of the real points with a made one near them; see `filling`."""
    first, second = _checked(real, made)
    (dense,) = _radii(first, (_DENSE,))
    return sum(
        int((distances.min(1) <= dense[rows]).sum())
        for rows, distances in _distances(first, second)
    ) / len(first)


def nearest(points: Features, others: Features) -> NDArray[np.float64]:
    """Return the distance from each point to the nearest of `others`, (points,).

    Raises
    ------
    InvalidArgument
        A value is not finite, the dimensions differ, or there are none.
    """
    first, second = _checked(points, others, least=1)
    found = np.empty(len(first))
    for rows, distances in _distances(first, second):
        found[rows] = distances.min(1)
    return found


def _checked(
    first: Features, second: Features, least: int = 2
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    for rows in (first, second):
        if rows.ndim != 2 or len(rows) < least:
            raise InvalidArgument("features", rows.shape, f"(count, dimension), {least} or more")
        if not np.isfinite(rows).all():
            raise InvalidArgument("features", None, "finite")
    if first.shape[1] != second.shape[1]:
        expected = f"of the dimension of the others, {first.shape[1]}"
        raise InvalidArgument("features", second.shape, expected)
    return np.asarray(first, np.float64), np.asarray(second, np.float64)


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the symmetric root of a covariance."""
    values, vectors = np.linalg.eigh(covariance)
    root: NDArray[np.float64] = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return root


def _discrepancy(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the unbiased squared discrepancy: without the kernel of a point and itself."""
    alike = 0.0
    for rows in (first, second):
        kernel = _kernel(rows, rows)
        count = len(rows)
        alike += float(kernel.sum() - np.trace(kernel)) / (count * (count - 1))
    return alike - 2 * float(_kernel(first, second).mean())


def _kernel(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = (first @ second.T / first.shape[1] + 1) ** 3
    return found


def _neighbours(points: NDArray[np.float64], most: int) -> int:
    return min(most, len(points) - 1)


def _radii(points: NDArray[np.float64], numbers: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """Return how far the k-th nearest other point is from each, for each k of `numbers`."""
    places = [_neighbours(points, number) for number in numbers]  # itself is at place 0
    found = np.empty((len(places), len(points)))
    for rows, distances in _distances(points, points):
        found[:, rows] = np.partition(distances, places, axis=1)[:, places].T
    return list(found)


def _distances(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield slices of rows of `first`, and their distances to all of `second`."""
    right = torch.from_numpy(second)
    for begin in range(0, len(first), _AT_ONCE):
        rows = slice(begin, begin + _AT_ONCE)
        # Not by a matrix product: equal points are to be at a distance of exactly 0.
        mode = "donot_use_mm_for_euclid_dist"
        yield rows, torch.cdist(torch.from_numpy(first[rows]), right, compute_mode=mode).numpy()
