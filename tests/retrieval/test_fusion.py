"""Fusion against its definition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.retrieval import fusion

ranked_lists = st.dictionaries(
    st.integers(0, 30), st.floats(0, 50, allow_nan=False), max_size=20
).map(lambda d: sorted(d.items(), key=lambda pair: (-pair[1], pair[0])))
WEIGHTS = {"keyword": 0.4, "vector": 0.6}


def stretched(ranked: list[tuple[int, float]], key: int) -> float:
    scores = dict(ranked)
    if key not in scores:
        return 0.0
    low, high = min(scores.values()), max(scores.values())
    return 1.0 if low == high else (scores[key] - low) / (high - low)


@given(ranked_lists, ranked_lists)
def test_minmax_is_the_convex_combination(
    keyword: list[tuple[int, float]], vector: list[tuple[int, float]]
) -> None:
    arms = {"keyword": keyword, "vector": vector}
    total = sum(WEIGHTS[name] for name, ranked in arms.items() if ranked) or 1
    for key, score in fusion.minmax(arms, WEIGHTS):
        expected = sum(WEIGHTS[n] / total * stretched(r, key) for n, r in arms.items() if r)
        assert score == pytest.approx(expected, abs=1e-5)


@given(ranked_lists, ranked_lists)
def test_every_candidate_once_in_order_ties_by_key(
    keyword: list[tuple[int, float]], vector: list[tuple[int, float]]
) -> None:
    arms = {"keyword": keyword, "vector": vector}
    for fused in (fusion.minmax(arms, WEIGHTS), fusion.reciprocal_rank(arms)):
        assert {key for key, _ in fused} == dict(keyword).keys() | dict(vector).keys()
        assert len({key for key, _ in fused}) == len(fused)
        assert fused == sorted(fused, key=lambda pair: (-pair[1], pair[0]))


def test_arm_that_found_nothing_leaves_its_weight() -> None:
    arms = {"keyword": [], "vector": [(3, 0.9), (1, 0.1)]}
    assert fusion.minmax(arms, WEIGHTS) == [(3, 1.0), (1, 0.0)]


def test_reciprocal_rank_counts_places() -> None:
    fused = dict(fusion.reciprocal_rank({"a": [(1, 9.0), (2, 8.0)], "b": [(2, 0.3)]}))
    assert fused == {1: round(1 / 61, 6), 2: round(1 / 62 + 1 / 61, 6)}


def test_places_tell_rank_and_score() -> None:
    arms = {"a": [(1, 9.0), (2, 8.0)], "b": [(2, 0.3)]}
    places = fusion.places(arms, [2])
    assert set(places) == {2}
    assert {n: (p.rank, p.score) for n, p in places[2].items()} == {"a": (2, 8.0), "b": (1, 0.3)}
