"""Where answers come from and whether they can be made again: replays, explanations, traces.

Plain frozen dataclasses, as in `ragstone.schemas.api`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ragstone.schemas.answers import Citation
from ragstone.schemas.api import ArmScore

# ---------------------------------------------------------------- replay

DifferenceKind = Literal[
    "tampered",  # the record is not what was stored
    "version",  # it was given up, or is another one
    "erased",  # items were erased from it
    "settings",  # they cannot be read by this release
    "encoder",
    "reranker",
    "synonyms",
    "generator",
    "reader",
    "verifier",
    "template",  # of the prompt
    "retrieval",  # it cannot be searched
    "rewriting",  # of a question that follows on others
    "hits",
    "prompt",
    "raw",  # what the generator wrote
    "text",  # of the answer
    "short",  # the few words that answer
    "claims",
    "citations",
    "evidence",
    "quote",  # it is not in its source, at its place
]


@dataclass(frozen=True, slots=True)
class ReplayDifference:
    """One thing that is not as it was."""

    kind: DifferenceKind
    problem: str  # in words
    place: int | None = None  # rank of the hit, or character of the text, from 1
    before: str = ""  # there
    after: str = ""


@dataclass(frozen=True, slots=True)
class Replay:
    """An answer that was made again from its record, and what is not as it was."""

    answer_id: str
    question: str
    dataset: str
    version: int
    generator: str
    same: bool  # byte for byte, as far as the record tells
    differences: list[ReplayDifference]
    missing: list[str]  # what the record does not tell, so that it was not compared
    seal: str  # stands for this answer and all before it; empty: stored before there were seals
    seconds: float


# ---------------------------------------------------------------- explain


@dataclass(frozen=True, slots=True)
class SourceBytes:
    """The bytes that an item came as, and where a quote is in them."""

    path: str  # of the file in the workspace
    digest: str  # BLAKE3 of the item's bytes, which is its id
    size: int  # bytes
    whole: bool  # the bytes have this digest
    start: int | None  # of the quote, in bytes; None: they do not hold it as it is written
    end: int | None


@dataclass(frozen=True, slots=True)
class QuotedChunk:
    """The chunk that a quote was taken from, and why it was found."""

    chunk_id: str
    ordinal: int  # in its item
    start: int  # of its text in the item's text, in code points
    end: int
    rank: int | None  # among the hits for the question; None: the record has no such hit
    score: float | None
    arms: dict[str, ArmScore]


@dataclass(frozen=True, slots=True)
class ExplainedCitation:
    """A quote, followed back to the bytes of its source."""

    citation: Citation
    verbatim: bool  # the item's text has the quote at its offsets
    chunk: QuotedChunk | None  # None: the version was given up, and nothing else holds it
    name: str  # of the item
    media_type: str
    bytes: SourceBytes | None


@dataclass(frozen=True, slots=True)
class ExplainedClaim:
    """A sentence of an answer with all that supports it."""

    text: str
    support: float  # 0..1
    supported: bool
    citations: list[ExplainedCitation]


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer, from its sentences to the bytes of its sources."""

    answer_id: str
    question: str
    dataset: str
    version: int
    generator: str
    claims: list[ExplainedClaim]


# ---------------------------------------------------------------- trace


@dataclass(frozen=True, slots=True)
class TracedAnswer:
    """An answer that an item was found for."""

    answer_id: str
    question: str
    dataset: str
    version: int
    created: datetime
    cited: bool  # it quotes the item
    chunks: list[str]  # ids of those that were found


LearntSide = Literal["training", "held out", "both", "unknown"]


@dataclass(frozen=True, slots=True)
class LearntModel:
    """A model, or the datastore beside one, whose data held an item."""

    name: str  # NAME@NUMBER, NAME@NUMBER+knn, or NAME of one that is still being trained
    data: str  # D@V; empty: not known
    side: LearntSide  # "both": its beginning was learnt from, and its end held out


@dataclass(frozen=True, slots=True)
class MadeBy:
    """Which model made an item, and what that learnt from."""

    model: str  # NAME@NUMBER, as it was called then
    digest: str  # of its weights
    known: bool  # a model of this workspace has them
    run: str  # of its training
    data: str  # D@V that it learnt from
    seed: int
    number: int  # of the item among those that were made at once
    conditions: dict[str, str] = field(default_factory=dict)
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """What was made from an item, in whatever version."""

    item_id: str
    name: str
    answers: list[TracedAnswer]  # a page of them, the newest first
    total: int  # answers
    cited: int  # of these, answers that quote it
    models: list[LearntModel] = field(default_factory=list)  # whose data held it
    made_by: MadeBy | None = None  # None: no model made it
    made: list[str] = field(default_factory=list)  # items that models made whose data held it
