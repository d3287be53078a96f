"""Which way to fuse is chosen, given the quality of each way for each query."""

from __future__ import annotations

import numpy as np

from ragstone.evaluation.tuning import _held_out, _ways, choose
from ragstone.schemas.api import FusionChoice

DEFAULT = FusionChoice("minmax", 0.5, "default")


def test_the_ways_begin_with_the_present_one_and_go_away_from_it() -> None:
    ways = _ways(DEFAULT)
    assert ways[0] is DEFAULT
    assert {way.vector_weight for way in ways[1:3]} == {0.4, 0.6}
    assert {way.vector_weight for way in ways[3:5]} == {0.3, 0.7}
    assert (len(ways), ways[-1].method) == (12, "rrf")
    assert len({(way.method, way.vector_weight) for way in ways}) == 12


def test_a_weight_off_the_grid_is_one_more_way() -> None:
    assert len(_ways(FusionChoice("minmax", 0.55, "settings"))) == 13


def test_from_reciprocal_rank_the_others_are_near_by_their_weight() -> None:
    ways = _ways(FusionChoice("rrf", 0.5, "settings"))
    assert [way.method for way in ways].count("rrf") == 1
    assert ways[1].vector_weight == 0.5


def test_what_is_within_one_error_of_the_best_is_taken_when_it_is_nearer() -> None:
    source = np.random.default_rng(0)
    hard = source.uniform(0, 1, (100, 1))  # for all ways alike
    noise = source.normal(0, 0.1, (100, 3))
    noise -= noise.mean(axis=0)
    assert choose(hard + noise + np.array([0.0, 0.002, 0.003])) == 0
    assert choose(hard + noise + np.array([0.0, 0.1, 0.103])) == 1
    assert choose(hard + noise + np.array([0.0, 0.0, 0.1])) == 2


def test_equal_ways_are_no_reason_to_change() -> None:
    assert choose(np.full((10, 4), 0.5)) == 0


def test_the_gain_is_measured_on_queries_that_were_not_learned_from() -> None:
    source = np.random.default_rng(0)
    real = np.stack([np.full(100, 0.2), source.normal(0.6, 0.1, 100)], axis=1)
    assert abs(_held_out(real).difference - 0.4) < 0.05
    luck = source.normal(0.5, 0.3, (20, 40))  # the best of forty equal ones looks good
    assert luck.mean(axis=0).max() - luck[:, 0].mean() > 0.1
    assert _held_out(luck).difference < luck.mean(axis=0).max() - luck[:, 0].mean()
