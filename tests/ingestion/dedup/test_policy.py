"""Policies: a pure function of items and pairs, whatever their order."""

from __future__ import annotations

import json
import random
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.errors import InvalidArgument
from ragstone.ingestion.dedup.base import DuplicateKind, Pair
from ragstone.ingestion.dedup.policy import (
    KEEP_ALL,
    Keep,
    Member,
    Policy,
    Rule,
    Verdict,
    applied,
    hidden,
)

TEXT, IMAGE, EXACT = DuplicateKind.TEXT, DuplicateKind.IMAGE, DuplicateKind.EXACT


def pair(first: int, second: int, distance: float = 0.0, kind: DuplicateKind = TEXT) -> Pair:
    return Pair(first, second, kind, distance, "test")


def members(*names: str, **of: Any) -> dict[int, Member]:
    return {key: Member(f"id-{name}", name, **of) for key, name in enumerate(names)}


# ---------------------------------------------------------------- what is kept


def test_first_is_the_first_by_name_and_not_by_arrival() -> None:
    verdicts = hidden(members("c", "a", "b"), [pair(0, 1, 0.1), pair(0, 2, 0.2)], Policy())
    assert {key: verdict.kept for key, verdict in verdicts.items()} == {0: 1, 2: 1}


def test_the_kept_item_group_kind_and_distance_are_named() -> None:
    verdicts = hidden(members("b", "a"), [pair(0, 1, 0.125)], Policy())
    assert verdicts == {0: Verdict(1, 1, "text-id-a", TEXT, 0.125)}


def test_of_a_chain_one_is_kept_and_what_is_not_near_it_says_so() -> None:
    chain = [pair(0, 1, 0.2), pair(1, 2, 0.15)]
    verdicts = hidden(members("a", "b", "c"), chain, Policy())
    assert {key: (v.kept, v.distance) for key, v in verdicts.items()} == {1: (0, 0.2), 2: (0, None)}


@pytest.mark.parametrize(
    ("keep", "kept"), [(Keep.FIRST, 0), (Keep.BEST, 1), (Keep.NEWEST, 2), (Keep.ALL, None)]
)
def test_ways_of_keeping(keep: Keep, kept: int | None) -> None:
    items = {
        0: Member("x", "a", quality=0.1, time=10.0),
        1: Member("y", "b", quality=0.9, time=20.0),
        2: Member("z", "c", quality=0.5, time=30.0),
    }
    policy = Policy().with_rule(TEXT, keep)
    outcome = applied(items, [pair(0, 1), pair(1, 2)], policy)
    assert [group.kept for group in outcome.groups] == [kept]
    assert set(outcome.hidden) == ({0, 1, 2} - {kept} if kept is not None else set())


@pytest.mark.parametrize("keep", [Keep.BEST, Keep.NEWEST])
def test_equals_are_told_apart_by_name_then_by_id(keep: Keep) -> None:
    items = {0: Member("z", "same"), 1: Member("y", "same"), 2: Member("x", "zzz")}
    policy = Policy().with_rule(TEXT, keep)
    assert set(hidden(items, [pair(0, 1), pair(1, 2)], policy)) == {0, 2}


@pytest.mark.parametrize("keep", [Keep.FIRST, Keep.BEST, Keep.NEWEST])
def test_what_a_model_made_gives_way_to_what_none_made(keep: Keep) -> None:
    better = Member("id-a", "a", quality=1.0, time=9.0, synthetic=True)
    both = {0: better, 1: Member("id-b", "b")}
    policy = Policy().with_rule(TEXT, keep)
    assert {key: v.kept for key, v in hidden(both, [pair(0, 1, 0.1)], policy).items()} == {0: 1}


def test_what_models_made_connects_nothing_that_none_made() -> None:
    several = members("a", "b") | {
        2: Member("id-m", "m", synthetic=True),
        3: Member("id-n", "n", synthetic=True),
    }
    chain = [pair(0, 2, 0.1), pair(1, 2, 0.05), pair(0, 3, 0.1), pair(2, 3, 0.0)]
    verdicts = hidden(several, chain, Policy())
    assert {key: verdict.kept for key, verdict in verdicts.items()} == {2: 1, 3: 0}


