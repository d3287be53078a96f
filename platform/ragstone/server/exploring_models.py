"""What the routes to look around with take in."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ragstone.schemas.synthetic import Synthetic
from ragstone.server.body import Body


class TagItemsRequest(Body):
    """Body of `POST /v1/datasets/{name}/items/tags`."""

    items: list[str] = Field(description="Item ids, whole or as a prefix.")
    add: list[str] = Field([], description="Tags.")
    remove: list[str] = Field([], description="Tags.")
    message: str = ""


class MapRequest(Body):
    """Body of `POST /v1/datasets/{name}/map`."""

    space: str = Field("", description="Embedding space; empty takes that of the texts.")
    method: str = Field("umap", description="pca or umap.")


class FacetQuery(BaseModel):
    """Query string of `GET /v1/datasets/{name}/facets`; `fields` and `where` may be repeated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fields: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    limit: int = 20


class ItemsQuery(BaseModel):
    """Query string of `GET /v1/datasets/{name}/items`; `where` may be repeated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: tuple[str, ...] = ()
    order: str = ""
    snippet: int = 0
    synthetic: Synthetic = True
    offset: int = 0
    limit: int = 50


class CountQuery(BaseModel):
    """Query string of `GET /v1/datasets/{name}/count`; `where` may be repeated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: tuple[str, ...] = ()
    synthetic: Synthetic = True


class HistogramQuery(BaseModel):
    """Query string of `GET /v1/datasets/{name}/histogram`; `where` may be repeated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str
    where: tuple[str, ...] = ()
    bins: int = 20
    synthetic: Synthetic = False


class ProjectionQuery(BaseModel):
    """Query string of `GET /v1/datasets/{name}/projection`; `where` may be repeated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: str = ""
    method: str = "pca"
    label: str = ""
    where: tuple[str, ...] = ()
    synthetic: Synthetic = False
