"""Groups of duplicates: what verified pairs connect, and why a member is in its group."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragstone.ingestion.dedup.base import DuplicateKind, Pair

NEAREST = 16  # pairs that an item of a crowd keeps


@dataclass(frozen=True, slots=True)
class Group:
    """Items that are duplicates of one kind, directly or through each other."""

    id: str
    kind: DuplicateKind
    members: tuple[int, ...]  # keys, by item id
    pairs: tuple[Pair, ...]  # that connect them, the nearest first
    kept: int | None = None  # the other members are hidden behind it; None: all are kept


def group_id(kind: DuplicateKind, item_ids: Iterable[str]) -> str:
    """Return the name of a group: its kind, and the beginning of the least id of its items.

    Whatever came first, the same items make the same name.
    """
    return f"{kind}-{min(item_ids)[:16]}"


def groups(
    pairs: Iterable[Pair],
    item_ids: Mapping[int, str],
    standing: Callable[[int], int] = lambda key: key,
) -> list[Group]:
    """Return the connected components of `pairs`, which are of one kind, by id.

    Parameters
    ----------
    item_ids
        The id of each item by key.
    standing
        The item that stands for another one: its pairs count for that.
    """
    ordered = sorted(pairs, key=lambda pair: (pair.distance, pair.first, pair.second))
    forest = Forest()
    for pair in ordered:
        forest.join(standing(pair.first), standing(pair.second))
    edges: dict[int, list[Pair]] = defaultdict(list)
    for pair in ordered:
        edges[forest.root(standing(pair.first))].append(pair)
    found = []
    for root, members in forest.trees().items():
        if len(members) > 1:  # else one item stands for both ends of each of its pairs
            keys = tuple(sorted(members, key=lambda key: (item_ids[key], key)))
            kind = edges[root][0].kind
            name = group_id(kind, (item_ids[key] for key in keys))
            found.append(Group(name, kind, keys, tuple(edges[root])))
    return sorted(found, key=lambda group: group.id)


def path(pairs: Iterable[Pair], start: int, end: int) -> tuple[Pair, ...]:
    """Return the pairs that lead from one item to another; none when nothing connects them.

    The fewest there are, and of those the ones of the least distance in sum (Dijkstra 1959).
    """
    edges: dict[int, dict[int, Pair]] = defaultdict(dict)
    for pair in sorted(pairs, key=lambda pair: -pair.distance):  # the nearest of two comes last
        edges[pair.first][pair.second] = edges[pair.second][pair.first] = pair
    before: dict[int, int] = {}
    waiting = [(0, 0.0, start, start)]
    while waiting and end not in before:
        steps, length, key, origin = heapq.heappop(waiting)
        if key not in before:
            before[key] = origin
            for other, pair in edges[key].items():
                heapq.heappush(waiting, (steps + 1, length + pair.distance, other, key))
    walked = []
    while end in before and end != start:
        walked.append(edges[before[end]][end])
        end = before[end]
    return tuple(reversed(walked))


def backbone(
    pairs: NDArray[np.int64], distances: NDArray[np.float64], nearest: int = NEAREST
) -> NDArray[np.bool_]:
    """Return which pairs to keep so that a crowd of n items has no n^2 / 2 of them.

    Kept are the `nearest` of each item, and a minimum spanning forest (Kruskal 1956): with it the
    connected components stay what they are, at every threshold.

    Parameters
    ----------
    pairs
        Keys, shape (m, 2).
    distances
        Shape (m,).
    """
    kept = np.zeros(len(pairs), np.bool_)
    counts: dict[int, int] = defaultdict(int)
    forest = Forest()
    for place in np.lexsort((pairs[:, 1], pairs[:, 0], distances)).tolist():
        first, second = pairs[place].tolist()
        joined = forest.join(first, second)
        kept[place] = joined or counts[first] < nearest or counts[second] < nearest
        counts[first] += 1
        counts[second] += 1
    return kept


class Forest:
    """Sets that can be joined (Tarjan 1975): who is connected with whom."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}
        self._sizes: dict[int, int] = {}

    def root(self, key: int) -> int:
        """Return the one that stands for all that `key` is connected with."""
        above = self._above
        if key not in above:
            above[key] = key
            self._sizes[key] = 1
        while above[key] != key:
            above[key] = above[above[key]]
            key = above[key]
        return key

    def join(self, one: int, other: int) -> bool:
        """Connect two; return whether they were not connected before."""
        first, second = self.root(one), self.root(other)
        if first == second:
            return False
        if self._sizes[first] < self._sizes[second]:
            first, second = second, first
        self._above[second] = first
        self._sizes[first] += self._sizes[second]
        return True

    def trees(self) -> dict[int, list[int]]:
        """Return the members of each connected set, by its root."""
        found: dict[int, list[int]] = defaultdict(list)
        for key in self._above:
            found[self.root(key)].append(key)
        return dict(found)
