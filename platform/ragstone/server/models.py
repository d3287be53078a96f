"""What the HTTP API takes in; what it gives back is in `ragstone.schemas.api`."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ragstone.errors import InvalidArgument
from ragstone.schemas.api import JobState, Mode
from ragstone.schemas.synthetic import Synthetic

_SYNTHETIC = 'true: what models made may be found, too; "only": nothing else.'


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SearchRequest(_Request):
    """Body of `POST /v1/search`."""

    query: str
    dataset: str | list[str] = Field(
        description="`D`, or `D@V` for an old version; or a list, to search them together."
    )
    k: int = Field(10, description="Most hits to return.")
    mode: Mode = "hybrid"
    where: list[str] = Field([], description="Filters, all of which must hold: `year>=2020`.")
    image: str | None = Field(None, description="A picture in base64: what resembles it is found.")
    audio: str | None = Field(None, description="A recording in base64, likewise.")
    rerank: bool | None = Field(
        None, description="Read the best candidates again; null: as tuned, or as the settings say."
    )
    offset: int = Field(0, description="Hits to pass over.")
    after: str | None = Field(None, description="`next` of a result: the page that follows it.")
    group: bool = Field(False, description="One hit for each item: its best chunk.")
    neighbours: int = Field(0, description="Chunks before and after each hit.")
    synthetic: Synthetic = Field(False, description=_SYNTHETIC)


class SimilarRequest(_Request):
    """Body of `POST /v1/similar`."""

    id: str = Field(description="Of an item or a chunk, whole or as a prefix.")
    k: int = Field(10, description="Most hits to return.")
    where: list[str] = Field([], description="Filters, all of which must hold: `year>=2020`.")
    dataset: str | None = Field(None, description="`D`, or `D@V`; null takes its own one.")
    synthetic: Synthetic = Field(False, description=_SYNTHETIC)


class AskRequest(_Request):
    """Body of `POST /v1/ask`."""

    question: str
    dataset: str = Field(description="`D`, or `D@V` for an old version.")
    generator: str | None = Field(None, description="As in the setting generation.generator.")
    where: list[str] = Field([], description="Filters, all of which must hold: `year>=2020`.")
    session: str | None = Field(None, description="Id or name of a session; a new name begins one.")
    stream: bool = Field(False, description="Send the answer as events, while it is written.")
    synthetic: Synthetic = Field(False, description=_SYNTHETIC)


class DeleteRequest(_Request):
    """Body of `POST /v1/datasets/{name}/delete`."""

    items: list[str] = Field(description="Item ids, whole or as a prefix.")
    message: str = ""


class IngestRequest(_Request):
    """Body of `POST /v1/datasets/{name}/ingest`."""

    sources: list[str] = Field(
        description="Files and folders, absolute on the server's machine, and addresses."
    )
    message: str = ""
    text: list[str] = Field([], description="Columns of tables that hold the text.")
    id: str | None = Field(None, description="Column of tables that names a row.")
    options: dict[str, Any] = Field({}, description="How to read them: see docs/sources.md.")


class SyncRequest(_Request):
    """Body of `POST /v1/datasets/{name}/sync`."""

    message: str = ""


class EntriesRequest(_Request):
    """Body of `POST /v1/datasets/{name}/quarantine/retry` and `…/drop`."""

    entries: list[str] = Field([], description="Ids of entries; to retry, none stands for all.")


class PolicyRequest(_Request):
    """Body of `POST /v1/datasets/{name}/duplicates/policy`."""

    keep: dict[str, str] = Field({}, description="By kind: first, best, newest or all.")
    thresholds: dict[str, float] = Field({}, description="By kind: the largest distance.")
    undo: bool = Field(False, description="Show everything, but for the kinds that are named.")
    message: str = ""


class CalibrateRequest(_Request):
    """Body of `POST /v1/datasets/{name}/duplicates/calibrate`."""

    pairs: str | None = Field(None, description="CSV, absolute on the server's machine.")
    precision: float = Field(0.95, gt=0, le=1)


class ReembedRequest(_Request):
    """Body of `POST /v1/datasets/{name}/reembed`."""

    encoder: str = Field(description="As in the setting encoder.name; folders are absolute.")
    message: str = ""
    if_better: bool = Field(False, description="Switch only when golden queries fare no worse.")


class GoldenRequest(_Request):
    """Body of `POST /v1/datasets/{name}/golden`."""

    queries: str = Field(description="JSON lines, absolute on the server's machine.")
    qrels: str = Field(description="TSV, absolute on the server's machine.")


class EvaluateRequest(_Request):
    """Body of `POST /v1/datasets/{name}/evaluate`; without files, the golden queries count."""

    queries: str | None = Field(None, description="JSON lines, absolute on the server's machine.")
    qrels: str | None = Field(None, description="TSV, absolute on the server's machine.")
    modes: list[Mode] = ["keyword", "vector", "hybrid"]
    against: str | None = Field(None, description="`D@V`, to compare each mode with.")
    settings: list[str] = Field([], description="Search with these: `retrieval.fusion=rrf`.")
    worst: int = Field(0, description="So many of the queries that lost most are shown.")


class AnswersRequest(_Request):
    """Body of `POST /v1/datasets/{name}/evaluate/answers`."""

    questions: str = Field(description="File or folder, absolute on the server's machine.")
    generators: list[str] = Field([], description="As in `ask`; none: the one in the settings.")
    against: str | None = Field(None, description="`D@V`, to compare each generator with.")
    settings: list[str] = Field([], description="Answer with these: `generation.passages=4`.")
    limit: int | None = Field(None, description="So many of the questions, drawn from a seed.")
    worst: int = Field(0, description="So many of the questions that lost most are shown.")
    counterfactual: int = Field(
        20, description="So many answers are asked for again without what they cite."
    )


class GateRequest(_Request):
    """Body of `POST /v1/datasets/{name}/gate`; without files, the golden queries count."""

    queries: str | None = Field(None, description="JSON lines, absolute on the server's machine.")
    qrels: str | None = Field(None, description="TSV, absolute on the server's machine.")
    mode: Mode = "hybrid"
    min_ndcg: float | None = Field(None, description="Least nDCG@10.")
    max_drop: float | None = Field(None, description="Most it may be below the other version.")
    against: str | None = Field(None, description="`D@V`; null takes the version before.")


class TuneRequest(_Request):
    """Body of `POST /v1/datasets/{name}/tune`; without files, the golden queries count."""

    queries: str | None = Field(None, description="JSON lines, absolute on the server's machine.")
    qrels: str | None = Field(None, description="TSV, absolute on the server's machine.")
    reranker: str = Field("", description="Tried as well: as in the setting retrieval.reranker.")
    message: str = ""
    dry_run: bool = False


class BenchRequest(_Request):
    """Body of `POST /v1/datasets/{name}/bench`."""

    queries: int = Field(100, description="How many searches each figure is made of.")
    seed: int = Field(0, description="Draws queries and chunks.")


class DoctorRequest(_Request):
    """Body of `POST /v1/doctor`."""

    rebuild: bool = False


class JobFilter(BaseModel):
    """Query string of `GET /v1/jobs`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str | None = None
    state: JobState | None = None
    limit: int | None = None
    offset: int = 0