def test_farther_pairs_and_strangers_do_not_count() -> None:
    pairs = [pair(0, 1, 0.21), pair(0, 99, 0.0), pair(1, 2, 0.2)]
    assert set(hidden(members("a", "b", "c"), pairs, Policy())) == {2}


def test_pairs_of_an_item_hidden_by_a_surer_kind_count_for_its_kept_item() -> None:
    items = members("b", "a", "c", "0")
    pairs = [pair(0, 1, kind=EXACT), pair(0, 2, 0.1), pair(2, 3, 0.1, IMAGE)]
    verdicts = hidden(items, pairs, Policy())
    assert verdicts == {
        0: Verdict(3, 1, "exact-id-a", EXACT, 0.0),
        2: Verdict(3, 1, "text-id-a", TEXT, None),
        1: Verdict(3, 3, "image-id-0", IMAGE, None),
    }


def test_pairs_between_two_that_one_item_stands_for_make_no_group() -> None:
    pairs = [pair(0, 1, kind=EXACT), pair(0, 2, kind=EXACT), pair(1, 2, 0.0)]
    outcome = applied(members("a", "b", "c"), pairs, Policy())
    assert [group.kind for group in outcome.groups] == [EXACT]


def test_semantic_duplicates_are_reported_and_stay() -> None:
    outcome = applied(members("a", "b"), [pair(0, 1, 0.05, DuplicateKind.SEMANTIC)], Policy())
    assert [(g.id, g.kept) for g in outcome.groups] == [("semantic-id-a", None)]
    assert outcome.hidden == {}


# ---------------------------------------------------------------- what holds for all sets

ITEMS = {
    key: Member(f"{31 * key % 17:02}", f"n{7 * key % 13:02}", key * 5 % 7 / 7, key * 3 % 11)
    for key in range(13)
}
PAIRS = st.lists(
    st.builds(
        lambda one, other, distance, kind: Pair(
            min(one, other), max(one, other), kind, 0.0 if kind is EXACT else distance, "test"
        ),
        st.integers(0, 12),
        st.integers(0, 12),
        st.sampled_from([0.0, 0.05, 0.1, 0.12, 0.2, 0.25, 0.4]),
        st.sampled_from(DuplicateKind),
    ).filter(lambda made: made.first != made.second),
    max_size=30,
    unique_by=lambda made: (made.first, made.second, made.kind),
)
KEEPS = st.sampled_from(Keep)


def policies(keep: st.SearchStrategy[Keep] = KEEPS) -> st.SearchStrategy[Policy]:
    rules = st.builds(Rule, keep, st.sampled_from([0.0, 0.1, 0.2, 0.4]))
    exact = st.builds(Rule, keep, st.just(0.0))
    return st.builds(Policy, exact, rules, rules, rules, rules)


@settings(deadline=None)
@given(PAIRS, policies(), st.randoms(use_true_random=False))
def test_order_has_no_part(pairs: list[Pair], policy: Policy, shuffle: random.Random) -> None:
    """Keys are given in the order of arrival: other keys, the same groups and kept items."""
    keys = list(ITEMS)
    shuffle.shuffle(keys)
    new = dict(zip(ITEMS, keys, strict=True))
    moved = [
        Pair(*sorted((new[p.first], new[p.second])), p.kind, p.distance, p.algorithm)  # type: ignore[misc]
        for p in pairs
    ]
    shuffle.shuffle(moved)
    one = applied(ITEMS, pairs, policy)
    other = applied({new[key]: ITEMS[key] for key in shuffle.sample(keys, 13)}, moved, policy)
    assert {(g.id, frozenset(new[k] for k in g.members)) for g in one.groups} == {
        (g.id, frozenset(g.members)) for g in other.groups
    }
    assert other.hidden == {
        new[key]: Verdict(new[v.kept], new[v.behind], v.group, v.kind, v.distance)
        for key, v in one.hidden.items()
    }


