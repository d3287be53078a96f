"""Routes about stored answers: made again, explained, and what was made from an item."""

from typing import Annotated

from fastapi import Query

from ragstone.schemas.tracing import Explanation, Replay, Trace
from ragstone.server.auth import Action
from ragstone.server.guards import Owned, guarded, may, named_record
from ragstone.server.models import Page

router = guarded()


@router.post("/answers/{id}/replay", dependencies=[may(Action.ASK, named_record)])
def replay(ws: Owned, id: str) -> Replay:  # noqa: A002
    """Make a stored answer again, and say what is not byte for byte as it was."""
    return ws.replay(id)


@router.get("/answers/{id}/explain", dependencies=[may(Action.READ, named_record)])
def explain(ws: Owned, id: str) -> Explanation:  # noqa: A002
    """Follow each sentence of a stored answer to the bytes of its sources."""
    return ws.explain(id)


@router.get("/items/{id}/trace", dependencies=[may(Action.READ, named_record)])
def trace(ws: Owned, id: str, page: Annotated[Page, Query()]) -> Trace:  # noqa: A002
    """List the answers that an item was found for, newest first."""
    return ws.trace(id, limit=page.limit, offset=page.offset)
