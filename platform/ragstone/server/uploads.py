"""Routes to begin with: the workspace at a glance, and files that come in from elsewhere."""

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from ragstone.schemas.api import Overview, UploadedFile
from ragstone.server.auth import Action
from ragstone.server.guards import Owned, guarded, may
from ragstone.storage.uploads import Incoming

router = guarded()

_PIECE = 2**20  # bytes that are written at a time


@router.put("/uploads/{upload}/{name:path}", status_code=201, dependencies=[may(Action.INGEST)])
async def upload(request: Request, ws: Owned, upload: str, name: str) -> UploadedFile:
    """Keep one file of an upload; `upload:ULID` is a source of `…/ingest` then."""
    incoming = await run_in_threadpool(ws.receive, upload, name)
    try:
        await _take(request, incoming)
        return await run_in_threadpool(incoming.keep)
    finally:
        await run_in_threadpool(incoming.discard)


@router.get("/overview", dependencies=[may(Action.LIST)])
def overview(ws: Owned) -> Overview:
    """Say what there is, what it takes on the disk, and what happened last."""
    return ws.overview()


async def _take(request: Request, incoming: Incoming) -> None:
    """Hand the body on; all of it, since who still sends does not hear that it is too long."""
    gathered = bytearray()
    async for piece in request.stream():
        gathered += piece
        if len(gathered) >= _PIECE:
            await run_in_threadpool(incoming.write, bytes(gathered))
            gathered.clear()
    await run_in_threadpool(incoming.write, bytes(gathered))