@settings(deadline=None)
@given(PAIRS, policies())
def test_every_hidden_item_has_a_visible_one_that_pairs_lead_to(
    pairs: list[Pair], policy: Policy
) -> None:
    outcome = applied(ITEMS, pairs, policy)
    near = {
        kind: [p for p in pairs if p.kind is kind and p.distance <= policy.rule(kind).threshold]
        for kind in DuplicateKind
    }
    for key, verdict in outcome.hidden.items():
        assert verdict.kept not in outcome.hidden
        assert policy.rule(verdict.kind).keep is not Keep.ALL
        between = [
            p.distance for p in near[verdict.kind] if {p.first, p.second} == {key, verdict.behind}
        ]
        assert verdict.distance == min(between, default=None)
    hiding = [p for kind, ps in near.items() if policy.rule(kind).keep is not Keep.ALL for p in ps]
    visible = set(ITEMS) - set(outcome.hidden)
    assert not any(p.first in visible and p.second in visible for p in hiding)


@settings(deadline=None)
@given(PAIRS, policies(), st.sampled_from(list(DuplicateKind)[1:]))
def test_a_larger_threshold_never_leaves_more_visible(
    pairs: list[Pair], policy: Policy, kind: DuplicateKind
) -> None:
    wider = policy.with_rule(kind, threshold=policy.rule(kind).threshold + 0.1)
    assert len(hidden(ITEMS, pairs, wider)) >= len(hidden(ITEMS, pairs, policy))


@settings(deadline=None)
@given(PAIRS, st.sampled_from([Keep.FIRST, Keep.BEST, Keep.NEWEST]), st.data())
def test_with_one_way_of_keeping_what_is_hidden_stays_hidden(
    pairs: list[Pair], keep: Keep, data: st.DataObject
) -> None:
    policy = data.draw(policies(st.just(keep)))
    kind = data.draw(st.sampled_from(list(DuplicateKind)[1:]))
    wider = policy.with_rule(kind, threshold=policy.rule(kind).threshold + 0.1)
    assert hidden(ITEMS, pairs, policy).keys() <= hidden(ITEMS, pairs, wider).keys()


@settings(deadline=None)
@given(PAIRS)
def test_keeping_all_undoes_everything(pairs: list[Pair]) -> None:
    assert hidden(ITEMS, pairs, KEEP_ALL) == {}
    marked = applied(ITEMS, pairs, KEEP_ALL).groups
    assert {g.kind for g in marked if g.kind is EXACT} == {p.kind for p in pairs if p.kind is EXACT}


# ---------------------------------------------------------------- as JSON


@settings(deadline=None)
@given(policies())
def test_policies_travel_as_json(policy: Policy) -> None:
    assert Policy.from_dict(json.loads(json.dumps(policy.as_dict()))) == policy


def test_the_defaults() -> None:
    assert Policy().as_dict() == {
        "exact": {"keep": "first", "threshold": 0.0},
        "text": {"keep": "first", "threshold": 0.2},
        "image": {"keep": "first", "threshold": 0.25},
        "audio": {"keep": "first", "threshold": 0.25},
        "semantic": {"keep": "all", "threshold": 0.05},
    }
    assert Policy.from_dict({}) == Policy()
    assert Policy.from_dict({"text": {"keep": "newest"}}).text == Rule(Keep.NEWEST, 0.2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"texts": {}}, "policy is 'texts', expected a rule for exact, text, image"),
        ({"text": {"keeps": "first"}}, "policy.text is"),
        ({"text": "first"}, "policy.text is 'first', expected an object"),
        ({"text": {"keep": "last"}}, "keep is 'last', expected one of first, best, newest, all"),
        ({"text": {"keep": ""}}, "keep is ''"),
        ({"text": {"threshold": "0.2"}}, "threshold is '0.2'"),
        ({"text": {"threshold": True}}, "threshold is True"),
        ({"text": {"threshold": float("nan")}}, "threshold is nan"),
        ({"text": {"threshold": -0.1}}, "threshold is -0.1"),
        ({"image": {"threshold": 31}}, "threshold is 31, expected a distance from 0 to 1"),
        ({"text": {"threshold": 0.6}}, "policy.text.threshold is 0.6, expected at most 0.5"),
        ({"exact": {"threshold": 0.1}}, "policy.exact.threshold is 0.1, expected at most 0"),
    ],
)
def test_what_is_no_policy_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Policy.from_dict(values)
    assert str(caught.value).startswith(message)


def test_policies_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Policy().text.threshold = 0.3  # type: ignore[misc]
