"""Fusion against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.retrieval import fusion
from ragstone.retrieval.fusion import Plan
from ragstone.retrieval.noise import Noise
from ragstone.schemas.api import FusionChoice
from ragstone.storage.ranked import NOTHING, Ranked, ranked


def arm(*pairs: tuple[int, float]) -> Ranked:
    return ranked(np.array([k for k, _ in pairs], int), np.array([s for _, s in pairs], float))


ranked_lists = st.dictionaries(
    st.integers(0, 30), st.floats(0, 50, allow_nan=False), max_size=20
).map(lambda found: arm(*found.items()))
WEIGHTS = {"keyword": 0.4, "vector": 0.6}


def stretched(found: Ranked, key: int) -> float:
    scores = dict(found.pairs())
    if key not in scores:
        return 0.0
    low, high = min(scores.values()), max(scores.values())
    return 1.0 if low == high else (scores[key] - low) / (high - low)


@settings(deadline=None)
@given(ranked_lists, ranked_lists)
def test_minmax_is_the_convex_combination(keyword: Ranked, vector: Ranked) -> None:
    arms = {"keyword": keyword, "vector": vector}
    total = sum(WEIGHTS[name] for name, found in arms.items() if len(found)) or 1
    for key, score in fusion.minmax(arms, WEIGHTS).ranked.pairs():
        expected = sum(WEIGHTS[n] / total * stretched(r, key) for n, r in arms.items() if len(r))
        assert score == pytest.approx(expected, abs=1e-5)


@settings(deadline=None)
@given(ranked_lists, ranked_lists)
def test_every_candidate_once_in_order_ties_by_key(keyword: Ranked, vector: Ranked) -> None:
    arms = {"keyword": keyword, "vector": vector}
    for result in (fusion.minmax(arms, WEIGHTS), fusion.reciprocal_rank(arms, WEIGHTS)):
        fused = result.ranked.pairs()
        assert {key for key, _ in fused} == {*keyword.keys.tolist(), *vector.keys.tolist()}
        assert len({key for key, _ in fused}) == len(fused)
        assert fused == sorted(fused, key=lambda pair: (-pair[1], pair[0]))


def test_arm_that_found_nothing_leaves_its_weight() -> None:
    arms = {"keyword": NOTHING, "vector": arm((3, 0.9), (1, 0.1))}
    assert fusion.minmax(arms, WEIGHTS).ranked.pairs() == [(3, 1.0), (1, 0.0)]
    assert not len(fusion.minmax({"keyword": NOTHING}, WEIGHTS).ranked)


def test_reciprocal_rank_counts_places() -> None:
    arms = {"a": arm((1, 9.0), (2, 8.0)), "b": arm((2, 0.3))}
    fused = fusion.reciprocal_rank(arms, {"a": 1.0, "b": 1.0})
    assert dict(fused.ranked.pairs()) == {
        1: round(1 / 61, 6),
        2: round(1 / 62 + 1 / 61, 6),
    }


def test_places_tell_rank_and_score() -> None:
    arms = {"a": arm((1, 9.0), (2, 8.0)), "b": arm((2, 0.3))}
    places = fusion.reciprocal_rank(arms, {"a": 1.0, "b": 1.0}).places([2])
    assert set(places) == {2}
    assert {n: (p.rank, p.score) for n, p in places[2].items()} == {"a": (2, 8.0), "b": (1, 0.3)}


def test_scores_that_fall_evenly_do_not_stand_out() -> None:
    assert fusion.standing_out(np.linspace(1, 0, 200)) == pytest.approx(1, abs=0.01)
    assert fusion.standing_out(np.array([3.0, 3.0])) == 1
    assert fusion.standing_out(np.array([9.0, *np.linspace(1, 0, 199)])) > 2


def test_minmax_weighted_by_standing_out_is_the_fusion_of_z_scores() -> None:
    source = np.random.default_rng(0)
    words = ranked(np.arange(50), source.gamma(1.0, 3.0, 50))
    vectors = ranked(np.arange(25, 75), source.normal(0.5, 0.1, 50))
    arms = {"keyword": words, "vector": vectors}
    plan = Plan(FusionChoice("minmax", 0.5, "default"), Noise({}, depth=50))
    z_scores: dict[int, float] = {}
    for found in arms.values():
        for key, score in found.pairs():
            above = (score - found.scores.min()) / found.scores.std()
            z_scores[key] = z_scores.get(key, 0) + above
    expected = sorted(z_scores, key=lambda key: -z_scores[key])
    assert fusion.fuse(arms, plan).ranked.keys[:20].tolist() == expected[:20]


@pytest.mark.parametrize("method", ["minmax", "rrf"])
def test_a_reranker_has_its_share_of_the_weight_and_the_arms_the_rest(method: str) -> None:
    arms = {
        "keyword": arm((1, 9.0), (2, 5.0), (3, 1.0)),
        "vector": arm((2, 0.9), (3, 0.5), (4, 0.2)),
        fusion.RERANKER_ARM: arm((3, 2.0), (2, -1.0)),
    }
    choice = FusionChoice(method, 0.5, "settings", "some", 0.25)  # type: ignore[arg-type]
    plan = Plan(choice, Noise({}, depth=3))
    weights = fusion.fuse(arms, plan).weights
    others = weights["keyword"] + weights["vector"]
    assert weights[fusion.RERANKER_ARM] == pytest.approx((others + weights["reranker"]) / 4)
    without = fusion.fuse({n: found for n, found in arms.items() if n != "reranker"}, plan).weights
    ratio = weights["keyword"] / weights["vector"]
    assert ratio == pytest.approx(without["keyword"] / without["vector"])
