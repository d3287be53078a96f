"""The one order of all that a question finds: a page is a stretch of it, whatever the page's size.

Min-max scores depend on how many candidates the arms give: with more of them the worst one, which
counts 0, is another one, and everything above it moves. So the number of candidates must not depend
on the page. The order begins with the candidates of the settings, fused. After them come those of
twice as many that were not among them, in their fused order, then those of four times as many, and
so on, until nothing more is found. Each round is the same whoever asks for how much of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from ragstone.retrieval.fusion import Fused

FusedAt: TypeAlias = "Callable[[int], Fused]"  # candidates of each arm -> all of them, fused
GroupsOf: TypeAlias = "Callable[[Sequence[int]], Mapping[int, int]]"  # chunk keys -> their items

_MOST_CANDIDATES = 65_536  # of an arm


@dataclass(frozen=True, slots=True)
class Place:
    """A chunk in the order."""

    key: int
    score: float
    fused: Fused  # the round that found it
    more: list[int] = field(default_factory=list)  # of its item in this round, best first


def places(
    fused_at: FusedAt, candidates: int, groups_of: GroupsOf | None = None
) -> Iterator[Place]:
    """Yield all that is found, in order; a round is fused when the one before it is used up.

    Parameters
    ----------
    groups_of
        Given, each item has one place: that of its best chunk, with those of its chunks that the
        same round has found.
    """
    seen: set[int] = set()
    items: set[int] = set()
    first = depth = candidates
    while depth <= max(first, _MOST_CANDIDATES):
        fused = fused_at(depth) if depth == first else fused_at(depth).beyond()
        keys, scores = fused.ranked.keys.tolist(), fused.ranked.scores.tolist()
        every = zip(keys, scores, strict=True)
        found = (Place(key, score, fused) for key, score in every if key not in seen)
        yield from _grouped(list(found), groups_of, items) if groups_of else found  # few are asked
        if all(len(arm) < depth for arm in fused.arms.values()):
            return
        seen.update(keys)
        depth *= 2


def _grouped(found: Sequence[Place], groups_of: GroupsOf, items: set[int]) -> list[Place]:
    """Return the best place of each item that is not among `items`, and add it to them."""
    group = groups_of([place.key for place in found])
    best: dict[int, Place] = {}
    for place in found:
        item = group[place.key]
        if item in best:
            best[item].more.append(place.key)
        elif item not in items:
            best[item] = place
    items.update(best)
    return list(best.values())
