"""Answers: what was asked, what was said, what supports it, and what became of it.

Plain frozen dataclasses, as in `ragstone.schemas.api`, whose `to_json` gives their JSON shape.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ragstone.schemas.api import FusionChoice, Hit

Policy = Literal["strict", "flag", "off"]  # what happens to a sentence that nothing supports
AnswerState = Literal["done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Citation:
    """A verbatim quote that supports a sentence of the answer."""

    number: int
    chunk_id: str
    item_id: str
    source: str
    title: str
    page: int | None
    quote: str
    start: int  # of the quote in the item's text, in code points
    end: int
    from_ms: int | None = None  # when the passage is heard, in a recording
    to_ms: int | None = None
    modality: str = "text"  # of the chunk


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of the answer and the citations that support it."""

    text: str
    citations: list[int]
    support: float  # 0..1
    supported: bool


@dataclass(frozen=True, slots=True)
class NearPassage:
    """A passage that came near a question which the dataset does not answer."""

    chunk_id: str
    item_id: str
    source: str
    title: str
    text: str  # its beginning
    score: float  # of the search


@dataclass(frozen=True, slots=True)
class Tokens:
    """How much was read and written, as the generator counts; nothing when it was not asked."""

    prompt: int = 0
    answer: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A grounded answer, or the statement that there is none."""

    answer_id: str
    question: str
    answer: str
    found: bool
    claims: list[Claim]
    citations: list[Citation]
    dataset: str
    version: int
    generator: str
    evidence: float  # 0..1: the chance that the passages hold the answer
    created: datetime
    seconds: float
    session: str = ""  # id; empty: asked outside of any
    rewritten: str = ""  # the question as it was searched; empty: as it was asked
    policy: Policy = "strict"
    nearest: list[NearPassage] = field(default_factory=list)  # where nothing was found
    short: str = ""  # the few words that answer, where a reader found them in what is said
    tokens: Tokens = field(default_factory=Tokens)


@dataclass(frozen=True, slots=True)
class AnswerError:
    """Why there is no answer, and the way out."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Rewriting:
    """How a question that follows on others was made one that stands alone."""

    by: Literal["rules", "model"]
    follows: list[str]  # ids of the answers, newest first; none: somebody else keeps them
    template: str = ""  # digest of the prompt's template; empty: no model was asked
    prompt: str = ""  # as the model got it
    raw: str = ""  # as the model wrote it, as far as it was read
    problem: str = ""  # why it is not the model's


@dataclass(frozen=True, slots=True)
class Receipt:
    """What else an answer was made from, so that it can be made again."""

    raw: str  # as the generator wrote it, as far as it was read
    k: int  # hits that were asked for
    where: list[str]
    retrieval: dict[str, Any]  # settings
    fusion: FusionChoice | None
    digests: dict[str, str]  # of what took part: encoder, generator, reranker, synonyms
    release: str  # of Ragstone
    rewriting: Rewriting | None = None  # None: it follows on nothing, or is older than this field


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer with all that made it: what was asked, found and sent to the generator."""

    answer: Answer
    prompt: str
    hits: list[Hit]
    settings: dict[str, Any]
    version_digest: str
    state: AnswerState = "done"
    error: AnswerError | None = None  # of one that failed
    template: str = ""  # digest of the prompt's template, whose text the catalog keeps
    receipt: Receipt | None = None  # None in records that are older than receipts
    said: str = ""  # of one that failed or was cancelled: what was given out until then


@dataclass(frozen=True, slots=True)
class AnswerSummary:
    """An answer in a listing."""

    answer_id: str
    question: str  # as it was asked
    rewritten: str  # as it was searched; empty: as it was asked
    answer: str  # of one that failed or was stopped: what was given out until then
    found: bool
    state: AnswerState
    dataset: str
    version: int
    generator: str
    evidence: float
    session: str  # id; empty: asked outside of any
    created: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class AnswerList:
    """A page of the answers there are, newest first."""

    total: int  # on all pages
    answers: list[AnswerSummary]


@dataclass(frozen=True, slots=True)
class GeneratorInfo:
    """Somebody who can write answers, and whether it can do so here."""

    id: str  # as `generator` takes it
    available: bool
    note: str  # what it is, or why it cannot
    chosen: bool = False  # by the setting generation.generator


@dataclass(frozen=True, slots=True)
class AnswerText:
    """The next piece of an answer: checked, with its markers; it is not taken back."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerDone:
    """The end of a stream: the answer whose text is that of all pieces before."""

    answer: Answer


AnswerEvent = AnswerText | AnswerDone
