"""What the library returns, the command line prints and the HTTP API sends: one definition.

Plain frozen dataclasses. `to_json` gives the JSON shape that docs/api.md documents.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Literal

from ragstone.schemas.finding import Likeness, Neighbour

Mode = Literal["keyword", "vector", "hybrid"]
FusionMethod = Literal["minmax", "rrf"]
Reading = Literal["words", "query"]  # of what was typed: plain words, or with operators


def to_json(value: Any) -> Any:
    """Return `value` (dataclasses, lists, mappings, times) as plain JSON types."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(entry) for entry in value]
    if isinstance(value, bytes):
        return b64encode(value).decode()
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
    synthetic: int = 0  # of the items, those that a model made


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
    tags: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)  # receipts of what was erased from it
    synthetic: int = 0  # of the items, those that a model made


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """What became of the source objects of a job."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    quarantined: int = 0
    removed: int = 0  # by a synchronisation


@dataclass(frozen=True, slots=True)
class DuplicateCounts:
    """What a job has found of what is there already, under other bytes."""

    pairs: int = 0  # new ones
    hidden: int = 0  # items that the version keeps from sight


@dataclass(frozen=True, slots=True)
class DuplicateMember:
    """An item in a group of duplicates."""

    item_id: str
    name: str
    source: str
    size: int  # bytes
    visible: bool
    kept: str  # id of the item that stands for it; empty when it is visible
    distance: float | None  # to the item that was kept of the group; None: connected by others


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two items that were compared and found to be duplicates."""

    first: str  # item ids
    second: str
    distance: float
    algorithm: str
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Items that are duplicates of one kind, directly or through each other."""

    group: str
    kind: str  # exact, text, image, audio, semantic
    members: list[DuplicateMember]
    hidden: int
    saved: int  # bytes of the hidden ones
    pairs: list[DuplicatePair]  # only when the group was asked for by its id


@dataclass(frozen=True, slots=True)
class DuplicateKindCount:
    """The duplicates of one kind."""

    kind: str
    groups: int
    items: int
    hidden: int
    saved: int  # bytes of the hidden ones


@dataclass(frozen=True, slots=True)
class DuplicateReport:
    """The duplicates of a version, and the policy that says which are hidden."""

    dataset: str
    version: int
    policy: dict[str, dict[str, Any]]  # kind -> keep, threshold
    kinds: list[DuplicateKindCount]
    groups: list[DuplicateGroup]  # a page of them, the largest first


@dataclass(frozen=True, slots=True)
class DuplicatePreview:
    """What another policy would make of a version; nothing is changed."""

    report: DuplicateReport  # as it would be, of one kind when that was asked for
    total: int  # groups on all pages
    items: int  # that would be visible
    hidden: list[str]  # ids of items that would be hidden and are visible; at most 1,000
    shown: list[str]  # ids of items that would be visible and are hidden; at most 1,000
    newly_hidden: int  # all of them, listed or not
    shown_again: int


@dataclass(frozen=True, slots=True)
class ThresholdInfo:
    """What a threshold of semantic duplicates would do to labelled pairs."""

    distance: float
    called: int  # pairs that it would call duplicates
    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """How near two vectors have to be to mean the same, for one encoder on one dataset."""

    dataset: str
    version: int
    space: str
    pairs: int
    duplicates: int
    precision: float  # that the proposed threshold has to reach
    thresholds: list[ThresholdInfo]
    proposed: float | None


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
    duplicates: DuplicateCounts = field(default_factory=DuplicateCounts)
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


@dataclass(frozen=True, slots=True)
class ReembedProgress:
    """How far a re-embedding is."""

    stage: Literal["embedding", "comparing", "committing"]
    done: int  # chunks that have a new vector
    total: int  # chunks in all
    rate: float  # chunks per second
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class TrainProgress:
    """How far the training of a model is."""

    stage: Literal["preparing", "training", "committing"]
    step: int  # done
    steps: int  # in all; 0 until that is known
    loss: float | None  # mean of the last ten steps
    validation: float | None  # of what is held out, as measured last
    rate: float  # examples per second
    seconds_left: float | None
    run: str = ""  # id of the run, once there is one


JobProgress = IngestProgress | ReembedProgress | TrainProgress


# ---------------------------------------------------------------- search


@dataclass(frozen=True, slots=True)
class ArmScore:
    """Place and raw score of a chunk in one arm (BM25, cosine, or what a reranker says)."""

    rank: int  # from 1
    score: float
    normalised: float | None = None  # what the fusion made of it; None where nothing was fused
    weight: float | None = None  # the hit's score is the sum of weight x normalised


@dataclass(frozen=True, slots=True)
class FusionChoice:
    """How the arms of a search are made one list, and who says so."""

    method: FusionMethod
    vector_weight: float  # of the vector arm in "minmax", before a weak arm loses some of its own
    origin: Literal["default", "settings", "tuned"]  # tuned: learned, and stored with the version
    reranker: str = ""  # that reads the best candidates again; empty: none
    rerank_weight: float = 0.0  # of the reranker; the arms share the rest


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
    modality: str = "text"  # of the chunk
    from_ms: int | None = None  # milliseconds of the recording in which it is heard
    to_ms: int | None = None
    dataset: str = ""
    version: int = 0
    before: list[Neighbour] = field(default_factory=list)  # when asked for, in reading order
    after: list[Neighbour] = field(default_factory=list)
    more: list[str] = field(default_factory=list)  # by item: its other candidates, best first


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What may have been meant by a word of the query that no text has."""

    word: str
    instead: list[str]  # the likeliest first


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits of one query, best first, on one version or on several datasets at a time."""

    dataset: str  # the first one, when there are several
    version: int
    query: str
    mode: Mode
    hits: list[Hit]
    fusion: FusionChoice | None = None  # None where one arm ranks alone
    reading: Reading = "words"  # how the query was read
    suggestions: list[Suggestion] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)  # D@V of each one searched
    offset: int = 0  # hits that come before these
    next: str | None = None  # cursor of the page after this one; None: there is none
    like: Likeness | None = None  # what was given instead of a query


# ---------------------------------------------------------------- facets


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a field, and how many items have it."""

    value: str
    items: int


