"""From a network's scores to chances: a logistic curve, and how well a threshold tells apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_ROUNDS = 50  # of Newton's method; it takes about ten
_RIDGE = 1e-3  # keeps the curve finite where nothing overlaps


@dataclass(frozen=True, slots=True)
class Curve:
    """The chance of a score: 1 / (1 + exp(-(slope * score + offset)))."""

    slope: float = 1.0
    offset: float = 0.0


def fit_curve(scores: Sequence[float], right: Sequence[bool]) -> Curve:
    """Lay a logistic curve through scores (Platt, 1999); both classes weigh the same.

    Without examples of both it is the plain logistic function.
    """
    truth = np.asarray(right, np.float64)
    if not 0 < truth.sum() < len(truth):
        return Curve()
    inputs = np.stack([np.asarray(scores, np.float64), np.ones(len(truth))], axis=1)
    weight = np.where(truth > 0, 0.5 / truth.sum(), 0.5 / (len(truth) - truth.sum()))
    found = np.zeros(2)
    for _ in range(_ROUNDS):
        chance = 1 / (1 + np.exp(-np.clip(inputs @ found, -500, 500)))
        slope = inputs.T @ (weight * (chance - truth)) + _RIDGE * found
        curvature = (inputs * (weight * chance * (1 - chance))[:, None]).T @ inputs
        step = np.linalg.solve(curvature + _RIDGE * np.eye(2), slope)
        found = found - step
        if np.abs(step).max() < 1e-9:
            break
    return Curve(round(float(found[0]), 6), round(float(found[1]), 6))


def balanced_accuracy(chosen: Sequence[bool], right: Sequence[bool]) -> float:
    """Return the mean of the shares of both classes that are told right; 0 without a class."""
    truth, said = np.asarray(right, bool), np.asarray(chosen, bool)
    if truth.all() or not truth.any():
        return 0.0
    return float((said[truth].mean() + (~said[~truth]).mean()) / 2)
