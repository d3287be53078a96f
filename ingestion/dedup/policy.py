"""Policies: which of a group of duplicates is kept. The others are hidden, and nothing is lost.

The kinds are taken from the surest to the least sure. What an earlier kind has hidden takes no part
in the later ones by itself: its pairs count for the item it is hidden behind. A group is what pairs
connect, so of a ~ b ~ c one item is kept even where a and c are too far apart to be a pair.

All of it is a function of the set of items and pairs. The order in which they came has no part.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from dataclasses import replace as changed
from enum import StrEnum
from typing import Any

from ragstone.errors import InvalidArgument
from ragstone.ingestion.dedup.base import DuplicateKind, Pair
from ragstone.ingestion.dedup.groups import Group, groups


class Keep(StrEnum):
    """Which item of a group stays visible."""

    FIRST = "first"  # the first by name
    BEST = "best"  # of the highest quality
    NEWEST = "newest"  # of the latest time
    ALL = "all"  # all of them: duplicates are only reported


# Farther pairs are not recorded, or mean nothing: a threshold above could only mislead.
LARGEST_DISTANCE = {
    DuplicateKind.EXACT: 0.0,
    DuplicateKind.TEXT: 0.5,
    DuplicateKind.IMAGE: 1.0,
    DuplicateKind.AUDIO: 1.0,
    DuplicateKind.SEMANTIC: 1.0,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done with duplicates of one kind.

    Raises
    ------
    InvalidArgument
        `keep` is no way of keeping, or `threshold` no number from 0 to 1.
    """

    keep: Keep
    threshold: float  # pairs of a distance up to this count

    def __post_init__(self) -> None:
        if self.keep not in set(Keep):
            raise InvalidArgument("keep", self.keep, f"one of {', '.join(Keep)}")
        if not _is_share(self.threshold):
            raise InvalidArgument("threshold", self.threshold, "a distance from 0 to 1")
        object.__setattr__(self, "keep", Keep(self.keep))
        object.__setattr__(self, "threshold", float(self.threshold))