@dataclass(frozen=True, slots=True)
class Bin:
    """How many numbers lie in `[low, high)`; of the last one `high` belongs to it."""

    low: float
    high: float
    items: int


@dataclass(frozen=True, slots=True)
class Facet:
    """How items spread over the values of a field; `bins` are those of many numbers."""

    field: str
    values: list[FacetValue]  # the most frequent first
    bins: list[Bin]
    others: int  # values that are not listed
    missing: int  # items without the field


FieldKind = Literal["value", "number", "time", "text"]  # value: few, shared by many items


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A field that items of a version have, as filters name it."""

    name: str
    kind: FieldKind


@dataclass(frozen=True, slots=True)
class HistogramBin:
    """How many items have a value in `[low, high)`, both as a filter takes them."""

    low: str
    high: str
    items: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """How items spread over the numbers or the times of a field."""

    field: str
    kind: Literal["number", "time"]
    bins: list[HistogramBin]  # without gaps, ascending
    missing: int  # items without a number, or without a time, in the field


@dataclass(frozen=True, slots=True)
class Projection:
    """Items of a version as points in a plane, near each other where their vectors are.

    The lists have an entry for each point.
    """

    dataset: str
    version: int
    space: str  # embedding space
    method: str  # pca, umap
    items: list[str]  # ids
    x: list[float]
    y: list[float]
    labels: list[str]  # values of the field that was asked for; empty without one
    explained: list[float]  # share of the variance that each axis shows; none of umap
    placed: int  # items on the map; filters leave some of them out of the lists
    total: int  # items of the version with a vector: more than `placed` when a sample is shown

    @property
    def sampled(self) -> bool:
        """True when not all items are on the map."""
        return self.placed < self.total


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
    modality: str = "text"
    from_ms: int | None = None  # milliseconds of the recording in which it is heard
    to_ms: int | None = None
    before: list[Neighbour] = field(default_factory=list)  # when asked for, in reading order
    after: list[Neighbour] = field(default_factory=list)


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
    synthetic: str = ""  # the model that made it, NAME@NUMBER; empty: none did
    tags: list[str] = field(default_factory=list)
    snippet: str = ""  # the beginning of its text, when asked for


@dataclass(frozen=True, slots=True)
class Media:
    """Bytes, and what they are."""

    content: bytes
    media_type: str


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

QueryOrigin = Literal["golden", "sampled"]  # queries kept with the dataset, or sentences of it


@dataclass(frozen=True, slots=True)
class Difference:
    """Means of a measure for the same queries, searched in two ways."""

    before: float
    after: float
    difference: float
    low: float  # bounds of its 95 % confidence interval, by paired bootstrap
    high: float
    p_value: float  # two-sided


@dataclass(frozen=True, slots=True)
class RankedItem:
    """An item where a ranking has it."""

    name: str
    grade: int | None  # how well it answers the query; None: nobody has judged that


@dataclass(frozen=True, slots=True)
class QueryLoss:
    """A query with a lower nDCG@10 than before, and the first ten items of both rankings."""

    query_id: str
    query: str
    before: float
    after: float
    ranking_before: list[RankedItem]
    ranking_after: list[RankedItem]


@dataclass(frozen=True, slots=True)
class RankingComparison:
    """Two ways to search, measured with the same queries."""

    before: str  # D@V, settings and mode
    after: str
    measures: dict[str, Difference]
    better: int  # queries with a higher nDCG@10
    worse: int
    same: int
    losses: list[QueryLoss]  # as many as were asked for, the largest first


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether quality is as it has to be."""

    passed: bool
    mode: Mode
    ndcg: float
    reasons: list[str]  # why it did not pass


