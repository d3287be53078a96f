"""Routes to look around with: pages of items, how they spread."""

from typing import Annotated

from fastapi import Query

from ragstone.schemas.api import (
    Facet,
    FieldInfo,
    Histogram,
    ItemSummary,
    JobInfo,
    Projection,
    VersionInfo,
)
from ragstone.server.auth import Action
from ragstone.server.exploring_models import (
    CountQuery,
    FacetQuery,
    HistogramQuery,
    ItemsQuery,
    MapRequest,
    ProjectionQuery,
    TagItemsRequest,
)
from ragstone.server.guards import Owned, guarded, may, named_dataset

router = guarded()


@router.get("/datasets/{name:path}/items", dependencies=[may(Action.READ, named_dataset)])
def items(ws: Owned, name: str, asked: Annotated[ItemsQuery, Query()]) -> list[ItemSummary]:
    """List a page of the items of `D` or `D@V` that pass all filters."""
    return ws.items(
        name,
        where=asked.where,
        offset=asked.offset,
        limit=asked.limit,
        order=asked.order,
        snippet=asked.snippet,
        synthetic=asked.synthetic,
    )


@router.get("/datasets/{name:path}/count", dependencies=[may(Action.READ, named_dataset)])
def count_items(ws: Owned, name: str, asked: Annotated[CountQuery, Query()]) -> int:
    """Count the items of `D` or `D@V` that pass all filters."""
    return ws.count_items(name, where=asked.where, synthetic=asked.synthetic)


@router.get("/datasets/{name:path}/fields", dependencies=[may(Action.READ, named_dataset)])
def fields(ws: Owned, name: str) -> list[FieldInfo]:
    """Say which fields the items of `D` or `D@V` have, and what kind they are."""
    return ws.fields(name)


@router.get("/datasets/{name:path}/facets", dependencies=[may(Action.READ, named_dataset)])
def facets(ws: Owned, name: str, asked: Annotated[FacetQuery, Query()]) -> list[Facet]:
    """Say how the items of `D` or `D@V` spread over the values of fields."""
    return ws.facets(name, asked.fields, where=asked.where, limit=asked.limit)


@router.get("/datasets/{name:path}/histogram", dependencies=[may(Action.READ, named_dataset)])
def histogram(ws: Owned, name: str, asked: Annotated[HistogramQuery, Query()]) -> Histogram:
    """Say how the items of `D` or `D@V` spread over the numbers or times of a field."""
    return ws.histogram(
        name, asked.field, where=asked.where, bins=asked.bins, synthetic=asked.synthetic
    )


@router.get("/datasets/{name:path}/spaces", dependencies=[may(Action.READ, named_dataset)])
def spaces(ws: Owned, name: str) -> list[str]:
    """List the embedding spaces that `D` or `D@V` has vectors in."""
    return ws.spaces(name)


@router.get("/datasets/{name:path}/projection", dependencies=[may(Action.READ, named_dataset)])
def projection(ws: Owned, name: str, asked: Annotated[ProjectionQuery, Query()]) -> Projection:
    """Show a map of `D` or `D@V`: its items as points, alike ones near each other."""
    return ws.projection(
        name,
        space=asked.space,
        method=asked.method,
        label=asked.label,
        where=asked.where,
        synthetic=asked.synthetic,
    )


@router.post("/datasets/{name:path}/items/tags", dependencies=[may(Action.LABEL, named_dataset)])
def tag_items(ws: Owned, name: str, body: TagItemsRequest) -> VersionInfo:
    """Publish a version of the dataset in which items have other tags."""
    return ws.tag_items(name, body.items, add=body.add, remove=body.remove, message=body.message)


@router.post("/datasets/{name:path}/map", dependencies=[may(Action.READ, named_dataset)])
def submit_map(ws: Owned, name: str, body: MapRequest) -> JobInfo:
    """Put the making of a map of `D` or `D@V` in the queue, and return the job at once."""
    return ws.submit_map(name, space=body.space, method=body.method)