def _is_share(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and 0 <= value <= 1


@dataclass(frozen=True, slots=True)
class Policy:
    """A rule for each kind; the thresholds were measured, see docs/dedup.md.

    Raises
    ------
    InvalidArgument
        A threshold is above what is recorded of its kind.
    """

    exact: Rule = field(default_factory=lambda: Rule(Keep.FIRST, 0.0))
    text: Rule = field(default_factory=lambda: Rule(Keep.FIRST, 0.2))  # Jaccard similarity 0.8
    # Of these two all that is recorded: it was verified to be the same picture, or recording.
    image: Rule = field(default_factory=lambda: Rule(Keep.FIRST, 0.25))  # 1 - correlation
    audio: Rule = field(default_factory=lambda: Rule(Keep.FIRST, 0.25))  # bits that differ
    semantic: Rule = field(default_factory=lambda: Rule(Keep.ALL, 0.05))  # 1 - cosine

    def __post_init__(self) -> None:
        for kind, largest in LARGEST_DISTANCE.items():
            threshold, name = self.rule(kind).threshold, f"policy.{kind}.threshold"
            if threshold > largest:
                raise InvalidArgument(name, threshold, f"at most {largest:g}")

    def rule(self, kind: DuplicateKind) -> Rule:
        """Return the rule for duplicates of `kind`."""
        rule: Rule = getattr(self, kind)
        return rule

    def with_rule(
        self, kind: DuplicateKind, keep: Keep | None = None, threshold: float | None = None
    ) -> Policy:
        """Return this policy with another rule for `kind`; what is None stays as it is."""
        old = self.rule(kind)
        rule = Rule(
            old.keep if keep is None else keep, old.threshold if threshold is None else threshold
        )
        return changed(self, **{str(kind): rule})

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return the policy as plain JSON."""
        return {
            kind: {"keep": rule["keep"].value, "threshold": rule["threshold"]}
            for kind, rule in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Policy:
        """Return the policy that `as_dict` has written; a kind that is missing has its default.

        Raises
        ------
        InvalidArgument
            A kind, a key or a value is none there is.
        """
        policy = cls()
        for kind, rule in values.items():
            if kind not in set(DuplicateKind):
                raise InvalidArgument("policy", kind, f"a rule for {', '.join(DuplicateKind)}")
            if not (isinstance(rule, Mapping) and set(rule) <= {"keep", "threshold"}):
                name = f"policy.{kind}"
                raise InvalidArgument(name, rule, "an object of keep and threshold")
            policy = policy.with_rule(DuplicateKind(kind), **rule)
        return policy


KEEP_ALL = Policy(*(Rule(Keep.ALL, rule["threshold"]) for rule in asdict(Policy()).values()))
"""Hides nothing: what undoes any policy."""


@dataclass(frozen=True, slots=True)
class Member:
    """What policies know of an item."""

    item_id: str
    source: str  # the first by name, of several
    quality: float = 0.0  # from 0 to 1
    time: float = 0.0  # seconds since 1970; 0 is unknown, and older than all others
    synthetic: bool = False  # a model made it: it never stands for one that none made


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why an item is hidden."""

    kept: int  # the visible item that stands for it
    behind: int  # the item that was kept of its group; hidden itself by a later kind, if not `kept`
    group: str
    kind: DuplicateKind
    distance: float | None  # to `behind`; None when only other items connect the two


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy makes of a set of items."""

    groups: tuple[Group, ...]  # by kind, then by id; also those of which all are kept
    hidden: dict[int, Verdict]  # by key


def hidden(
    members: Mapping[int, Member], pairs: Iterable[Pair], policy: Policy
) -> dict[int, Verdict]:
    """Return which items are hidden, and why; see `applied`."""
    return applied(members, pairs, policy).hidden


def applied(members: Mapping[int, Member], pairs: Iterable[Pair], policy: Policy) -> Outcome:
    """Return the groups among `members`, and which of them are hidden.

    Parameters
    ----------
    members
        All items that count, by key; pairs with others are left out.

    Notes
    -----
    What a model made gives way to what none made, however an item is kept. Equals are told apart by
    source, then by item id. A larger threshold never leaves more items
    visible. The same items stay hidden too as long as the kinds share one way of keeping; where
    they differ, an item may lose in the first kind what would have won in the second.
    """
    by_kind: dict[DuplicateKind, list[Pair]] = defaultdict(list)
    for pair in pairs:
        near = pair.distance <= policy.rule(pair.kind).threshold
        if near and pair.first in members and pair.second in members:
            by_kind[pair.kind].append(pair)
    behind: dict[int, Verdict] = {}
    found: list[Group] = []
    item_ids = {key: member.item_id for key, member in members.items()}
    for kind in DuplicateKind:
        keep = policy.rule(kind).keep
        unbridged = _unbridged(by_kind[kind], members)
        for group in groups(unbridged, item_ids, lambda key: _visible(key, behind)):
            found.append(group if keep is Keep.ALL else _decided(group, members, keep))
        for group in found:
            if group.kind is kind:
                behind.update(_verdicts(group))
    return Outcome(tuple(found), {key: _final(verdict, behind) for key, verdict in behind.items()})


def _unbridged(pairs: list[Pair], members: Mapping[int, Member]) -> list[Pair]:
    """Return the pairs without those by which what models made would connect what none made.

    Of the pairs of such an item with others that none made, the nearest stays, and then none with
    what models made.
    """
    nearest: dict[int, Pair] = {}
    for pair in pairs:
        made = [key for key in (pair.first, pair.second) if members[key].synthetic]
        if len(made) == 1:
            known = nearest.setdefault(made[0], pair)
            nearest[made[0]] = min(known, pair, key=lambda one: _order(one, members))
    return [
        pair
        for pair in pairs
        if all(nearest.get(key, pair) is pair for key in (pair.first, pair.second))
    ]


def _order(pair: Pair, members: Mapping[int, Member]) -> tuple[float, list[str]]:
    return pair.distance, sorted(members[key].item_id for key in (pair.first, pair.second))


def _decided(group: Group, members: Mapping[int, Member], keep: Keep) -> Group:
    return changed(group, kept=min(group.members, key=lambda key: _rank(members[key], keep)))


def _rank(member: Member, keep: Keep) -> tuple[bool, float, str, str]:
    """Return what the kept item of a group has the least of."""
    score = {Keep.BEST: -member.quality, Keep.NEWEST: -member.time}.get(keep, 0.0)
    return member.synthetic, score, member.source, member.item_id


def _verdicts(group: Group) -> dict[int, Verdict]:
    if group.kept is None:
        return {}
    direct: dict[int, float] = {}
    for pair in group.pairs:  # the nearest first
        if group.kept in (pair.first, pair.second):
            other = pair.second if pair.first == group.kept else pair.first
            direct.setdefault(other, pair.distance)
    return {
        key: Verdict(group.kept, group.kept, group.id, group.kind, direct.get(key))
        for key in group.members
        if key != group.kept
    }


def _visible(key: int, behind: Mapping[int, Verdict]) -> int:
    while key in behind:
        key = behind[key].behind
    return key


def _final(verdict: Verdict, behind: Mapping[int, Verdict]) -> Verdict:
    return changed(verdict, kept=_visible(verdict.behind, behind))
