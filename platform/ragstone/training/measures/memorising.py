"""Whether a model makes again what it learnt from.

A distance between features, such as FD, is best for a model that gives its training images back:
nothing is as like them. So copies are looked for by themselves. A sample may be near its nearest
training image without being a copy of it: a blurred or common one is near to many. A copy is near
to one, and not to the next. So the distance to the nearest is counted in the mean distance to the
nearest fifty (Carlini and others 2023), and compared with what that is for images that were held
out, which cannot be copies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from ragstone.training.measures.intervals import Interval, of_share

_NEIGHBOURS = 50
EXPECTED = 0.05  # part of the held-out images that counts as copies: what an honest model has too
_AT_ONCE = 256  # points whose distances are looked at together
_TINY = 1e-12

Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Memorisation:
    """How much of what was made is nearer to one training image than images are by chance.

    Parameters
    ----------
    share
        Of the samples that stand out as much as the most copied-looking 5 % of what was held out:
        0.05 of a model that copies nothing, 1 of one that copies all.
    interval
        Of the share, 95 %.
    z
        Of the rank test of Meehan and others (2020): below -3, samples are nearer to what was
        learnt than held-out images are, and not by chance; far above 0, they are farther away.
    """

    share: float
    interval: Interval
    z: float


def memorisation(made: Points, training: Points, held_out: Points) -> Memorisation:
    """Compare points that were made with those that were learnt from, and those that were not.

    Parameters
    ----------
    made, training, held_out
        float32 (count, dimension): pixels, or features.
    """
    ours, others = (isolation(points, training) for points in (made, held_out))
    share = float((ours <= np.quantile(others, EXPECTED)).mean())
    return Memorisation(share, of_share(share, len(ours)), _z(ours, others))


def isolation(points: Points, training: Points) -> NDArray[np.float64]:
    """Return how near each point is to one training point beside the others, (points,): 0 to 1.

    0: it is that one. 1: it is as near to many.
    """
    count = min(_NEIGHBOURS, len(training))
    rows = torch.from_numpy(np.asarray(training, np.float32))
    found = np.empty(len(points))
    for first in range(0, len(points), _AT_ONCE):
        piece = torch.from_numpy(np.asarray(points[first : first + _AT_ONCE], np.float32))
        near = torch.cdist(piece, rows).topk(count, largest=False).values.double()
        parts = (near[:, 0] + _TINY) / (near.mean(1) + _TINY)
        found[first : first + _AT_ONCE] = parts.numpy()
    return found


def _z(ours: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return the Mann-Whitney statistic in its standard deviations; 0: alike."""
    first, second = len(ours), len(others)
    above = float(rankdata(np.concatenate([ours, others]))[:first].sum()) - first * (first + 1) / 2
    spread = math.sqrt(first * second * (first + second + 1) / 12)
    return (above - first * second / 2) / spread
