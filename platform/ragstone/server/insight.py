"""Routes that look back: at answers, at pages, and at what a change would do."""

from typing import Annotated

from fastapi import Query, Response

from ragstone.schemas.answers import AnswerList
from ragstone.schemas.api import DuplicatePreview, GoldenQuery, ItemComparison
from ragstone.schemas.insight import About, Usage
from ragstone.server.auth import Action, Resource
from ragstone.server.guards import Owned, guarded, may, named_dataset, named_record
from ragstone.server.insight_models import (
    AnswersFilter,
    GoldenQueryRequest,
    PreviewRequest,
    Quoted,
    UsageFilter,
)

router = guarded()


@router.get("/answers", dependencies=[may(Action.READ)])
def answers(ws: Owned, chosen: Annotated[AnswersFilter, Query()]) -> AnswerList:
    """List the stored answers, newest first."""
    return ws.answers(
        chosen.dataset, session=chosen.session, limit=chosen.limit, offset=chosen.offset
    )


@router.get("/items/{id}/pages/{page}", dependencies=[may(Action.READ, named_record)])
def page_image(
    ws: Owned,
    id: str,  # noqa: A002
    page: int,
    asked: Annotated[Quoted, Query()],
) -> Response:
    """Send a page of a PDF as a picture, with a quote marked where it stands."""
    media = ws.page_image(id, page, quote=asked.quote)
    headers = {"X-Content-Type-Options": "nosniff"}
    return Response(media.content, media_type=media.media_type, headers=headers)


@router.post(
    "/datasets/{name:path}/duplicates/preview", dependencies=[may(Action.READ, named_dataset)]
)
def preview_duplicates(ws: Owned, name: str, body: PreviewRequest) -> DuplicatePreview:
    """Say what another policy would make of `D` or `D@V`; nothing is changed."""
    return ws.preview_duplicates(
        name,
        keep=body.keep,
        thresholds=body.thresholds,
        undo=body.undo,
        kind=body.kind,
        limit=body.limit,
        offset=body.offset,
    )


def _both(id: str, other: str) -> list[Resource]:  # noqa: A002
    return [Resource("record", id), Resource("record", other)]


@router.get("/items/{id}/compare/{other}", dependencies=[may(Action.READ, _both)])
def compare_items(ws: Owned, id: str, other: str) -> ItemComparison:  # noqa: A002
    """Say in what two items differ: fields, and texts line by line."""
    return ws.compare_items(id, other)


@router.post(
    "/datasets/{name:path}/golden/query", dependencies=[may(Action.EVALUATE, named_dataset)]
)
def add_golden_query(ws: Owned, name: str, body: GoldenQueryRequest) -> GoldenQuery:
    """Keep one golden query with the items that answer it."""
    return ws.add_golden_query(name, body.query, body.items)


@router.get("/about", dependencies=[may(Action.MEND)])
def about(ws: Owned) -> About:
    """Say what the server runs with: settings and who says so, libraries, encoders."""
    return ws.about()


@router.get("/usage", dependencies=[may(Action.WATCH)])
def usage(ws: Owned, chosen: Annotated[UsageFilter, Query()]) -> Usage:
    """Say what was asked in the last days: how often, how fast, and what people said of it."""
    return ws.usage(chosen.days, chosen.dataset)
