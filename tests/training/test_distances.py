"""Distances of sets of features, against values counted by hand or one by one."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from ragstone.errors import InvalidArgument
from ragstone.training.measures import distances
from ragstone.training.measures.distances import (
    coverage,
    filling,
    frechet,
    kernel_distance,
    nearest,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def points(seed: int, count: int, dimension: int = 5, middle: float = 0.0) -> NDArray[np.float32]:
    chance = np.random.default_rng(seed)
    mixed = chance.normal(size=(count, dimension)) @ chance.normal(size=(dimension, dimension))
    return (mixed + middle).astype(np.float32)


def test_frechet_of_numbers_is_counted_by_hand() -> None:
    """In one dimension it is (m1 - m2)^2 + (s1 - s2)^2."""
    first, second = np.array([[0.0], [2.0], [4.0]]), np.array([[10.0], [11.0], [12.0]])
    assert frechet(first, second) == pytest.approx((2 - 11) ** 2 + (2 - 1) ** 2)


def test_frechet_is_the_formula_of_the_paper() -> None:
    first, second = points(1, 300), points(2, 200, middle=0.5)
    covariances = [np.cov(rows, rowvar=False) for rows in (first, second)]
    root = sqrtm(covariances[0] @ covariances[1]).real
    apart = np.square(first.mean(0) - second.mean(0)).sum()
    expected = apart + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet(first, second) == pytest.approx(expected, rel=1e-5)
    assert frechet(first, second) == pytest.approx(frechet(second, first), rel=1e-9)
    assert frechet(first, first) == pytest.approx(0, abs=1e-9)
    few = points(3, 3)  # covariances of rank 2 in five dimensions
    assert frechet(few, few + 1) == pytest.approx(5, rel=1e-6)


def test_the_kernel_distance_is_counted_pair_by_pair() -> None:
    first, second = points(1, 7, 3), points(2, 6, 3)

    def kernel(x: NDArray[np.float32], y: NDArray[np.float32]) -> float:
        return (float(x.astype(float) @ y.astype(float)) / 3 + 1) ** 3

    alike = sum(
        float(np.mean([kernel(x, y) for x, y in combinations(rows, 2)])) for rows in (first, second)
    )
    across = np.mean([kernel(x, y) for x in first for y in second])
    found = kernel_distance(first, second, blocks=1)
    assert found.value == pytest.approx(alike - 2 * across, rel=1e-6)
    assert math.isnan(found.error)  # one block tells nothing of the others


def test_the_kernel_distance_has_no_bias_and_an_honest_error() -> None:
    """Of 40 pairs of sets of one distribution, the mean is 0 within its error, and so are most."""
    chance = np.random.default_rng(0)
    found = [kernel_distance(*chance.normal(size=(2, 400, 4)), seed=number) for number in range(40)]
    values = np.array([one.value for one in found])
    spread = values.std(ddof=1)
    assert abs(values.mean()) < 3 * spread / math.sqrt(len(values))
    assert float(np.mean([one.error for one in found])) == pytest.approx(spread, rel=0.4)
    other = kernel_distance(chance.normal(size=(400, 4)), chance.normal(1, 1, size=(400, 4)))
    assert other.value > 5 * other.error


def by_one(real: NDArray[np.float32], made: NDArray[np.float32]) -> tuple[float, ...]:
    """Precision, recall, density and coverage, looked at pair by pair."""

    def radius(rows: NDArray[np.float32], number: int, k: int) -> float:
        others = np.delete(rows, number, 0).astype(float)
        return float(np.sort(np.linalg.norm(others - rows[number], axis=1))[k - 1])

    def within(k: int, rows: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.bool]:
        return np.array(
            [
                [np.linalg.norm(x.astype(float) - y) <= radius(rows, number, k) for y in others]
                for number, x in enumerate(rows)
            ]
        )

    balls = within(5, real, made)
    return (
        float(within(3, real, made).any(0).mean()),
        float(within(3, made, real).any(0).mean()),
        float(balls.sum() / (5 * len(made))),
        float(balls.any(1).mean()),
    )


def test_filling_is_counted_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "_AT_ONCE", 7)  # so that there are pieces, and a last one
    real, made = points(1, 40), points(2, 30, middle=0.3)
    found = filling(real, made)
    counted = (found.precision, found.recall, found.density, found.coverage)
    assert counted == pytest.approx(by_one(real, made))
    assert coverage(real, made) == found.coverage
    expected = np.linalg.norm(made[:, None].astype(float) - real, axis=2).min(1)
    assert nearest(made, real) == pytest.approx(expected)


def test_what_filling_is_of_sets_that_are_known() -> None:
    chance = np.random.default_rng(3)
    real, same = chance.normal(size=(2, 600, 2))
    alike = filling(real, same)
    assert alike.coverage == pytest.approx(1 - 0.5**5, abs=0.02)  # 0.97: as in the paper
    assert alike.density == pytest.approx(1, abs=0.1)
    one = filling(real, np.zeros((600, 2)) + 1e-3 * same)  # all in the middle: a collapsed model
    assert (one.precision, one.recall) == (1.0, pytest.approx(0, abs=0.02))
    assert one.coverage < 0.1 < one.density
    far = filling(real, same + 100)
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)
    copies = filling(real, real)
    assert (copies.precision, copies.recall, copies.coverage) == (1, 1, 1)


def test_points_that_are_equal_lie_in_balls_without_extent() -> None:
    """As blank images do: their distance is 0, not nearly 0."""
    real = np.full((8, 3), 0.1, np.float32)
    assert filling(real, real[:4]).coverage == 1
    assert nearest(real, real).max() == 0


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        (np.zeros((1, 3)), np.zeros((4, 3)), "2 or more"),
        (np.zeros(3), np.zeros((4, 3)), "count, dimension"),
        (np.zeros((4, 2)), np.zeros((4, 3)), "dimension of the others, 2"),
        (np.full((4, 3), np.nan), np.zeros((4, 3)), "finite"),
    ],
)
def test_what_is_no_set_of_features_is_told(
    first: NDArray[np.float64], second: NDArray[np.float64], problem: str
) -> None:
    for measure in (frechet, kernel_distance, filling, coverage):
        with pytest.raises(InvalidArgument, match=problem):
            measure(first, second)
