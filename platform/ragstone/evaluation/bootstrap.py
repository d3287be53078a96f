"""Is a difference between two rankings of the same queries more than luck: the paired bootstrap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ragstone.evaluation.retrieval import DIGITS, Scores
from ragstone.schemas.api import Difference

RESAMPLES = 10_000
_SEED = 0
_CELLS = 2**22  # drawn at a time: 32 MB
_TAILS = (2.5, 97.5)  # percent


def resampled_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of `values` (queries, columns) in each resample: (resamples, columns).

    The queries are drawn with replacement, for all columns the same ones, from a fixed seed.
    """
    source = np.random.default_rng(_SEED)
    queries = len(values)
    rows = max(1, _CELLS // queries)
    found = []
    for start in range(0, RESAMPLES, rows):
        drawn = source.integers(0, queries, (min(rows, RESAMPLES - start), queries))
        counts = np.stack([np.bincount(row, minlength=queries) for row in drawn])
        found.append(counts @ values / queries)
    return np.concatenate(found)


def interval(resampled: NDArray[np.float64]) -> tuple[float, float]:
    """Return the bounds of the 95 % confidence interval (percentiles) of one column."""
    low, high = np.percentile(resampled, _TAILS)
    return round(float(low), DIGITS), round(float(high), DIGITS)


def intervals(scores: Scores) -> dict[str, tuple[float, float]]:
    """Return the 95 % confidence interval of the mean of each measure over the queries."""
    resampled = resampled_means(np.stack(list(scores.values()), axis=1))
    return {name: interval(drawn) for name, drawn in zip(scores, resampled.T, strict=True)}


def differences(before: Scores, after: Scores) -> dict[str, Difference]:
    """Compare each measure of two rankings of the same queries."""
    columns = np.stack([after[name] - before[name] for name in after], axis=1)
    resampled = resampled_means(columns)
    return {
        name: difference(float(before[name].mean()), float(after[name].mean()), drawn)
        for name, drawn in zip(after, resampled.T, strict=True)
    }


def difference(before: float, after: float, resampled: NDArray[np.float64]) -> Difference:
    """Return how two values differ, given their difference in each resample, (resamples,).

    The p-value is two-sided: how often a resample moves the difference at least as far as it is
    from zero. Source: Sakai, "Evaluating Evaluation Metrics based on the Bootstrap", SIGIR 2006.
    """
    moved = np.abs(resampled - (after - before)) >= abs(after - before) - 1e-12
    low, high = interval(resampled)
    return Difference(
        before=round(before, DIGITS),
        after=round(after, DIGITS),
        difference=round(after - before, DIGITS),
        low=low,
        high=high,
        p_value=round((int(moved.sum()) + 1) / (len(resampled) + 1), DIGITS),
    )
