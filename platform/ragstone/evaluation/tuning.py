"""The fusion of a dataset, learned from judged queries.

Each way to fuse is measured on every query. The choice is the way nearest to what is used without
tuning among those within one standard error of the best. So few queries, or a small gain, change
nothing. What the choice is worth is measured by cross-validation: on queries it was not made with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ragstone.errors import InvalidArgument
from ragstone.evaluation.bootstrap import differences, interval, resampled_means
from ragstone.evaluation.judged import JudgedQueries, check_names, item_names
from ragstone.evaluation.retrieval import DIGITS, MEASURES, NDCG, Rankings, items_of, scores
from ragstone.retrieval.fusion import RERANKER_ARM
from ragstone.schemas.api import Difference, FusionChoice, TuningRow

if TYPE_CHECKING:
    from ragstone.retrieval.search import EncodeQueries, Retriever
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

FOLDS = 5
FEWEST = 10  # queries: two in each fold
_WEIGHTS = tuple(number / 10 for number in range(11))
_RERANK_WEIGHTS = tuple(number / 10 for number in range(1, 10))
_TOP = 10  # items that nDCG@10 looks at
_SEED = 0

Quality: TypeAlias = "NDArray[np.float64]"  # nDCG@10, of shape (queries, ways to fuse)


@dataclass(frozen=True, slots=True)
class Tuning:
    """What was learned."""

    rows: list[TuningRow]
    chosen: FusionChoice
    held_out: Difference
    note: str


def tune(
    store: Store,
    retriever: Retriever,
    encode: EncodeQueries,
    manifest: Manifest,
    judged: JudgedQueries,
    reranker: str = "",
) -> Tuning:
    """Learn how hybrid search of a version is fused best, and whether it is reranked.

    Parameters
    ----------
    reranker
        Tried with several weights, on top of what is used without tuning. It is chosen only when
        no way without it is within one standard error of the best.

    Raises
    ------
    InvalidArgument
        There are too few queries, or no judgement names an item of the version.
    RerankerUnavailable
        It cannot be loaded.
    """
    if len(judged.queries) < FEWEST:
        raise InvalidArgument("queries", len(judged.queries), f"at least {FEWEST} judged ones")
    default = replace(retriever.untuned, reranker="", rerank_weight=0.0)
    ways = _ways(default)
    if reranker:
        ways += _reranked_ways(default, reranker, retriever.rerank_weight)
    quality = _quality(store, retriever, encode, manifest, judged, ways)
    held_out = _held_out(quality)
    best = choose(quality)
    note = ""
    if held_out.difference <= 0 < best:
        best, note = 0, "it is no better on queries that it was not learned from"
    return Tuning(_rows(ways, quality, best), ways[best], held_out, note)


def _ways(default: FusionChoice) -> list[FusionChoice]:
    """Return the ways to fuse, `default` first and then by their distance to it."""
    minmax = [FusionChoice("minmax", weight, "tuned") for weight in _WEIGHTS]
    minmax.sort(key=lambda way: abs(way.vector_weight - default.vector_weight))
    other = FusionChoice("rrf", default.vector_weight, "tuned")
    ways = [*minmax, other] if default.method == "minmax" else [other, *minmax]
    same = (default.method, default.vector_weight)
    return [default, *(way for way in ways if (way.method, way.vector_weight) != same)]


def _reranked_ways(default: FusionChoice, reranker: str, usual: float) -> list[FusionChoice]:
    """Return the weights of a reranker to try, the nearest to the usual one first."""
    weights = sorted(_RERANK_WEIGHTS, key=lambda weight: (abs(weight - usual), weight))
    return [
        replace(default, origin="tuned", reranker=reranker, rerank_weight=weight)
        for weight in weights
    ]


def choose(quality: Quality) -> int:
    """Return the first way within one standard error of the best.

    The error is of the paired difference: queries that are hard for all ways do not blur it.
    """
    best = int(quality.mean(axis=0).argmax())
    behind, error = _behind(quality, best)
    return int(np.flatnonzero(behind <= error)[0])


def _behind(quality: Quality, best: int) -> tuple[Quality, Quality]:
    """Return how far each way is behind the best, and the standard errors: each (ways,)."""
    lost = quality[:, [best]] - quality
    return lost.mean(axis=0), lost.std(axis=0, ddof=1) / np.sqrt(len(quality))


def _held_out(quality: Quality) -> Difference:
    """Compare, fold by fold, the way that the other folds choose with the first of the ways."""
    folds = np.random.default_rng(_SEED).permutation(len(quality)) % FOLDS
    chosen = np.zeros(len(quality))
    for fold in range(FOLDS):
        held = folds == fold
        chosen[held] = quality[held, choose(quality[~held])]
    return differences({NDCG: quality[:, 0]}, {NDCG: chosen})[NDCG]


def _rows(ways: Sequence[FusionChoice], quality: Quality, chosen: int) -> list[TuningRow]:
    best = int(quality.mean(axis=0).argmax())
    behind, error = _behind(quality, best)
    resampled = resampled_means(quality)
    rows = []
    for number, way in enumerate(ways):
        low, high = interval(resampled[:, number])
        rows.append(
            TuningRow(
                method=way.method,
                vector_weight=way.vector_weight if way.method == "minmax" else None,
                ndcg=round(float(quality[:, number].mean()), DIGITS),
                low=low,
                high=high,
                behind=round(float(behind[number]), DIGITS),
                error=round(float(error[number]), DIGITS),
                chosen=number == chosen,
                rerank_weight=way.rerank_weight,
            )
        )
    return sorted(rows, key=lambda row: (row.rerank_weight, row.method, row.vector_weight or 0.0))


def _quality(
    store: Store,
    retriever: Retriever,
    encode: EncodeQueries,
    manifest: Manifest,
    judged: JudgedQueries,
    ways: Sequence[FusionChoice],
) -> Quality:
    names = item_names(store, manifest)
    check_names(judged, names)
    texts = list(judged.queries.values())
    allowed = retriever.allowed(manifest)
    found: list[Rankings] = [[] for _ in ways]
    reranker = ways[-1].reranker
    for text, vector in zip(texts, encode(texts, manifest), strict=True):
        arms = retriever.arms(manifest, text, vector, "hybrid", allowed)
        plan = replace(retriever.plan(manifest, arms), choice=ways[0])
        read = {}
        if reranker:
            first = retriever.fuse(arms, "hybrid", plan)
            read[RERANKER_ARM] = retriever.read_again(manifest, text, first, reranker)
        for way, ranked in zip(ways, found, strict=True):
            heard = arms | read if way.reranker else arms
            fused = retriever.fuse(heard, "hybrid", replace(plan, choice=way))
            ranked.append(items_of(names, fused.ranked, _TOP))
    columns = [scores(judged, ranked, {NDCG: MEASURES[NDCG]})[NDCG] for ranked in found]
    return np.stack(columns, axis=1)
