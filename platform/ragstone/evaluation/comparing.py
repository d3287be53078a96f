"""Two ways to search, compared on the same judged queries: modes, versions or settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragstone.evaluation.bootstrap import differences, intervals
from ragstone.evaluation.judged import JudgedQueries
from ragstone.evaluation.retrieval import (
    DIGITS,
    NDCG,
    Rankings,
    Scores,
    Subject,
    means,
    scores,
    subject_rankings,
)
from ragstone.schemas.api import (
    Mode,
    QueryLoss,
    RankedItem,
    RankingComparison,
    RetrievalEvaluation,
)

if TYPE_CHECKING:
    from ragstone.retrieval.search import EncodeQueries
    from ragstone.storage.store import Store

_SHOWN = 10  # items of a ranking


@dataclass(frozen=True, slots=True)
class _Run:
    """One way to search, and what came of it."""

    label: str
    rankings: Rankings
    scores: Scores


def evaluate(
    store: Store,
    encode: EncodeQueries,
    judged: JudgedQueries,
    subject: Subject,
    modes: Sequence[Mode],
    against: Subject | None = None,
    worst: int = 0,
) -> RetrievalEvaluation:
    """Measure search in each mode, and compare.

    Parameters
    ----------
    against
        What each mode is compared with; None compares the last mode with the others.
    worst
        How many of the queries that lost most are shown with both rankings.

    Raises
    ------
    InvalidArgument
        No judgement names an item of a version.
    """
    runs = _runs(store, encode, judged, subject, modes)
    last = runs[modes[-1]]
    if against:
        others = _runs(store, encode, judged, against, modes)
        pairs = [(others[mode], runs[mode]) for mode in runs]
    else:
        pairs = [(runs[mode], last) for mode in runs if mode != modes[-1]]
    return RetrievalEvaluation(
        dataset=subject.manifest.dataset,
        version=subject.manifest.version,
        queries=len(judged.queries),
        modes={mode: means(run.scores) for mode, run in runs.items()},
        comparisons=[_compared(judged, before, after, worst) for before, after in pairs],
        intervals={mode: intervals(run.scores) for mode, run in runs.items()},
    )


def _runs(
    store: Store,
    encode: EncodeQueries,
    judged: JudgedQueries,
    subject: Subject,
    modes: Sequence[Mode],
) -> dict[Mode, _Run]:
    found = subject_rankings(store, encode, subject, judged, modes)
    return {
        mode: _Run(f"{subject.label} {mode}", ranked, scores(judged, ranked))
        for mode, ranked in found.items()
    }


def _compared(judged: JudgedQueries, before: _Run, after: _Run, worst: int) -> RankingComparison:
    gains = (after.scores[NDCG] - before.scores[NDCG]).round(DIGITS)
    order = sorted(range(len(gains)), key=lambda number: (gains[number], number))
    return RankingComparison(
        before=before.label,
        after=after.label,
        measures=differences(before.scores, after.scores),
        better=int((gains > 0).sum()),
        worse=int((gains < 0).sum()),
        same=int((gains == 0).sum()),
        losses=[_loss(judged, before, after, n) for n in order[:worst] if gains[n] < 0],
    )


def _loss(judged: JudgedQueries, before: _Run, after: _Run, number: int) -> QueryLoss:
    query = list(judged.queries)[number]
    grades = judged.judgements[query]

    def shown(run: _Run) -> list[RankedItem]:
        return [RankedItem(name, grades.get(name)) for name in run.rankings[number][:_SHOWN]]

    return QueryLoss(
        query_id=query,
        query=judged.queries[query],
        before=round(float(before.scores[NDCG][number]), DIGITS),
        after=round(float(after.scores[NDCG][number]), DIGITS),
        ranking_before=shown(before),
        ranking_after=shown(after),
    )
