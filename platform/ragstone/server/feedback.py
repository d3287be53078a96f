"""Routes about feedback: given on an answer, listed, reviewed, and written out for training."""

from typing import Annotated

from fastapi import Query

from ragstone.schemas.feedback import Feedback, FeedbackExport
from ragstone.server.auth import Action
from ragstone.server.feedback_models import (
    AcceptRequest,
    FeedbackExportRequest,
    FeedbackFilter,
    FeedbackRequest,
)
from ragstone.server.guards import Caller, Owned, guarded, may, named_record
from ragstone.server.models import server_path

router = guarded()


@router.post("/answers/{id}/feedback", dependencies=[may(Action.RATE, named_record)])
def give(ws: Owned, caller: Caller, id: str, body: FeedbackRequest) -> Feedback:  # noqa: A002
    """Keep what the caller says of a stored answer."""
    return ws.feedback(
        id,
        good=body.good,
        reason=body.reason,
        comment=body.comment,
        answer_text=body.answer_text,
        principal=caller.name,
    )


@router.get("/feedback", dependencies=[may(Action.READ)])
def listed(ws: Owned, chosen: Annotated[FeedbackFilter, Query()]) -> list[Feedback]:
    """List the feedback, on one dataset or in one state when given, newest first."""
    return ws.list_feedback(chosen.dataset, state=chosen.state)


@router.post("/feedback/{id}/accept", dependencies=[may(Action.REVIEW, named_record)])
def accept(ws: Owned, caller: Caller, id: str, body: AcceptRequest) -> Feedback:  # noqa: A002
    """Accept feedback, and make its question a golden query where items answer it."""
    return ws.accept_feedback(id, items=body.items, principal=caller.name)


@router.post("/feedback/{id}/reject", dependencies=[may(Action.REVIEW, named_record)])
def reject(ws: Owned, caller: Caller, id: str) -> Feedback:  # noqa: A002
    """Reject feedback; judgements that were made of it are taken back."""
    return ws.reject_feedback(id, principal=caller.name)


@router.post("/feedback/export", dependencies=[may(Action.COPY)])
def export(ws: Owned, body: FeedbackExportRequest) -> FeedbackExport:
    """Write what accepted feedback teaches into a new file of the server's machine."""
    return ws.export_feedback(server_path("file", body.file), body.use, dataset=body.dataset)
