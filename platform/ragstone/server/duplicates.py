"""Routes about what is there twice."""

from typing import Annotated

from fastapi import Query

from ragstone.schemas.api import CalibrationReport, DuplicateGroup, DuplicateReport
from ragstone.server.auth import Action
from ragstone.server.guards import Owned, guarded, may, named_dataset
from ragstone.server.models import CalibrateRequest, Page, PolicyRequest, server_path

router = guarded()


@router.get("/datasets/{name:path}/duplicates", dependencies=[may(Action.READ, named_dataset)])
def duplicates(ws: Owned, name: str, page: Annotated[Page, Query()]) -> DuplicateReport:
    """Say what is there twice in `D` or `D@V`, and what the policy hides."""
    return ws.duplicates(name, limit=page.limit, offset=page.offset)


@router.get(
    "/datasets/{name:path}/duplicates/{group}", dependencies=[may(Action.READ, named_dataset)]
)
def group(ws: Owned, name: str, group: str) -> DuplicateGroup:
    """Show one group of duplicates with the pairs that connect it."""
    return ws.duplicate_group(name, group)


@router.post(
    "/datasets/{name:path}/duplicates/policy", dependencies=[may(Action.DELETE, named_dataset)]
)
def policy(ws: Owned, name: str, body: PolicyRequest) -> DuplicateReport:
    """Decide anew which duplicates are hidden, as one new version."""
    return ws.set_duplicate_policy(
        name, keep=body.keep, thresholds=body.thresholds, undo=body.undo, message=body.message
    )


@router.post(
    "/datasets/{name:path}/duplicates/calibrate",
    dependencies=[may(Action.EVALUATE, named_dataset)],
)
def calibrate(ws: Owned, name: str, body: CalibrateRequest) -> CalibrationReport:
    """Say how near two vectors have to be to mean the same."""
    pairs = body.pairs and server_path("pairs", body.pairs)
    return ws.calibrate_duplicates(name, pairs=pairs or None, precision=body.precision)
