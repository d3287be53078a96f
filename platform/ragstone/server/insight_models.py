"""What the routes that look back take in."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AnswersFilter(_Query):
    """Query string of `GET /v1/answers`."""

    dataset: str | None = None
    session: str | None = Field(None, description="Id or name of a session.")
    offset: int = 0
    limit: int = 50


class Quoted(_Query):
    """Query string of `GET /v1/items/{id}/pages/{page}`."""

    quote: str = Field("", description="Words of the page to mark.")


class PreviewRequest(BaseModel):
    """Body of `POST /v1/datasets/{name}/duplicates/preview`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    keep: dict[str, str] = Field({}, description="By kind: first, best, newest or all.")
    thresholds: dict[str, float] = Field({}, description="By kind: the largest distance.")
    undo: bool = Field(False, description="Show everything, but for the kinds that are named.")
    kind: str | None = Field(None, description="List the groups of this kind alone.")
    limit: int = 50
    offset: int = 0


class GoldenQueryRequest(BaseModel):
    """Body of `POST /v1/datasets/{name}/golden/query`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    query: str
    items: list[str] = Field(description="Ids of items that answer it, whole or as a prefix.")


class UsageFilter(_Query):
    """Query string of `GET /v1/usage`."""

    days: int = 30
    dataset: str | None = None
