"""When an arm has nothing to say, it does not pull the other down."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragstone.retrieval import fusion
from ragstone.retrieval.fusion import Plan
from ragstone.retrieval.noise import NONSENSE, Noise, keyword_noise, vector_noise
from ragstone.schemas.api import FusionChoice
from ragstone.storage.ranked import NOTHING, Ranked, ranked

NOISE = Noise({"keyword": 4.0, "vector": 0.1}, depth=3)
MINMAX = FusionChoice("minmax", 0.5, "default")
RRF = FusionChoice("rrf", 0.5, "settings")


def arm(*scores: float, first: int = 0) -> Ranked:
    return ranked(np.arange(first, first + len(scores)), np.array(scores))


@pytest.mark.parametrize(
    ("scores", "kept"),
    [((0.5, 0.45, 0.41), 0.0), ((0.5, 0.4, 0.3875), 0.5), ((0.9, 0.4, 0.3), 1.0)],
)
def test_a_vector_arm_keeps_as_much_as_its_spread_is_above_the_noise(
    scores: tuple[float, ...], kept: float
) -> None:
    assert NOISE.heard({"vector": arm(*scores), "keyword": arm(20, 9, 1)}) == {
        "vector": pytest.approx(kept),
        "keyword": 1.0,
    }


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ((9.0, 8.0, 7.0), 0.0),  # three of many that have the same common word
        ((9.0, 8.0, 4.0), 0.5),
        ((9.0, 8.0), 1.0),  # all there are: whatever else there is has 0
        ((3.0,), 0.0),
    ],
)
def test_a_keyword_arm_that_is_not_full_is_compared_with_what_has_no_word(
    scores: tuple[float, ...], kept: float
) -> None:
    heard = NOISE.heard({"keyword": arm(*scores), "vector": arm(0.9, 0.4, 0.3)})
    assert heard["keyword"] == kept


def test_a_vector_arm_that_a_filter_left_few_candidates_is_heard() -> None:
    noise = Noise({"keyword": 4.0, "vector": 0.1}, depth=3, least={"vector": 3})
    words = arm(20, 9, 1)
    assert noise.heard({"vector": arm(0.5, 0.45), "keyword": words})["vector"] == 1.0
    assert noise.heard({"vector": arm(0.5, 0.45, 0.41), "keyword": words})["vector"] == 0.0


def test_where_no_arm_has_anything_to_say_all_keep_their_weights() -> None:
    weak = {"keyword": arm(2.0, 1.9, 1.8), "vector": arm(0.5, 0.45)}
    assert NOISE.heard(weak) == {"keyword": 1.0, "vector": 1.0}
    assert NOISE.heard({"keyword": NOTHING, "vector": arm(0.5, 0.45)}) == {"vector": 1.0}
    assert NOISE.heard({}) == {}


def test_an_arm_without_a_noise_is_always_heard() -> None:
    assert NOISE.heard({"image": arm(0.5, 0.5)}) == {"image": 1.0}
    assert Noise({"vector": 0.0}, 3).heard({"vector": arm(0.5, 0.5)}) == {"vector": 1.0}


@pytest.mark.parametrize("choice", [MINMAX, RRF])
def test_a_weak_arm_does_not_change_the_order_of_the_other(choice: FusionChoice) -> None:
    good, weak = arm(0.9, 0.5, 0.4, 0.3), arm(9.0, 8.9, 8.8, first=2)
    arms = {"vector": good, "keyword": weak}
    unguarded = fusion.fuse(arms, Plan(choice, Noise({}, 3)))
    guarded = fusion.fuse(arms, Plan(choice, NOISE))
    assert unguarded.ranked.keys.tolist() != [0, 1, 2, 3, 4]
    assert guarded.ranked.keys.tolist() == [0, 1, 2, 3, 4]
    assert guarded.weights["keyword"] == 0


@given(st.lists(st.floats(0, 20), min_size=1, max_size=5), st.floats(0, 1))
def test_what_a_hit_shows_adds_up_to_its_score(scores: list[float], weight: float) -> None:
    arms = {"keyword": arm(*scores), "vector": arm(0.9, 0.8, 0.7, 0.4, first=3)}
    for method in ("minmax", "rrf"):
        choice = FusionChoice(method, weight, "settings")  # type: ignore[arg-type]
        fused = fusion.fuse(arms, Plan(choice, NOISE))
        for key, places in fused.places(fused.ranked.keys.tolist()).items():
            total = sum((p.weight or 0) * (p.normalised or 0) for p in places.values())
            assert dict(fused.ranked.pairs())[key] == pytest.approx(total, abs=1e-5)


def test_an_arm_alone_keeps_its_own_scores() -> None:
    fused = fusion.alone({"vector": arm(0.9, 0.4)})
    assert fused.ranked.pairs() == [(0, 0.9), (1, 0.4)]
    place = fused.places([1])[1]["vector"]
    assert (place.rank, place.score, place.normalised, place.weight) == (2, 0.4, None, None)
    assert not len(fusion.alone({}).ranked)


def test_noise_of_the_arms() -> None:
    assert keyword_noise(0) == 0
    assert keyword_noise(1_000_000) == pytest.approx(6.7, abs=0.05)
    assert keyword_noise(1_000) < keyword_noise(10_000)
    assert vector_noise([]) == 0
    assert vector_noise([NOTHING, arm(0.3, 0.1), arm(0.4, 0.1), arm(0.4, 0.0)]) == 0.3
    assert len(set(NONSENSE)) == len(NONSENSE)
