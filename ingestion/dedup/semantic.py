"""Semantic duplicates: items whose vectors are near, and how near they have to be.

The distance is 1 - cosine. What it means differs from encoder to encoder, so there is a
calibration: precision and recall at each threshold, from pairs known to be duplicates or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragstone.errors import InvalidArgument
from ragstone.ingestion.dedup.base import DuplicateKind, Pair
from ragstone.ingestion.dedup.groups import Forest

PRECISION = 0.95  # that a proposed threshold reaches
SUPPORT = 20  # pairs that a precision rests on, at least

NEIGHBOURS = 16  # that an item is paired with, at most

_SIDE = 2_048  # of the block of cosines that stands in memory: 16 MiB

Vectors = NDArray[np.float16] | NDArray[np.float32]


def item_vectors(
    owners: NDArray[np.int64], vectors: Vectors
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the vector of each item: the mean direction of its chunks.

    Parameters
    ----------
    owners
        Item keys, shape (n,).
    vectors
        Of the chunks, shape (n, dimension).

    Returns
    -------
    Keys, ascending, shape (m,); unit vectors, float32 of shape (m, dimension).
    """
    order = np.argsort(owners, kind="stable")
    keys, starts = np.unique(owners[order], return_index=True)
    if not len(keys):
        return keys, np.empty((0, vectors.shape[1]), np.float32)
    sums = np.add.reduceat(vectors[order].astype(np.float32), starts, axis=0)
    return keys, _units(sums)


def semantic_pairs(
    keys: NDArray[np.int64],
    vectors: Vectors,
    largest: float,
    new_from: int = 0,
    algorithm: str = "cosine",
) -> list[Pair]:
    """Return the pairs of near items: each new one with those before it, the 16 nearest at most.

    Compares all with all, block by block: 10,000 new items with 1,000,000 others of 384 dimensions
    take 4 * 10^12 multiplications, and a few dozen MiB.

    Parameters
    ----------
    keys
        Shape (n,), ascending.
    vectors
        Shape (n, dimension), of any length.
    largest
        Distance up to which two items are a pair.
    new_from
        Place in `keys` from which on items are new.
    algorithm
        Names the space of the vectors, as the pairs will.
    """
    pairs = []
    for start in range(new_from, len(keys), _SIDE):
        near = _near(vectors, start, min(start + _SIDE, len(keys)), 1.0 - largest)
        for row, other, cosine in zip(*(column.tolist() for column in near), strict=True):
            distance = min(max(1.0 - cosine, 0.0), 2.0)  # of equal vectors it may be -1e-7
            first, second = int(keys[other]), int(keys[row])
            evidence = {"cosine": cosine}
            pairs.append(Pair(first, second, DuplicateKind.SEMANTIC, distance, algorithm, evidence))
    return pairs


Near = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
"""Places of items, places of neighbours before them, and their cosines, each of shape (m,)."""


def _near(vectors: Vectors, start: int, end: int, least: float) -> Near:
    """Return the neighbours of the items in `[start, end)`."""
    fresh = _units(vectors[start:end])
    near: Near = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64)
    for column in range(0, end, _SIDE):
        cosines = fresh @ _units(vectors[column : min(column + _SIDE, end)]).T
        row, other = np.nonzero(cosines >= np.float32(least))
        earlier = other + column < row + start
        row, other = row[earlier], other[earlier]
        met = row + start, other + column, cosines[row, other].astype(np.float64)
        near = _nearest(*(np.concatenate(both) for both in zip(near, met, strict=True)))
    return near