@dataclass(frozen=True, slots=True)
class RetrievalEvaluation:
    """Mean measures per mode, `modes["hybrid"]["ndcg@10"]`, and comparisons."""

    dataset: str
    version: int
    queries: int
    modes: dict[str, dict[str, float]]
    comparisons: list[RankingComparison] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)  # that were other than the workspace's
    gate: GateResult | None = None
    evaluation: str = ""  # id under which it is kept
    created: datetime | None = None
    # Of `modes`, 95 %, by bootstrap over the queries; measurements of before have none.
    intervals: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TuningRow:
    """One way to fuse, measured."""

    method: FusionMethod
    vector_weight: float | None  # None: it has none
    ndcg: float  # mean nDCG@10
    low: float  # bounds of its 95 % confidence interval, by bootstrap
    high: float
    behind: float  # mean difference to the best
    error: float  # standard error of that difference
    chosen: bool
    rerank_weight: float = 0.0  # of the reranker that was tried; 0: without it


@dataclass(frozen=True, slots=True)
class TuningReport:
    """How a dataset is best fused, learned from judged queries."""

    dataset: str
    version: int  # the newest; when the choice was stored, the one that has it
    queries: int
    folds: int
    rows: list[TuningRow]
    before: FusionChoice
    chosen: FusionChoice
    held_out: Difference  # nDCG@10 of queries that the choice was not learned from
    stored: bool
    note: str = ""  # why the choice is not what the rows say, or was not stored


@dataclass(frozen=True, slots=True)
class GoldenQuery:
    """A query of a dataset with what should be found for it."""

    query_id: str
    query: str
    documents: dict[str, int]  # name of an item -> how well it answers; 0 is not at all
    feedback: list[str] = field(default_factory=list)  # ids of what judgements were made of


@dataclass(frozen=True, slots=True)
class Timing:
    """How long something took, run by run."""

    runs: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class SearchTiming:
    """How long searches took whose query was encoded before."""

    mode: Mode
    where: list[str]
    timing: Timing


@dataclass(frozen=True, slots=True)
class Throughput:
    """Hybrid searches of new queries, their encoding included."""

    threads: int
    per_second: float


@dataclass(frozen=True, slots=True)
class SpeedReport:
    """How fast this machine searches a version, and takes in texts like its own."""

    dataset: str
    version: int
    items: int
    chunks: int
    bytes_per_chunk: float  # of parts, vectors and keywords, without the originals
    cores: int  # that this process may use
    encoder: str
    queries: int  # different ones
    origin: QueryOrigin
    open_ms: float  # both indexes read, checked and searched once
    encoding: Timing  # of one query
    searches: list[SearchTiming]
    throughput: list[Throughput]
    encoded: int  # chunks of the sample
    encoded_per_second: float


@dataclass(frozen=True, slots=True)
class SpaceQuality:
    """How well a version is searched with the vectors of one encoder."""

    space: str
    encoder: str  # the setting encoder.name that opens it; empty when nobody wrote it down
    modes: dict[str, dict[str, float]]  # mode -> measure -> mean; empty: it could not be measured


@dataclass(frozen=True, slots=True)
class SpaceComparison:
    """Two embedding spaces of the same chunks, measured on the dataset's golden queries."""

    queries: int
    before: SpaceQuality
    after: SpaceQuality


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
    moved: list[str] = field(default_factory=list)  # what was moved aside; where it is now

    @property
    def healthy(self) -> bool:
        """True when nothing is wrong."""
        return not self.findings


# ---------------------------------------------------------------- differences

ChangeKind = Literal["added", "removed", "moved", "changed"]


