"""Fusion of ranked lists. Ties go to the smaller key, so that results are deterministic."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from ragstone.schemas.api import ArmScore
from ragstone.storage.ranked import NOTHING, Ranked, ranked

Arms = Mapping[str, Ranked]
_RRF_K = 60


def minmax(arms: Arms, weights: Mapping[str, float]) -> Ranked:
    """Return the convex combination of per-query min-max scores, best first.

    An arm's scores are stretched to 0..1 over its candidates; a chunk that an arm did not find
    has 0 there. Source: Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid
    Retrieval", ACM TOIS 2023.

    Parameters
    ----------
    arms
        Candidates of each arm.
    weights
        Weight of each arm; an arm that found nothing leaves its weight to the others.
    """
    total = sum(weights[name] for name, found in arms.items() if len(found)) or 1.0
    return _summed(
        {name: _stretched(found.scores, weights[name] / total) for name, found in arms.items()},
        arms,
    )


def reciprocal_rank(arms: Arms) -> Ranked:
    """Return the sum of 1 / (60 + rank) over the arms, best first.

    Source: Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion", SIGIR 2009.
    """
    parts = {name: 1.0 / np.arange(_RRF_K + 1.0, _RRF_K + 1.0 + len(arms[name])) for name in arms}
    return _summed({name: np.asarray(part, np.float64) for name, part in parts.items()}, arms)


def places(arms: Arms, keys: Collection[int]) -> dict[int, dict[str, ArmScore]]:
    """Return for each of `keys` its rank and score in each arm that found it."""
    found: dict[int, dict[str, ArmScore]] = {key: {} for key in keys}
    for name, arm in arms.items():
        rank = dict(zip(arm.keys.tolist(), range(1, len(arm) + 1), strict=True))
        for key in found.keys() & rank.keys():
            found[key][name] = ArmScore(rank[key], float(arm.scores[rank[key] - 1]))
    return found


def _stretched(scores: NDArray[np.float64], high: float) -> NDArray[np.float64]:
    """Map `scores` (n,), best first, to 0..`high`; all `high` when they are equal."""
    span = scores[0] - scores[-1] if len(scores) else 0.0
    stretched = (scores - scores[-1]) * (high / span) if span else np.full(len(scores), high)
    return np.asarray(stretched, np.float64)


def _summed(parts: Mapping[str, NDArray[np.float64]], arms: Arms) -> Ranked:
    """Add up what each arm gives its chunks; `parts[name]` has shape (len(arms[name]),)."""
    if not any(map(len, arms.values())):
        return NOTHING
    names = list(arms)
    keys, inverse = np.unique(np.concatenate([arms[n].keys for n in names]), return_inverse=True)
    sums = np.bincount(inverse, np.concatenate([parts[name] for name in names]), len(keys))
    return ranked(keys, sums.astype(np.float64))
