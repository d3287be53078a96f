"""Fusion of ranked lists: the weighted sum of what each arm makes of a chunk.

Ties go to the smaller key, so that results are deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragstone.retrieval.noise import Noise
from ragstone.schemas.api import ArmScore, FusionChoice
from ragstone.storage.ranked import NOTHING, Ranked, ranked

Arms = Mapping[str, Ranked]
_RRF_K = 60
_EVENLY = 12**0.5
RERANKER_ARM = "reranker"
SHARE_DIGITS = 6  # as scores have


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """All candidates with their final scores, best first, and what these are made of."""

    ranked: Ranked
    arms: Arms
    # Arm -> what it gives its candidates, of shape (len(arms[name]),); nothing when not fused.
    shares: Mapping[str, NDArray[np.float64]]
    weights: Mapping[str, float]

    def beyond(self) -> Fused:
        """Return the same order without scores, for what comes after the candidates.

        Among the candidates each arm gave it 0. What one arm gives alone keeps its own scores.
        """
        if not self.shares:
            return self
        nothing = {name: np.zeros_like(share) for name, share in self.shares.items()}
        keys = self.ranked.keys
        return Fused(Ranked(keys, np.zeros(len(keys))), self.arms, nothing, self.weights)

    def places(self, keys: Collection[int]) -> dict[int, dict[str, ArmScore]]:
        """Return for each of `keys` its rank and scores in each arm that found it."""
        wanted = list(keys)
        found: dict[int, dict[str, ArmScore]] = {key: {} for key in wanted}
        for name, arm in self.arms.items():
            places, which = np.nonzero(arm.keys[:, None] == np.array(wanted, np.int64))
            for place, number in zip(places.tolist(), which.tolist(), strict=True):
                found[wanted[number]][name] = self._score(name, place)
        return found

    def _score(self, name: str, place: int) -> ArmScore:
        raw = float(self.arms[name].scores[place])
        if name not in self.shares:
            return ArmScore(place + 1, raw)
        share = round(float(self.shares[name][place]), SHARE_DIGITS)
        return ArmScore(place + 1, raw, share, round(self.weights[name], SHARE_DIGITS))


@dataclass(frozen=True, slots=True)
class Plan:
    """How the arms of a version are fused, and when one of them is too weak to be heard."""

    choice: FusionChoice
    noise: Noise


def fuse(arms: Arms, plan: Plan) -> Fused:
    """Fuse as planned; every arm but that of the keywords has the weight of the vectors.

    What a reranker says is one more arm, that knows the best candidates alone: it gets its share of
    the weight, and the others share the rest.

    In min-max fusion an arm whose best candidates stand out has more weight than one whose scores
    fall evenly: as much as if its scores were divided by their standard deviation.
    """
    heard = plan.noise.heard({name: arms[name] for name in arms if name != RERANKER_ARM})
    weights = dict(heard)
    if plan.choice.method == "minmax":
        weights = _minmax_weights(arms, heard, plan)
    if len(arms.get(RERANKER_ARM, NOTHING)):
        share = plan.choice.rerank_weight
        total = sum(weights.values())
        weights = {name: weight * (1 - share) for name, weight in weights.items()}
        weights[RERANKER_ARM] = total * share
    return (reciprocal_rank if plan.choice.method == "rrf" else minmax)(arms, weights)


def _minmax_weights(arms: Arms, heard: Mapping[str, float], plan: Plan) -> dict[str, float]:
    own = plan.choice.vector_weight
    weights = {name: 1 - own if name == "keyword" else own for name in heard}
    for name in weights:
        weights[name] *= standing_out(plan.noise.spread_over(name, arms[name]))
    guarded = {name: weights[name] * kept for name, kept in heard.items()}
    # An arm without any weight still ranks better than none.
    return next((w for w in (guarded, weights) if any(w.values())), dict.fromkeys(heard, 1.0))


def standing_out(scores: NDArray[np.float64]) -> float:
    """Return how far the best of `scores` is above the rest; 1 when they fall evenly.

    It is their range over their standard deviation, which is the square root of 12 for many scores
    at equal distances. Min-max scores times this are the scores in standard deviations above the
    last, so that the fusion is that of z-scores, and the shares stay between 0 and 1.

    Parameters
    ----------
    scores
        Shape (n,), best first, one at least.
    """
    apart = scores - np.add.reduce(scores) / len(scores)  # a third of the time of `scores.std()`
    deviation = math.sqrt(np.add.reduce(apart * apart) / len(scores))
    return float(scores[0] - scores[-1]) / deviation / _EVENLY if deviation else 1.0


def alone(arms: Arms) -> Fused:
    """Return what the only arm has found, with its own scores."""
    return Fused(next(iter(arms.values()), NOTHING), arms, {}, {})


def minmax(arms: Arms, weights: Mapping[str, float]) -> Fused:
    """Fuse by the convex combination of per-query min-max scores.

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
    heard = {name: found for name, found in arms.items() if len(found)}
    total = sum(weights[name] for name in heard) or 1.0
    shares = {name: _stretched(found.scores) for name, found in heard.items()}
    return _fused(arms, shares, {name: weights[name] / total for name in heard})


def reciprocal_rank(arms: Arms, weights: Mapping[str, float]) -> Fused:
    """Fuse by the weighted sum of 1 / (60 + rank) over the arms.

    Source: Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion", SIGIR 2009.
    """
    heard = {name: found for name, found in arms.items() if len(found)}
    ranks = {name: np.arange(1.0, 1.0 + len(found)) for name, found in heard.items()}
    shares = {name: np.asarray(1.0 / (_RRF_K + rank)) for name, rank in ranks.items()}
    return _fused(arms, shares, {name: weights[name] for name in heard})


def _stretched(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map `scores` (n,), best first, to 0..1; all 1 when they are equal."""
    span = scores[0] - scores[-1]
    stretched = (scores - scores[-1]) / span if span else np.ones(len(scores))
    return np.asarray(stretched, np.float64)


def _fused(
    arms: Arms, shares: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float]
) -> Fused:
    """Add up what each arm gives its chunks."""
    if not shares:
        return Fused(NOTHING, arms, shares, weights)
    every = np.concatenate([arms[name].keys for name in shares])
    parts = np.concatenate([shares[name] * weights[name] for name in shares])
    order = every.argsort(kind="stable")  # so that the parts of a chunk are added arm by arm
    keys = every[order]
    first = np.append(0, np.flatnonzero(keys[1:] != keys[:-1]) + 1)
    sums = np.add.reduceat(parts[order], first)
    return Fused(ranked(keys[first], sums), arms, shares, weights)