@dataclass(frozen=True, slots=True)
class ComparedVersion:
    """One side of a comparison; version 0 is the nothing before a first version."""

    dataset: str
    version: int
    digest: str
    items: int
    chunks: int
    space: str
    settings: str  # digest of what shaped the chunks
    synthetic: int = 0  # of the items, those that a model made


@dataclass(frozen=True, slots=True)
class DiffCounts:
    """How many sources, and chunks, differ between two versions; all of them, listed or not."""

    added: int  # only in the version after
    removed: int  # only in the version before
    moved: int  # the same bytes under another source
    changed: int  # other bytes, or read with other settings
    same: int
    chunks_added: int
    chunks_removed: int


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field with another value; a long value is the piece around the first difference."""

    field: str  # "title", "size", …; "metadata.a.b" for nested metadata
    before: Any  # JSON; None where there was none
    after: Any


@dataclass(frozen=True, slots=True)
class TextHunk:
    """Lines that differ, with the lines around them."""

    before: int  # number of the first line in the old text, from 1
    after: int  # and in the new one
    lines: list[str]  # each begins with "-" (old), "+" (new) or " " (both)


@dataclass(frozen=True, slots=True)
class TextChange:
    """Two texts that are not equal, line by line."""

    hunks: list[TextHunk]
    cut: bool  # more differs than the hunks show


@dataclass(frozen=True, slots=True)
class ItemChange:
    """One source that is not the same in two versions."""

    kind: ChangeKind
    source: str  # of a removed one: where it was
    was: str | None  # of a moved one: its source before
    name: str
    title: str
    before: str | None  # id of its item
    after: str | None
    fields: list[FieldChange]
    text: TextChange | None  # None when it is equal, or was not compared
    synthetic: str = ""  # the model that made its item, NAME@NUMBER; empty: none did


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """What changed between two versions."""

    before: ComparedVersion
    after: ComparedVersion
    counts: DiffCounts
    items: list[ItemChange]  # a page of each kind

    @property
    def reembedded(self) -> bool:
        """True when the vectors are of another embedding space."""
        return bool(self.before.version) and self.before.space != self.after.space

    @property
    def resettled(self) -> bool:
        """True when other settings shaped the chunks."""
        return bool(self.before.version) and self.before.settings != self.after.settings


@dataclass(frozen=True, slots=True)
class ItemComparison:
    """In what two items differ."""

    first: str  # ids
    second: str
    fields: list[FieldChange]
    text: TextChange | None  # None when it is equal


# ---------------------------------------------------------------- jobs

JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True, slots=True)
class JobResult:
    """What an ingestion that is done has made."""

    version: int
    items: ItemCounts
    chunks: int  # written by this job
    resumed: int  # of these, chunks taken over from an earlier try
    seconds: float  # of the last try
    note: str = ""  # what went wrong after the version stood
    duplicates: DuplicateCounts = field(default_factory=DuplicateCounts)


@dataclass(frozen=True, slots=True)
class ReembedResult:
    """The end of a re-embedding job."""

    job: str
    dataset: str
    version: int  # the newest; when nothing was switched, the one that was there
    switched: bool  # False: the new encoder was worse, and the old vectors stay
    encoder: str
    space: str
    space_before: str
    chunks: int  # that were given a vector of the new space
    resumed: int  # of these, chunks taken over from an earlier try
    comparison: SpaceComparison | None  # None without golden queries
    seconds: float  # of the last try
    note: str = ""  # why there is no comparison, or only half of one


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that came over HTTP and is kept."""

    upload: str  # ULID, of all files that come together
    name: str  # as it is kept: made safe, with a number where it was taken
    size: int  # bytes
    source: str  # what its items will be of: upload:ULID/NAME


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed, and the way out."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What came of a training."""

    model: str  # NAME@NUMBER
    run: str
    steps: int
    loss: float  # the best on what is held out
    bits_per_byte: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class MapResult:
    """A map that was made."""

    version: int
    space: str
    method: str
    placed: int  # items on it
    seconds: float


@dataclass(frozen=True, slots=True)
class JobInfo:
    """One job: what was asked for, how far it is, what came of it."""

    job: str
    kind: str  # ingest, reembed, train, map
    dataset: str
    state: JobState
    created: datetime
    started: datetime | None  # the last try
    ended: datetime | None
    sources: list[str]
    message: str
    progress: JobProgress | None  # as last heard
    result: JobResult | ReembedResult | TrainResult | MapResult | None  # when it is done
    error: JobError | None  # when it failed
    revision: int = 0  # another number whenever there is news of a job that a server runs
    quarantine: list[QuarantineInfo] = field(default_factory=list)  # empty in lists of jobs
    encoder: str = ""  # of a re-embedding: the new one
    family: str = ""  # of a training
    model: str = ""  # of a training: the name that the model is to have

    @property
    def ended_for_good(self) -> bool:
        """True when nothing more happens unless somebody asks for it."""
        return self.state not in {"queued", "running"}


