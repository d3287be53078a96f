"""What the library returns, the command line prints and the HTTP API sends: one definition.

Plain frozen dataclasses. `to_json` gives the JSON shape that docs/api.md documents.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Literal

Mode = Literal["keyword", "vector", "hybrid"]


def to_json(value: Any) -> Any:
    """Return `value` (dataclasses, lists, mappings, times) as plain JSON types."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(entry) for entry in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.value if isinstance(value, Enum) else value


# ---------------------------------------------------------------- datasets and versions


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """A dataset and its newest version."""

    name: str
    id: str
    version: int  # 0 while nothing has been committed
    items: int
    chunks: int
    created: datetime
    changed: datetime


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One immutable version."""

    dataset: str
    version: int
    digest: str  # of the manifest, chained to its parent's
    content: str  # of the live items alone: equal for equal data, whatever the history
    parent: int | None
    message: str
    created: datetime
    items: int
    chunks: int
    added: int  # items
    removed: int  # items
    space: str  # embedding space of its vectors


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """What became of the source objects of a job."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class QuarantineInfo:
    """One input that could not become an item; its bytes are kept."""

    id: str
    dataset: str
    source: str
    stage: str
    code: str
    reason: str
    hint: str
    item_id: str  # BLAKE3 of the bytes; empty when they could not be read
    size: int
    created: datetime


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The end of an ingestion job."""

    job: str
    dataset: str
    version: int
    items: ItemCounts
    chunks: int  # written by this job
    seconds: float
    quarantine: list[QuarantineInfo] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """How far an ingestion job is."""

    stage: Literal["reading", "embedding", "committing"]
    seen: int  # source objects so far
    total: int | None  # when the source knows it
    chunks: int  # embedded so far
    rate: float  # source objects per second
    seconds_left: float | None
    items: ItemCounts


# ---------------------------------------------------------------- search


@dataclass(frozen=True, slots=True)
class ArmScore:
    """Place and raw score of a chunk in one arm (BM25, or cosine similarity)."""

    rank: int  # from 1
    score: float


@dataclass(frozen=True, slots=True)
class Highlight:
    """A matched word, as code points of the hit's text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Hit:
    """One found chunk, with why it was found."""

    rank: int
    score: float
    chunk_id: str
    item_id: str
    source: str
    name: str
    title: str
    heading: str
    page: int | None
    text: str
    start: int  # of the text in the item's text, in code points
    end: int
    arms: dict[str, ArmScore]
    highlights: list[Highlight]
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits of one query on one version, best first."""

    dataset: str
    version: int
    query: str
    mode: Mode
    hits: list[Hit]


# ---------------------------------------------------------------- answers


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


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of the answer and the citations that support it."""

    text: str
    citations: list[int]
    support: float  # 0..1
    supported: bool


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
    evidence: float  # 0..1: how well the best sentence fits the question
    created: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer with all that made it: what was asked, found and sent to the generator."""

    answer: Answer
    prompt: str
    hits: list[Hit]
    settings: dict[str, Any]
    version_digest: str


# ---------------------------------------------------------------- show


@dataclass(frozen=True, slots=True)
class ChunkDetail:
    """One chunk in its item."""

    chunk_id: str
    item_id: str
    dataset: str
    ordinal: int
    heading: str
    page: int | None
    start: int
    end: int
    tokens: int
    text: str


@dataclass(frozen=True, slots=True)
class ItemSummary:
    """One item in a listing."""

    item_id: str
    source: str
    name: str
    title: str
    media_type: str
    modality: str
    size: int  # bytes
    chunks: int
    added: int  # version


@dataclass(frozen=True, slots=True)
class ItemDetail:
    """One item with its text and where it came from."""

    item_id: str
    dataset: str
    sources: list[str]
    name: str
    title: str
    media_type: str
    modality: str
    size: int
    metadata: dict[str, Any]
    added: int  # version
    removed: int | None  # version
    text: str
    chunks: list[ChunkDetail]


# ---------------------------------------------------------------- evaluation and health


@dataclass(frozen=True, slots=True)
class RetrievalEvaluation:
    """Mean measures per mode: `modes["hybrid"]["ndcg@10"]`."""

    dataset: str
    version: int
    queries: int
    modes: dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise of the storage that does not hold, and what to do."""

    check: str
    where: str
    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """What `ragstone doctor` checked and found."""

    checks: dict[str, int]  # name of the check -> things looked at
    findings: list[Finding]
    rebuilt: list[str]  # what was made anew

    @property
    def healthy(self) -> bool:
        """True when nothing is wrong."""
        return not self.findings
