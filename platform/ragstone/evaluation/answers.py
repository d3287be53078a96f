"""Measures of grounded answers, question by question, and what they come to.

A measure is a ratio of two sums over the questions, or the mean of several such ratios: so each
counts what it is about (questions, claims, citations), and questions can be drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ragstone.evaluation.bootstrap import difference, interval, resampled_means
from ragstone.evaluation.replies import Reply, Respondent, replies
from ragstone.evaluation.retrieval import DIGITS
from ragstone.schemas.api import Difference
from ragstone.schemas.evaluations import (
    AnswerComparison,
    AnswerLoss,
    AnswerRun,
    Estimate,
    FailedQuestion,
    Latency,
)
from ragstone.training.scoring import exact_match, plain_words, word_f1

if TYPE_CHECKING:
    from ragstone.evaluation.asked import Expected
    from ragstone.schemas.answers import Citation
    from ragstone.schemas.api import Hit

MEASURES = (
    "exact_match",
    "f1",
    "abstention_precision",
    "abstention_recall",
    "abstention_balanced",
    "retrieval_recall",
    "citation_precision",
    "citation_recall",
    "quote_validity",
    "support",
)
_PERCENTILES = (50, 95)
_SHOWN = 20  # failures

# What is counted, and out of how many: two numbers of one question.
Share: TypeAlias = tuple[float, float]
# Measure -> (questions, ratios, 2): each ratio is the sum of what is counted by that of how many.
Scores: TypeAlias = "dict[str, NDArray[np.float64]]"


@dataclass(frozen=True, slots=True)
class Judge:
    """Knows the version that is asked.

    Parameters
    ----------
    names
        Item id -> what judgements may call it: names and sources.
    stands
        Tells whether the quote of a citation stands in the version where it says.
    """

    names: Callable[[str], frozenset[str]]
    stands: Callable[[Citation], bool]


@dataclass(frozen=True, slots=True)
class Run:
    """One way to answer, and what came of it."""

    respondent: Respondent
    judge: Judge
    replies: list[Reply]
    scores: Scores
    points: NDArray[np.float64]  # (questions,): F1, or 1 for rightly saying that there is none


def answered(respondent: Respondent, judge: Judge, asked: Sequence[Expected]) -> Run:
    """Ask all questions and measure."""
    said_to = replies(respondent, [one.question for one in asked])
    rows = [_shares(one, said, judge) for one, said in zip(asked, said_to, strict=True)]
    scores = {name: np.asarray([row[name] for row in rows], np.float64) for name in MEASURES}
    points = [_points(one, said) for one, said in zip(asked, said_to, strict=True)]
    return Run(respondent, judge, said_to, scores, np.asarray(points, np.float64))


def told(run: Run, asked: Sequence[Expected]) -> AnswerRun:
    """Return the means of a run, how sure they are, how long it took and what failed."""
    failed = [
        FailedQuestion(one.question, said.error.code, said.error.message)
        for one, said in zip(asked, run.replies, strict=True)
        if said.error is not None
    ]
    return AnswerRun(
        label=run.respondent.label,
        generator=run.respondent.writer.id,
        measures={name: estimate(run.scores[name]) for name in MEASURES},
        latency=_latency(run.replies),
        failures=len(failed),
        failed=failed[:_SHOWN],
    )


def estimate(shares: NDArray[np.float64]) -> Estimate:
    """Return what shares (questions, ratios, 2) come to, with its interval."""
    value = _ratio(shares.mean(axis=0))
    count = int(shares[..., 1].sum())
    if not np.isfinite(value):
        return Estimate(None, None, None, count)
    low, high = interval(_finite(_resampled(shares)))
    return Estimate(round(float(value), DIGITS), low, high, count)


def compared(asked: Sequence[Expected], before: Run, after: Run, worst: int) -> AnswerComparison:
    """Compare two ways to answer on the same questions, by paired bootstrap."""
    gains = (after.points - before.points).round(DIGITS)
    order = sorted(range(len(gains)), key=lambda number: (gains[number], number))
    measures = {
        name: _difference(before.scores[name], after.scores[name])
        for name in MEASURES
        if np.isfinite(_value(before.scores[name])) and np.isfinite(_value(after.scores[name]))
    }
    return AnswerComparison(
        before=before.respondent.label,
        after=after.respondent.label,
        measures=measures,
        better=int((gains > 0).sum()),
        worse=int((gains < 0).sum()),
        same=int((gains == 0).sum()),
        losses=[_loss(asked[n], before, after, n) for n in order[:worst] if gains[n] < 0],
    )


def holds(text: str, words: str) -> bool:
    """Tell whether `words` stand in `text`, but for case, marks and articles."""
    wanted = " ".join(plain_words(words))
    return bool(wanted) and f" {wanted} " in f" {' '.join(plain_words(text))} "


def _shares(expected: Expected, said: Reply, judge: Judge) -> dict[str, list[Share]]:
    """Return the shares of one question in every measure, a list of ratios for each."""
    grounded = said.grounded
    cited = grounded.citations if grounded else []
    claims = grounded.claims if grounded else []
    right = [_is_right(expected, citation, judge) for citation in cited]
    answerable = float(bool(expected.answers))
    # Who fails has neither answered nor abstained: that is the wrong choice, whichever was right.
    abstained = said.abstained if said.error is None else bool(expected.answers)
    rightly = (abstained * (1 - answerable), 1 - answerable)
    return {
        "exact_match": [(exact_match(said.said, expected.answers) * bool(said.said), answerable)],
        "f1": [(word_f1(said.said, expected.answers) * bool(said.said), answerable)],
        "abstention_precision": [(abstained * (1 - answerable), float(abstained))],
        "abstention_recall": [rightly],
        "abstention_balanced": [rightly, ((1 - abstained) * answerable, answerable)],
        "retrieval_recall": [(_found(expected, said.hits, judge) * answerable, answerable)],
        "citation_precision": [(float(sum(right)), float(len(cited)))],
        "citation_recall": [(_cited(expected, cited, judge) * answerable, answerable)],
        "quote_validity": [(float(sum(map(judge.stands, cited))), float(len(cited)))],
        "support": [(float(sum(claim.supported for claim in claims)), float(len(claims)))],
    }


def _points(expected: Expected, said: Reply) -> float:
    if not expected.answers:
        return float(said.abstained)
    return word_f1(said.said, expected.answers) if said.said else 0.0


def _is_right(expected: Expected, citation: Citation, judge: Judge) -> bool:
    if not expected.answers:
        return False
    if expected.items:
        return not expected.items.isdisjoint(judge.names(citation.item_id))
    return any(holds(citation.quote, answer) for answer in expected.answers)


def _found(expected: Expected, hits: Sequence[Hit], judge: Judge) -> float:
    if expected.items:
        return _named(expected, [hit.item_id for hit in hits], judge)
    return float(any(holds(hit.text, answer) for hit in hits for answer in expected.answers))


def _cited(expected: Expected, cited: Sequence[Citation], judge: Judge) -> float:
    if expected.items:
        return _named(expected, [citation.item_id for citation in cited], judge)
    return float(any(_is_right(expected, citation, judge) for citation in cited))


def _named(expected: Expected, items: Sequence[str], judge: Judge) -> float:
    """Return the share of the judged items that are among `items`."""
    names = frozenset().union(*(judge.names(item) for item in items))
    return len(expected.items & names) / len(expected.items)


def _ratio(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the ratios of sums (…, ratios, 2); nan where there is nothing to count."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: NDArray[np.float64] = (sums[..., 0] / sums[..., 1]).mean(axis=-1)
    return found


def _value(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return _ratio(shares.mean(axis=0))


def _resampled(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the measure of each resample, (resamples,)."""
    sums = resampled_means(shares.reshape(len(shares), -1))
    return _ratio(sums.reshape(len(sums), *shares.shape[1:]))


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out the resamples that have nothing of what is measured."""
    return values[np.isfinite(values)]


def _difference(before: NDArray[np.float64], after: NDArray[np.float64]) -> Difference:
    drawn = _finite(_resampled(after) - _resampled(before))  # the same questions: the seed is fixed
    return difference(float(_value(before)), float(_value(after)), drawn)


def _latency(said_to: Sequence[Reply]) -> Latency:
    first = [said.first for said in said_to if said.first is not None]
    median, late = _seconds(first) if first else (None, None)
    return Latency(median, late, *_seconds([said.whole for said in said_to]))


def _seconds(values: Sequence[float]) -> tuple[float, float]:
    median, late = np.percentile(values, _PERCENTILES)
    return round(float(median), DIGITS), round(float(late), DIGITS)


def _loss(expected: Expected, before: Run, after: Run, number: int) -> AnswerLoss:
    return AnswerLoss(
        question=expected.question,
        right=list(expected.answers),
        before=round(float(before.points[number]), DIGITS),
        after=round(float(after.points[number]), DIGITS),
        said_before=before.replies[number].said,
        said_after=after.replies[number].said,
    )