class News(BaseModel):
    """Query string of `GET /v1/jobs/{id}/events`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: int = -1
    seconds: float = Field(20.0, ge=0, le=60)


class TagRequest(_Request):
    """Body of `POST /v1/datasets/{name}/tag`."""

    tag: str
    message: str = ""
    move: bool = Field(False, description="Let the tag leave the version it names now.")


class UntagRequest(_Request):
    """Body of `POST /v1/datasets/{name}/untag`."""

    tag: str


class ForkRequest(_Request):
    """Body of `POST /v1/datasets/{name}/fork`."""

    name: str = Field(description="Of the new dataset.")
    message: str = ""


class RestoreRequest(_Request):
    """Body of `POST /v1/datasets/{name}/restore`."""

    message: str = ""


class ForgetRequest(_Request):
    """Body of `POST /v1/forget`."""

    items: list[str] = Field(description="Item ids, whole or as a prefix.")
    reason: str = Field("", description="Kept in the receipt.")
    models: bool = Field(False, description="Delete the models that learnt from them as well.")


class GcRequest(_Request):
    """Body of `POST /v1/gc`."""

    datasets: list[str] | None = Field(None, description="Whose versions may go; all if null.")
    keep: int | None = Field(None, description="Keep so many of the newest versions.")
    days: float | None = Field(None, description="Keep versions that are not older.")
    dry_run: bool = False


class ExportRequest(_Request):
    """Body of `POST /v1/datasets/{name}/export`."""

    folder: str = Field(description="Absolute path on the server's machine; new, or empty.")
    licence: str = "unknown"


class ImportRequest(_Request):
    """Body of `POST /v1/datasets/{name}/import`."""

    folder: str = Field(description="Absolute path on the server's machine.")
    message: str = ""


class BackupRequest(_Request):
    """Body of `POST /v1/backup`."""

    target: str = Field(description="Absolute path on the server's machine.")


class Compared(BaseModel):
    """Query string of `GET /v1/diff`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: str
    after: str | None = None
    limit: int = 50
    offset: int = 0
    text: bool = True


class Page(BaseModel):
    """Query string of `GET /v1/items/{id}/trace` and of a page of duplicates."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    offset: int = 0
    limit: int = 50


class Context(BaseModel):
    """Query string of `GET /v1/show/{id}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    around: int = 0


class QuarantineFilter(BaseModel):
    """Query string of `GET /v1/quarantine`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The server answers; needs no token and tells nothing about the data."""

    status: Literal["ok"]
    version: str  # of Ragstone


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What went wrong, and the way out."""

    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """The body of every answer that is not a success."""

    error: ErrorBody


def unpacked(name: str, packed: str | None) -> bytes | None:
    """Return bytes that came as base64.

    Raises
    ------
    InvalidArgument
        They did not.
    """
    if packed is None:
        return None
    try:
        return base64.b64decode(packed, validate=True)
    except ValueError as error:
        raise InvalidArgument(name, f"{packed[:20]}…", "a file in base64") from error


def server_place(name: str, source: str) -> str:
    """Return a source: an address, or a path of this machine.

    Raises
    ------
    InvalidArgument
        It is a relative path.
    """
    from ragstone.ingestion.sources import scheme_of

    return source if scheme_of(source) else str(server_path(name, source))


def server_path(name: str, path: str) -> Path:
    """Return a path of this machine; a relative one would mean the server's current folder.

    Raises
    ------
    InvalidArgument
        It is relative.
    """
    if not Path(path).is_absolute():
        raise InvalidArgument(name, path, "an absolute path on the server's machine")
    return Path(path)
