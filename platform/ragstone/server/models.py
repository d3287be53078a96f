"""What the HTTP API takes in; what it gives back is in `ragstone.schemas.api`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ragstone.schemas.api import Mode


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SearchRequest(_Request):
    """Body of `POST /v1/search`."""

    query: str
    dataset: str = Field(description="`D`, or `D@V` for an old version.")
    k: int = Field(10, description="Most hits to return.")
    mode: Mode = "hybrid"
    where: list[str] = Field([], description="Filters, all of which must hold: `year>=2020`.")


class AskRequest(_Request):
    """Body of `POST /v1/ask`."""

    question: str
    dataset: str = Field(description="`D`, or `D@V` for an old version.")
    generator: str | None = Field(None, description="As in the setting generation.generator.")
    where: list[str] = Field([], description="Filters, all of which must hold: `year>=2020`.")


class DeleteRequest(_Request):
    """Body of `POST /v1/datasets/{name}/delete`."""

    items: list[str] = Field(description="Item ids, whole or as a prefix.")
    message: str = ""


class Page(BaseModel):
    """Query string of `GET /v1/datasets/{name}/items`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    offset: int = 0
    limit: int = 50


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
