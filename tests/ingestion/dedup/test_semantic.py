"""Semantic duplicates: neighbours as brute force finds them, thresholds as counting proposes."""

from __future__ import annotations

import numpy as np
import pytest

from ragstone.errors import InvalidArgument
from ragstone.ingestion.dedup import semantic
from ragstone.ingestion.dedup.base import DuplicateKind, Pair
from ragstone.ingestion.dedup.semantic import (
    NEIGHBOURS,
    calibrate,
    item_vectors,
    sampled_pairs,
    semantic_pairs,
)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks, the last one not full."""
    monkeypatch.setattr(semantic, "_SIDE", 37)


def crowd(count: int, dimension: int = 16, seed: int = 3) -> np.ndarray:
    """Vectors in loose clusters, of all lengths."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(count // 5, dimension))
    noise = generator.normal(size=(count, dimension)) * 0.25
    vectors = (centres[np.arange(count) % len(centres)] + noise) * generator.uniform(0.1, 9)
    return vectors.astype(np.float32)


def brute(vectors: np.ndarray, largest: float) -> dict[tuple[int, int], float]:
    units = vectors / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    distances = 1 - units @ units.T
    first, second = np.nonzero(np.triu(distances <= largest, 1))
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    return {(one, other): float(distances[one, other]) for one, other in pairs}


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_pairs_are_those_of_brute_force(kind: type[np.floating]) -> None:
    vectors = crowd(150).astype(kind)
    keys = np.arange(150) * 3 + 1
    pairs = semantic_pairs(keys, vectors, 0.2)
    expected = brute(vectors, 0.2)
    assert len(expected) > 100
    found = {((p.first - 1) // 3, (p.second - 1) // 3): p.distance for p in pairs}
    assert len(found) == len(pairs)
    assert found == pytest.approx(expected, abs=1e-5)
    assert {p.kind for p in pairs} == {DuplicateKind.SEMANTIC}


def test_only_pairs_with_something_new_are_found() -> None:
    vectors = crowd(150)
    keys = np.arange(150)
    every = {(p.first, p.second) for p in semantic_pairs(keys, vectors, 0.2)}
    new = {(p.first, p.second) for p in semantic_pairs(keys, vectors, 0.2, new_from=90)}
    assert new == {edge for edge in every if edge[1] >= 90}
    assert 0 < len(new) < len(every)


def test_of_a_crowd_the_nearest_count() -> None:
    angles = np.linspace(0, 0.3, 120)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    pairs = semantic_pairs(np.arange(120), vectors, 0.5)
    of_last = sorted(p.first for p in pairs if p.second == 119)
    assert of_last == list(range(119 - NEIGHBOURS, 119))
    assert len(pairs) < 120 * NEIGHBOURS


def test_equal_vectors_have_no_negative_distance_and_empty_ones_no_neighbour() -> None:
    vectors = np.array([[0.1, 0.7, 0.3], [0.1, 0.7, 0.3], [0, 0, 0], [0, 0, 0]], np.float32)
    (pair,) = semantic_pairs(np.arange(4), vectors, 0.9)
    assert (pair.first, pair.second) == (0, 1)
    assert 0 <= pair.distance < 1e-6


def test_an_items_vector_is_the_mean_direction_of_its_chunks() -> None:
    owners = np.array([7, 3, 7, 7])
    chunks = np.array([[1, 0], [0, -2], [0, 1], [1, 0]], np.float16)
    keys, vectors = item_vectors(owners, chunks)
    assert keys.tolist() == [3, 7]
    assert vectors == pytest.approx(np.array([[0, -1], [2 / 5**0.5, 1 / 5**0.5]]), abs=1e-6)
    none = item_vectors(np.empty(0, np.int64), np.empty((0, 2), np.float16))
    assert [part.shape for part in none] == [(0,), (0, 2)]


# ---------------------------------------------------------------- calibration


def test_calibration_counts_and_proposes_the_widest_precise_threshold() -> None:
    cosines = np.concatenate([np.linspace(0.9, 1.0, 60), np.linspace(0.5, 0.93, 200)])
    duplicates = np.arange(260) < 60
    table = calibrate(cosines, duplicates)
    assert (table.pairs, table.duplicates) == (260, 60)
    distances = 1 - cosines
    for row in table.thresholds:
        called = distances <= row.distance
        assert row.called == called.sum()
        assert row.recall == pytest.approx((called & duplicates).sum() / 60)
        if row.called:
            assert row.precision == pytest.approx(duplicates[called].mean())
    assert table.thresholds[-1].recall == pytest.approx(1.0)
    assert table.proposed is not None
    assert table.proposed.precision >= 0.95
    wider = [r for r in table.thresholds if r.distance > table.proposed.distance]
    assert wider[0].precision < 0.95
    assert [r.recall for r in table.thresholds] == sorted(r.recall for r in table.thresholds)


def test_nothing_is_proposed_where_nothing_is_precise_or_too_few_speak_for_it() -> None:
    mixed = calibrate(np.linspace(0.5, 1, 100), np.arange(100) % 2 == 0)
    assert mixed.proposed is None
    few = calibrate(np.linspace(0.5, 1, 40), np.arange(40) >= 24)  # 16, all right
    assert few.thresholds[-1].precision == 1
    assert few.proposed is None


@pytest.mark.parametrize("labels", [[True, True], [False, False], []])
def test_calibration_needs_both_sorts_of_pairs(labels: list[bool]) -> None:
    with pytest.raises(InvalidArgument, match="some duplicates and some others"):
        calibrate(np.full(len(labels), 0.9), np.array(labels, np.bool_))


def test_sampled_pairs_take_the_nearest_that_nothing_connects() -> None:
    vectors = crowd(150)
    known = [
        Pair(first, first + 30, DuplicateKind.TEXT, 0.1, "test")
        for first in range(0, 120)
        if first % 30 < 6
    ]
    cosines, labels = sampled_pairs(np.arange(150), vectors, known, count=200)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    every = units @ units.T
    assert labels.sum() == len(known)
    expected = sorted(float(every[p.first, p.second]) for p in known)
    assert sorted(cosines[labels]) == pytest.approx(expected, abs=1e-5)
    for place in range(150):
        chain = place % 30 < 6
        group = [place % 30 + 30 * i for i in range(5)] if chain else [place]
        every[place, group] = -1
    assert sorted(cosines[~labels]) == pytest.approx(sorted(every.max(axis=1)), abs=1e-5)


def test_sampled_pairs_are_the_same_for_the_same_seed_and_no_more_than_asked() -> None:
    vectors, known = crowd(150), [Pair(i, i + 30, DuplicateKind.TEXT, 0.1, "t") for i in range(100)]
    one = sampled_pairs(
        np.arange(150), vectors, [*known, Pair(7, 999, DuplicateKind.TEXT, 0, "t")], 40
    )
    other = sampled_pairs(np.arange(150), vectors, known, 40)
    assert one[0].tolist() == other[0].tolist()
    assert (one[1].sum(), (~one[1]).sum()) == (40, 40)
