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
from ragstone.server.body import Body

_SYNTHETIC = 'true: what models made may be found, too; "only": nothing else.'


class SearchRequest(Body):
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


class SimilarRequest(Body):
    """Body of `POST /v1/similar`."""

    id: str = Field(description="Of an item or a chunk, whole or as a prefix.")
    k: int = Field(10, description="Most hits to return.")
    where: list[str] = Field([], description="Filters, all of which must hold: `year>=2020`.")
    dataset: str | None = Field(None, description="`D`, or `D@V`; null takes its own one.")
    synthetic: Synthetic = Field(False, description=_SYNTHETIC)


class AskRequest(Body):
    """Body of `POST /v1/ask`."""

    question: str
    dataset: str = Field(description="`D`, or `D@V` for an old version.")
    generator: str | None = Field(None, description="As in the setting generation.generator.")
    where: list[str] = Field([], description="Filters, all of which must hold: `year>=2020`.")
    session: str | None = Field(None, description="Id or name of a session; a new name begins one.")
    stream: bool = Field(False, description="Send the answer as events, while it is written.")
    synthetic: Synthetic = Field(False, description=_SYNTHETIC)


class DeleteRequest(Body):
    """Body of `POST /v1/datasets/{name}/delete`."""

    items: list[str] = Field(description="Item ids, whole or as a prefix.")
    message: str = ""


class IngestRequest(Body):
    """Body of `POST /v1/datasets/{name}/ingest`."""

    sources: list[str] = Field(
        description="Files and folders, absolute on the server's machine, and addresses."
    )
    message: str = ""
    text: list[str] = Field([], description="Columns of tables that hold the text.")
    id: str | None = Field(None, description="Column of tables that names a row.")
    options: dict[str, Any] = Field({}, description="How to read them: see docs/sources.md.")


class SyncRequest(Body):
    """Body of `POST /v1/datasets/{name}/sync`."""

    message: str = ""


class EntriesRequest(Body):
    """Body of `POST /v1/datasets/{name}/quarantine/retry` and `…/drop`."""

    entries: list[str] = Field([], description="Ids of entries; to retry, none stands for all.")


class PolicyRequest(Body):
    """Body of `POST /v1/datasets/{name}/duplicates/policy`."""

    keep: dict[str, str] = Field({}, description="By kind: first, best, newest or all.")
    thresholds: dict[str, float] = Field({}, description="By kind: the largest distance.")
    undo: bool = Field(False, description="Show everything, but for the kinds that are named.")
    message: str = ""


class CalibrateRequest(Body):
    """Body of `POST /v1/datasets/{name}/duplicates/calibrate`."""

    pairs: str | None = Field(None, description="CSV, absolute on the server's machine.")
    precision: float = Field(0.95, gt=0, le=1)


class ReembedRequest(Body):
    """Body of `POST /v1/datasets/{name}/reembed`."""

    encoder: str = Field(description="As in the setting encoder.name; folders are absolute.")
    message: str = ""
    if_better: bool = Field(False, description="Switch only when golden queries fare no worse.")


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
