"""Fusion of ranked lists. Ties go to the smaller key, so that results are deterministic."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ragstone.schemas.api import ArmScore

Ranked = Sequence[tuple[int, float]]  # (chunk key, score), best first
SCORE_DIGITS = 6
_RRF_K = 60


def minmax(arms: Mapping[str, Ranked], weights: Mapping[str, float]) -> list[tuple[int, float]]:
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
    total = sum(weights[name] for name, ranked in arms.items() if ranked) or 1.0
    scores: dict[int, float] = {}
    for name, ranked in arms.items():
        if not ranked:
            continue
        high, low = ranked[0][1], ranked[-1][1]
        weight = weights[name] / total
        scale = weight / (high - low) if high > low else 0.0
        base = 0.0 if high > low else weight  # all candidates are equal: all are best
        for key, score in ranked:
            scores[key] = scores.get(key, 0.0) + (score - low) * scale + base
    return _ordered(scores)


def reciprocal_rank(arms: Mapping[str, Ranked]) -> list[tuple[int, float]]:
    """Return the sum of 1 / (60 + rank) over the arms, best first.

    Source: Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion", SIGIR 2009.
    """
    scores: dict[int, float] = {}
    for ranked in arms.values():
        for rank, (key, _) in enumerate(ranked, start=1):
            scores[key] = scores.get(key, 0.0) + 1.0 / (_RRF_K + rank)
    return _ordered(scores)


def places(arms: Mapping[str, Ranked], keys: Collection[int]) -> dict[int, dict[str, ArmScore]]:
    """Return for each of `keys` its rank and score in each arm that found it."""
    found: dict[int, dict[str, ArmScore]] = {key: {} for key in keys}
    for name, ranked in arms.items():
        for rank, (key, score) in enumerate(ranked, start=1):
            if key in found:
                found[key][name] = ArmScore(rank, score)
    return found


def _ordered(scores: Mapping[int, float]) -> list[tuple[int, float]]:
    rounded = [(key, round(score, SCORE_DIGITS)) for key, score in scores.items()]
    rounded.sort(key=lambda pair: (-pair[1], pair[0]))
    return rounded