# ---------------------------------------------------------------- at a glance


@dataclass(frozen=True, slots=True)
class DatasetOverview:
    """The newest version of a dataset."""

    name: str
    version: int
    items: int
    chunks: int
    bytes: int  # of the items, as they came
    modalities: dict[str, int]  # items of each
    quarantined: int
    changed: datetime


@dataclass(frozen=True, slots=True)
class StorageUse:
    """What one part of a workspace takes."""

    area: str  # originals, datasets, uploads, models, jobs, quarantine, catalog
    bytes: int


@dataclass(frozen=True, slots=True)
class QualityPoint:
    """One number of an evaluation that is kept: of search, or of answers."""

    evaluation: str  # id
    dataset: str
    version: int
    created: datetime
    measure: str  # ndcg@10 of hybrid search; f1 of the last generator's answers
    value: float


@dataclass(frozen=True, slots=True)
class Overview:
    """The workspace at a glance."""

    datasets: list[DatasetOverview]  # by name
    modalities: dict[str, int]  # items of each, in all datasets, the most first
    storage: list[StorageUse]  # without what takes nothing
    jobs: list[JobInfo]  # the newest
    running: int  # jobs that run or wait
    quarantined: int
    quality: list[QualityPoint]  # the oldest first


# ---------------------------------------------------------------- versions: tags, gc, forget


@dataclass(frozen=True, slots=True)
class TagInfo:
    """A name for a version; gc keeps what has one."""

    dataset: str
    tag: str
    version: int
    message: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Collection:
    """What gc deleted, or would delete."""

    dry_run: bool
    versions: list[str]  # D@V
    files: int  # and folders
    bytes: int  # freed
    answers: int  # stored answers that cannot be replayed without these versions


@dataclass(frozen=True, slots=True)
class ForgetReceipt:
    """What was erased for real, from which versions, and which answers had used it."""

    id: str
    created: datetime
    reason: str
    items: list[str]  # ids
    sources: int
    chunks: int
    versions: list[str]  # D@V, all that held an item
    answers: list[str]  # ids of stored answers that had used an item; erased with it
    learnt: list[str] = field(default_factory=list)  # models and datastores whose data held an item
    deleted: list[str] = field(default_factory=list)  # those of them that were deleted with it
    made: list[str] = field(default_factory=list)  # items, still there, that those models made


# ---------------------------------------------------------------- export, import, backup


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A version that was written to a folder."""

    dataset: str
    version: int
    digest: str
    content: str
    folder: str
    items: int
    chunks: int
    originals: int  # files
    files: int
    bytes: int  # of all files
    seconds: float


@dataclass(frozen=True, slots=True)
class ImportResult:
    """An export that was taken into a dataset."""

    dataset: str
    version: int  # the newest; unchanged when the dataset held everything
    content: str
    origin: str  # D@V in the workspace it was exported from
    origin_digest: str
    items: ItemCounts
    chunks: int  # written by this import
    originals: int  # files taken over
    seconds: float


@dataclass(frozen=True, slots=True)
class BackupResult:
    """A backup that was made."""

    folder: str
    created: datetime  # the moment it holds
    datasets: int
    versions: int
    files: int
    bytes: int  # of all files, as if each were there by itself
    copied_bytes: int  # what it costs on the disk
    linked_files: int  # that cost nothing: an earlier backup, or this one, holds the same bytes
    earlier: str | None  # the backup it was linked with
    damaged: list[str]  # files that were not as promised in the workspace already
    seconds: float


@dataclass(frozen=True, slots=True)
class BackupCheck:
    """What was found when the files of a backup were compared with their digests."""

    folder: str
    created: datetime
    files: int
    bytes: int
    findings: list[Finding]

    @property
    def healthy(self) -> bool:
        """True when nothing is wrong."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """A workspace that was made from a backup."""

    backup: str
    workspace: str
    created: datetime  # the moment it holds
    datasets: int
    versions: int
    files: int
    bytes: int
    damaged: list[str]  # files that were damaged already when the backup was made
    later_forgets: list[str]  # receipts in later backups: what they erased is back
    seconds: float