def _nearest(
    rows: NDArray[np.int64], others: NDArray[np.int64], cosines: NDArray[np.float64]
) -> Near:
    """Return the nearest of each row, by row, the nearest first."""
    order = np.lexsort((others, -cosines, rows))
    rows, others, cosines = rows[order], others[order], cosines[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = rank < NEIGHBOURS
    return rows[kept], others[kept], cosines[kept]


def _units(vectors: Vectors) -> NDArray[np.float32]:
    """Return the vectors at length 1; one of length 0 stays, and is near to none."""
    wide = vectors.astype(np.float32)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.ascontiguousarray(wide / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


# ---------------------------------------------------------------- calibration


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a threshold would do to the labelled pairs."""

    distance: float  # pairs up to this one would be called duplicates
    called: int  # so many of them
    precision: float  # the share of duplicates among these
    recall: float  # the share of these among the duplicates


@dataclass(frozen=True, slots=True)
class Calibration:
    """Precision and recall by threshold, and the threshold that follows from them."""

    pairs: int
    duplicates: int
    thresholds: tuple[Threshold, ...]  # the strictest first
    proposed: Threshold | None  # the widest of the wanted precision; None when there is none


def calibrate(
    cosines: NDArray[np.float64],
    duplicates: NDArray[np.bool_],
    precision: float = PRECISION,
    steps: int = 20,
) -> Calibration:
    """Return what each threshold does to labelled pairs, and the one to propose.

    Proposed is the widest threshold of the wanted precision that at least 20 pairs speak for.
    Precision depends on the share of duplicates among the pairs given: it is that of the dataset
    only as far as they were sampled as its near pairs are.

    Parameters
    ----------
    cosines, duplicates
        Shape (n,): how near the two of a pair are, and whether they are duplicates.
    precision
        That the proposed threshold must reach.
    steps
        Thresholds, at most: each takes in as many more of the duplicates.

    Raises
    ------
    InvalidArgument
        No pair is a duplicate, or all are.
    """
    if not 0 < duplicates.sum() < len(duplicates):
        raise InvalidArgument("pairs", len(duplicates), "some duplicates and some others")
    distances = np.clip(1.0 - cosines, 0.0, 2.0)
    parts = np.quantile(distances[duplicates], np.linspace(0.0, 1.0, steps + 1)[1:])
    grid = np.unique(np.ceil(parts * 1000) / 1000)
    table = tuple(_threshold(float(limit), distances, duplicates) for limit in grid)
    proposed = None
    for row in table:
        if row.called >= SUPPORT and row.precision >= precision:
            proposed = row
    return Calibration(len(duplicates), int(duplicates.sum()), table, proposed)


def _threshold(
    limit: float, distances: NDArray[np.float64], duplicates: NDArray[np.bool_]
) -> Threshold:
    called = distances <= limit
    right = int((called & duplicates).sum())
    count = int(called.sum())
    return Threshold(limit, count, right / count if count else 1.0, right / int(duplicates.sum()))


def sampled_pairs(
    keys: NDArray[np.int64],
    vectors: Vectors,
    known: Iterable[Pair],
    count: int = 1_000,
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return cosines and labels of pairs for `calibrate`, when nobody has labelled any.

    Duplicates are the pairs of `known`, which another finder has verified. Others are the nearest
    neighbours of items drawn at random, unless they are known duplicates or connected by them. Some
    of these mean the same in other words and are counted as errors all the same: the threshold
    comes out strict rather than loose.

    Parameters
    ----------
    keys, vectors
        As `semantic_pairs` takes them.
    count
        Pairs of either label, at most.
    """
    generator = np.random.default_rng(seed)
    places = {key: place for place, key in enumerate(keys.tolist())}
    linked = np.array(
        [
            (places[pair.first], places[pair.second])
            for pair in known
            if pair.first in places and pair.second in places
        ],
        np.int64,
    ).reshape(-1, 2)
    chosen = generator.permutation(len(linked))[:count]
    one, other = _units(vectors[linked[chosen, 0]]), _units(vectors[linked[chosen, 1]])
    near = (one * other).sum(axis=1).astype(np.float64)
    asked = np.sort(generator.permutation(len(keys))[:count])
    far = _nearest_strangers(vectors, asked, _groups_of(linked, len(keys)))
    labels = np.concatenate([np.ones(len(near), np.bool_), np.zeros(len(far), np.bool_)])
    return np.concatenate([near, far]), labels


def _groups_of(linked: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return a number for each of `count` places, the same for those that are connected."""
    forest = Forest()
    for one, other in linked.tolist():
        forest.join(one, other)
    return np.array([forest.root(place) for place in range(count)], np.int64)


def _nearest_strangers(
    vectors: Vectors, asked: NDArray[np.int64], groups: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return for each place in `asked` the cosine of the nearest item of another group."""
    units = _units(vectors[asked])
    best = np.full(len(asked), -np.inf)
    for column in range(0, len(vectors), _SIDE):
        cosines = units @ _units(vectors[column : column + _SIDE]).T
        cosines[groups[asked][:, None] == groups[None, column : column + _SIDE]] = -np.inf
        best = np.maximum(best, cosines.max(axis=1))
    met: NDArray[np.float64] = best[np.isfinite(best)]
    return met
