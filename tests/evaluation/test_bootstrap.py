"""The paired bootstrap against what is known without it."""

from __future__ import annotations

import numpy as np
import pytest

from ragstone.evaluation.bootstrap import (
    RESAMPLES,
    differences,
    interval,
    intervals,
    resampled_means,
)


def test_resamples_are_the_same_each_time_and_of_the_right_spread() -> None:
    values = np.random.default_rng(3).normal(size=(200, 2))
    means = resampled_means(values)
    assert means.shape == (RESAMPLES, 2)
    assert (means == resampled_means(values)).all()
    assert means.mean(axis=0) == pytest.approx(values.mean(axis=0), abs=0.005)
    expected = values.std(axis=0) / np.sqrt(200)
    assert means.std(axis=0) == pytest.approx(expected, rel=0.05)


def test_many_queries_are_drawn_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).normal(size=(50, 1))
    whole = resampled_means(values)
    monkeypatch.setattr("ragstone.evaluation.bootstrap._CELLS", 1_000)
    assert resampled_means(values) == pytest.approx(whole)


def test_the_interval_holds_95_percent() -> None:
    assert interval(np.arange(1_001.0)) == (25.0, 975.0)


def test_a_clear_gain_is_told_from_luck() -> None:
    source = np.random.default_rng(1)
    before = source.uniform(0.2, 0.6, 100)
    luck = before + source.normal(0, 0.2, 100)
    luck -= (luck - before).mean() - 0.001
    gain = before + source.normal(0.1, 0.1, 100)
    clear = differences({"ndcg@10": before}, {"ndcg@10": gain})["ndcg@10"]
    none = differences({"ndcg@10": before}, {"ndcg@10": luck})["ndcg@10"]
    assert 0 < clear.low < clear.difference < clear.high
    assert clear.p_value < 0.001
    assert none.low < 0 < none.high
    assert none.p_value > 0.5


def test_equal_rankings_differ_in_nothing() -> None:
    same = {"ndcg@10": np.array([0.1, 0.9])}
    found = differences(same, same)["ndcg@10"]
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_the_interval_of_a_mean_holds_it_and_narrows_with_more_queries() -> None:
    rng = np.random.default_rng(0)
    few, many = ({"ndcg@10": rng.random(count)} for count in (20, 2_000))
    narrow, wide = (intervals(scores)["ndcg@10"] for scores in (many, few))
    assert wide[0] < few["ndcg@10"].mean() < wide[1]
    assert narrow[1] - narrow[0] < (wide[1] - wide[0]) / 4
    assert intervals({"ndcg@10": np.ones(9)}) == {"ndcg@10": (1.0, 1.0)}
