"""Routes of long work: ask for it, watch it, take it back, have it tried again."""

import asyncio
from typing import Annotated

from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool

from ragstone.schemas.api import JobInfo
from ragstone.server.auth import Action
from ragstone.server.guards import Owned, guarded, may, named_dataset, named_record
from ragstone.server.models import (
    EntriesRequest,
    IngestRequest,
    JobFilter,
    News,
    ReembedRequest,
    SyncRequest,
    server_place,
)

router = guarded()

_LOOK_SECONDS = 0.1  # between two looks for news; a look is one read of a number


@router.post(
    "/datasets/{name:path}/ingest",
    status_code=202,
    dependencies=[may(Action.INGEST, named_dataset)],
)
def ingest(ws: Owned, name: str, body: IngestRequest) -> JobInfo:
    """Start a job that takes files of the server's machine into the dataset."""
    sources = [server_place("sources", source) for source in body.sources]
    return ws.submit(
        sources, name, message=body.message, text=body.text, id=body.id, options=body.options
    )


@router.post(
    "/datasets/{name:path}/sync",
    status_code=202,
    dependencies=[may(Action.INGEST, named_dataset)],
)
def sync(ws: Owned, name: str, body: SyncRequest) -> JobInfo:
    """Start a job that reads everything again that was ever ingested into the dataset."""
    return ws.submit_sync(name, message=body.message)


@router.post(
    "/datasets/{name:path}/quarantine/retry",
    status_code=202,
    dependencies=[may(Action.INGEST, named_dataset)],
)
def retry_quarantined(ws: Owned, name: str, body: EntriesRequest) -> JobInfo:
    """Start a job that reads again the places that entries in quarantine came from."""
    return ws.submit_quarantined(name, body.entries)


@router.post(
    "/datasets/{name:path}/quarantine/drop", dependencies=[may(Action.DELETE, named_dataset)]
)
def drop_quarantined(ws: Owned, name: str, body: EntriesRequest) -> list[str]:
    """Take entries out of the quarantine, with their bytes, and list them."""
    return ws.drop_quarantined(name, body.entries)


@router.post(
    "/datasets/{name:path}/reembed",
    status_code=202,
    dependencies=[may(Action.INGEST, named_dataset)],
)
def reembed(ws: Owned, name: str, body: ReembedRequest) -> JobInfo:
    """Start a job that gives the dataset the vectors of another encoder."""
    return ws.submit_reembed(name, body.encoder, message=body.message, if_better=body.if_better)


@router.get("/jobs", dependencies=[may(Action.WATCH)])
def jobs(ws: Owned, chosen: Annotated[JobFilter, Query()]) -> list[JobInfo]:
    """List the jobs, of one dataset or in one state when given, newest first."""
    return ws.jobs(chosen.dataset, state=chosen.state, limit=chosen.limit, offset=chosen.offset)


@router.get("/jobs/{id}", dependencies=[may(Action.WATCH, named_record)])
def job(ws: Owned, id: str) -> JobInfo:  # noqa: A002
    """Show one job, with the inputs it could not take."""
    return ws.job(id)


@router.get("/jobs/{id}/events", dependencies=[may(Action.WATCH, named_record)])
async def events(request: Request, ws: Owned, id: str, news: Annotated[News, Query()]) -> JobInfo:  # noqa: A002
    """Show one job as soon as its revision is another than `after`, or the time is over."""
    found = await run_in_threadpool(ws.job, id)
    loop = asyncio.get_running_loop()
    end = loop.time() + news.seconds
    while not found.ended_for_good and ws.job_revision(found.job) == news.after:
        ending = getattr(request.app.state, "ending", None)
        if loop.time() >= end or (ending and ending()) or await request.is_disconnected():
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return await run_in_threadpool(ws.job, found.job)


@router.post("/jobs/{id}/cancel", dependencies=[may(Action.CANCEL, named_record)])
def cancel(ws: Owned, id: str) -> JobInfo:  # noqa: A002
    """Take back a job that has made no version."""
    return ws.cancel(id)


@router.post("/jobs/{id}/retry", status_code=202, dependencies=[may(Action.CANCEL, named_record)])
def retry(ws: Owned, id: str) -> JobInfo:  # noqa: A002
    """Let a job that ended without a version wait for another turn."""
    return ws.retry(id)
