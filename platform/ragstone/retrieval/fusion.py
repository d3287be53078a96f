"""Fusion of ranked lists. Ties go to the smaller key, so that results are deterministic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragstone.schemas.api import ArmScore

Ranked = Sequence[tuple[int, float]]  # (chunk key, score), best first
SCORE_DIGITS = 6
_RRF_K = 60


@dataclass(frozen=True, slots=True)
class Fused:
    """A chunk with its fused score and its place in each arm that found it."""

    key: int
    score: float
    arms: dict[str, ArmScore]


def minmax(arms: Mapping[str, Ranked], weights: Mapping[str, float]) -> list[Fused]:
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
        span = high - low
        for key, score in ranked:
            part = (score - low) / span if span else 1.0
            scores[key] = scores.get(key, 0.0) + weights[name] / total * part
    return _ordered(arms, scores)


def reciprocal_rank(arms: Mapping[str, Ranked]) -> list[Fused]:
    """Return the sum of 1 / (60 + rank) over the arms, best first.

    Source: Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion", SIGIR 2009.
    """
    scores: dict[int, float] = {}
    for ranked in arms.values():
        for rank, (key, _) in enumerate(ranked, start=1):
            scores[key] = scores.get(key, 0.0) + 1.0 / (_RRF_K + rank)
    return _ordered(arms, scores)


def single(name: str, ranked: Ranked) -> list[Fused]:
    """Return one arm's candidates with their own scores."""
    return _ordered({name: ranked}, dict(ranked))


def _ordered(arms: Mapping[str, Ranked], scores: Mapping[int, float]) -> list[Fused]:
    places: dict[int, dict[str, ArmScore]] = {key: {} for key in scores}
    for name, ranked in arms.items():
        for rank, (key, score) in enumerate(ranked, start=1):
            places[key][name] = ArmScore(rank, score)
    fused = [Fused(key, round(score, SCORE_DIGITS), places[key]) for key, score in scores.items()]
    fused.sort(key=lambda entry: (-entry.score, entry.key))
    return fused
