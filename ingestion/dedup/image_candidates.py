"""Which pictures are worth laying on each other: signs of low frequencies, window against window.

A code has 63 bits, so that a thousand million comparisons take a second or two; what it lets pass
by chance is taken out by the values of the frequencies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragstone.ingestion.dedup.image_geometry import WINDOWS, codes, descriptors, frequencies
from ragstone.ingestion.dedup.image_hash import TURNS, Floats, Pictures, turned

_CODE_BITS = 64
_CODE_DISTANCE = 15  # about one pair of unlike photographs in a thousand is as near
_LEAST_COSINE = 0.65
_PER_PICTURE = 8  # that are laid on a new picture, the most alike first
_HUBS = 2  # besides these the first ones, so that a crowd stays connected
_BLOCK = 512  # new pictures searched at a time
UPRIGHT = list(TURNS).index("upright")


@dataclass(frozen=True, slots=True)
class Candidates:
    """m pairs to verify, in arrays of shape (m,), by places in the two sets."""

    queries: NDArray[np.int64]
    targets: NDArray[np.int64]
    turns: NDArray[np.int64]  # done to the query, by place in `TURNS`
    windows: NDArray[np.int64]  # by place in `WINDOWS`
    of_target: NDArray[np.bool_]  # whose window it is: the target's, or the query's
    cosines: Floats

    def __len__(self) -> int:
        return len(self.queries)

    def take(self, places: NDArray[np.int64]) -> Candidates:
        """Return those at `places`."""
        return Candidates(
            self.queries[places],
            self.targets[places],
            self.turns[places],
            self.windows[places],
            self.of_target[places],
            self.cosines[places],
        )


def find_candidates(queries: Pictures, targets: Pictures) -> Candidates:
    """Return the pairs worth verifying, each once for every query.

    Parameters
    ----------
    queries
        The new pictures.
    targets
        All pictures, beginning with the queries in the same order: none is paired with itself.
    """
    found: list[_Part] = []
    for search in _searches(queries, targets):
        found.extend(search)
    joined = Candidates(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
    return joined.take(_chosen(joined))


_Part = tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.bool_],
    Floats,
]


def _searches(queries: Pictures, targets: Pictures) -> Iterator[Iterator[_Part]]:
    """Search all turns of the whole, all windows of the query, and all windows of the target."""
    whole = _Index(targets, 0)
    for turn, name in enumerate(TURNS):
        grey = turned(queries.grey, name)
        for window in range(len(WINDOWS) if turn == UPRIGHT else 1):
            yield whole.near(grey, window, turn, of_target=False)
    for window in range(1, len(WINDOWS)):
        yield _Index(targets, window).near(queries.grey, window, UPRIGHT, of_target=True)


class _Index:
    """The codes and descriptors of one window of the targets."""

    def __init__(self, targets: Pictures, window: int) -> None:
        import faiss

        self._index = faiss.IndexBinaryFlat(_CODE_BITS)
        low = frequencies(targets.grey, window)
        self._index.add(codes(low))
        self._vectors = descriptors(low)

    def near(
        self, grey: NDArray[np.uint8], window: int, turn: int, *, of_target: bool
    ) -> Iterator[_Part]:
        """Return what is near the queries' window, or near all of them if it is the targets'."""
        low = frequencies(grey, 0 if of_target else window)
        signs, vectors = codes(low), descriptors(low)
        for start in range(0, len(grey), _BLOCK):
            block = signs[start : start + _BLOCK]
            limits, _, places = self._index.range_search(block, _CODE_DISTANCE + 1)
            query = start + np.repeat(np.arange(len(block)), np.diff(limits.astype(np.int64)))
            apart = query != places
            query, places = query[apart], places[apart]
            cosine = np.einsum("ij,ij->i", vectors[query], self._vectors[places])
            alike = cosine >= _LEAST_COSINE
            query, places, cosine = query[alike], places[alike], cosine[alike]
            count = len(query)
            yield (
                query,
                places,
                np.full(count, turn),
                np.full(count, window),
                np.full(count, of_target),
                cosine.astype(np.float32),
            )


def _chosen(found: Candidates) -> NDArray[np.int64]:
    """Return the places of each pair's best way to lie, and of those the best few of each query."""
    order = np.lexsort((-found.cosines, found.targets, found.queries))
    query, target = found.queries[order], found.targets[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (query[1:] != query[:-1]) | (target[1:] != target[:-1])
    order = order[new]
    # within one query the pairs are in the order of the targets now
    first = _rank(found.queries[order]) < _HUBS
    by_cosine = np.lexsort((-found.cosines[order], found.queries[order]))
    best = np.zeros(len(order), np.bool_)
    best[by_cosine] = _rank(found.queries[order][by_cosine]) < _PER_PICTURE
    return order[first | best]


def _rank(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each element within its run of equal ones."""
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]]) if len(groups) else groups
    lengths = np.diff(np.r_[starts, len(groups)])
    return np.arange(len(groups)) - np.repeat(starts, lengths)
