"""How good answers are: what `evaluate_answers` measures, of one way to answer or of several.

Plain frozen dataclasses, as in `ragstone.schemas.api`, whose `to_json` gives their JSON shape.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ragstone.schemas.api import Difference, RetrievalEvaluation


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over questions, claims, citations or answers, and how sure it is."""

    value: float | None  # None: there was nothing to measure
    low: float | None  # bounds of its 95 % confidence interval, by bootstrap over the questions
    high: float | None
    of: int  # what it is the mean of: so many questions, claims, …


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the question on; half of the questions, and 95 of 100, took no longer."""

    first_p50: float | None  # to the first sentence; None: no question came so far
    first_p95: float | None
    whole_p50: float  # to the end of the answer, or to its failure
    whole_p95: float


@dataclass(frozen=True, slots=True)
class FailedQuestion:
    """A question that got no answer, not even that there is none."""

    question: str
    code: str  # of the error
    message: str


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """What became of answers when the items that they cite were taken away."""

    rate: Estimate  # answers that were right to change, or had another source
    abstained: int  # there was no answer any more
    changed: int  # another answer, without what was said before
    elsewhere: int  # the same, with a quote of another item that holds it
    unfaithful: int  # the same, without such a quote
    failed: int  # the generator failed: counted as unfaithful
    examples: list[str] = field(default_factory=list)  # questions of the unfaithful ones


@dataclass(frozen=True, slots=True)
class AnswerRun:
    """One way to answer, measured."""

    label: str  # D@V, settings and generator
    generator: str
    measures: dict[str, Estimate]
    latency: Latency
    failures: int  # questions without an answer by an error: counted as wrong everywhere
    failed: list[FailedQuestion]  # the first of them
    faithfulness: Faithfulness | None = None  # None: not measured


@dataclass(frozen=True, slots=True)
class AnswerLoss:
    """A question that was answered better before."""

    question: str
    right: list[str]  # answers; none: the dataset does not hold one
    before: float  # points: F1, or 1 for saying rightly that there is no answer
    after: float
    said_before: str  # empty: there was no answer
    said_after: str


@dataclass(frozen=True, slots=True)
class AnswerComparison:
    """Two ways to answer, measured with the same questions."""

    before: str
    after: str
    measures: dict[str, Difference]
    better: int  # questions with more points
    worse: int
    same: int
    losses: list[AnswerLoss]  # as many as were asked for, the largest first


@dataclass(frozen=True, slots=True)
class AnswerEvaluation:
    """How good the answers from a version are, and how two ways to answer compare."""

    dataset: str
    version: int
    questions: int
    unanswerable: int  # of the questions: the dataset does not hold their answer
    runs: list[AnswerRun]
    comparisons: list[AnswerComparison] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)  # that were other than the workspace's
    evaluation: str = ""  # id under which it is kept
    created: datetime | None = None


Evaluation = RetrievalEvaluation | AnswerEvaluation  # as they are kept: told apart by their fields
