"""The HTTP API: each route calls one method of the workspace, and nothing else."""

# Without `from __future__ import annotations`: FastAPI reads the annotations as values, and those
# of a nested function could not be looked up by name.
from time import monotonic
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from ragstone import __version__
from ragstone.schemas.answers import Answer, GeneratorInfo, StoredAnswer
from ragstone.schemas.api import (
    ChunkDetail,
    DatasetInfo,
    ItemDetail,
    Media,
    QuarantineInfo,
    SearchResult,
    VersionInfo,
)
from ragstone.schemas.synthetic import where_with
from ragstone.server import (
    care,
    completions,
    duplicates,
    exploring,
    failures,
    feedback,
    insight,
    jobs,
    modelling,
    receipts,
    uploads,
    versions,
)
from ragstone.server.auth import Action, Resource, dataset_resource
from ragstone.server.guards import Caller, Owned, guarded, may, named_dataset, named_record
from ragstone.server.hosts import HostCheck
from ragstone.server.models import (
    AskRequest,
    Context,
    DeleteRequest,
    Health,
    QuarantineFilter,
    SearchRequest,
    SimilarRequest,
    unpacked,
)
from ragstone.server.streams import (
    GONE,
    answer_event,
    answer_failure,
    answered,
    event_response,
)
from ragstone.workspace import Workspace


def create_app(workspace: Workspace, token: str, *, host: str = "127.0.0.1") -> FastAPI:
    """Return the application that serves `workspace` to whoever sends `token`.

    `host` is the name or address it listens on: the only one, beside the loopback names, that a
    request may carry in its Host header. The caller closes the workspace.
    """
    # The ready-made pages of documentation load their scripts from other hosts.
    app = FastAPI(title="Ragstone", version=__version__, docs_url=None, redoc_url=None)
    app.state.workspace = workspace
    app.state.token = token
    app.add_middleware(HostCheck, host=host)
    failures.install(app)
    app.include_router(_open)
    app.include_router(_guarded)
    app.include_router(exploring.router)
    app.include_router(versions.router)
    app.include_router(jobs.router)
    app.include_router(uploads.router)
    app.include_router(duplicates.router)
    app.include_router(care.router)
    app.include_router(receipts.router)
    app.include_router(feedback.router)
    app.include_router(modelling.router)
    app.include_router(insight.router)
    app.include_router(completions.router)
    return app


_open = APIRouter(prefix="/v1")
_guarded = guarded()

# ---------------------------------------------------------------- routes, run in the thread pool


@_open.get("/health")
async def health() -> Health:
    """Say that the server answers."""
    return Health("ok", __version__)


def _searched_datasets(body: SearchRequest) -> list[Resource]:
    named = [body.dataset] if isinstance(body.dataset, str) else body.dataset
    return [dataset_resource(name) for name in named]


def _likened(body: SimilarRequest) -> list[Resource]:
    given = Resource("record", body.id)
    return [given] if body.dataset is None else [given, dataset_resource(body.dataset)]


def _asked_dataset(body: AskRequest) -> Resource:
    return dataset_resource(body.dataset)


@_guarded.get("/datasets", dependencies=[may(Action.LIST)])
def datasets(ws: Owned) -> list[DatasetInfo]:
    """List the datasets, by name."""
    return ws.datasets()


@_guarded.get("/datasets/{name:path}/versions", dependencies=[may(Action.READ, named_dataset)])
def log(ws: Owned, name: str) -> list[VersionInfo]:
    """List the versions of a dataset, newest first."""
    return ws.log(name)


@_guarded.post("/search", dependencies=[may(Action.SEARCH, _searched_datasets)])
def search(ws: Owned, caller: Caller, body: SearchRequest) -> SearchResult:
    """Search versions by words, by meaning, or both."""
    began = monotonic()
    found = ws.search(
        body.query,
        body.dataset,
        k=body.k,
        mode=body.mode,
        where=body.where,
        image=unpacked("image", body.image),
        audio=unpacked("audio", body.audio),
        rerank=body.rerank,
        offset=body.offset,
        after=body.after,
        group=body.group,
        neighbours=body.neighbours,
        synthetic=body.synthetic,
    )
    ws.note_search(found, monotonic() - began, principal=caller.name)
    return found


@_guarded.post("/similar", dependencies=[may(Action.SEARCH, _likened)])
def similar(ws: Owned, caller: Caller, body: SimilarRequest) -> SearchResult:
    """Find what resembles a stored item or chunk."""
    began = monotonic()
    found = ws.similar(
        body.id, k=body.k, where=body.where, dataset=body.dataset, synthetic=body.synthetic
    )
    ws.note_search(found, monotonic() - began, principal=caller.name)
    return found


@_guarded.post(
    "/ask",
    response_model=Answer,
    responses={200: {"content": {"text/event-stream": {}}}},
    dependencies=[may(Action.ASK, _asked_dataset)],
)
async def ask(request: Request, ws: Owned, body: AskRequest) -> Any:
    """Answer a question from one version, with citations, or say that it does not know."""
    stream = await run_in_threadpool(
        ws.ask_stream,
        body.question,
        body.dataset,
        generator=body.generator,
        where=where_with(body.where, body.synthetic),
        session=body.session,
    )
    if body.stream:
        return event_response(stream, answer_event, answer_failure)
    return await answered(request, stream) or Response(status_code=GONE)


@_guarded.get("/generators", dependencies=[may(Action.LIST)])
def generators(ws: Owned) -> list[GeneratorInfo]:
    """List who can write answers, and why others cannot."""
    return ws.generators()


@_guarded.get("/show/{id:path}", dependencies=[may(Action.READ, named_record)])
def show(
    ws: Owned,
    id: str,  # noqa: A002
    context: Annotated[Context, Query()],
) -> ItemDetail | ChunkDetail | StoredAnswer:
    """Show the item, chunk or answer with this id, or with this prefix of 8 characters or more."""
    return ws.show(id, around=context.around)


@_guarded.get("/items/{id}/original", dependencies=[may(Action.READ, named_record)])
def original(ws: Owned, id: str) -> Response:  # noqa: A002
    """Send the bytes that an item came as, as a file that no browser runs."""
    return _sent(ws.original(id), {"Content-Disposition": "attachment"})


@_guarded.get("/items/{id}/preview", dependencies=[may(Action.READ, named_record)])
def preview(ws: Owned, id: str) -> Response:  # noqa: A002
    """Send a small picture of an image, or the waveform of a recording."""
    return _sent(ws.preview(id), {})


def _sent(media: Media, headers: dict[str, str]) -> Response:
    headers = {"X-Content-Type-Options": "nosniff", **headers}
    return Response(media.content, media_type=media.media_type, headers=headers)


@_guarded.get("/quarantine", dependencies=[may(Action.READ)])
def quarantine(ws: Owned, chosen: Annotated[QuarantineFilter, Query()]) -> list[QuarantineInfo]:
    """List the inputs that could not become items, of one dataset or of all."""
    return ws.quarantine(chosen.dataset)


@_guarded.post("/datasets/{name:path}/delete", dependencies=[may(Action.DELETE, named_dataset)])
def delete(ws: Owned, name: str, body: DeleteRequest) -> VersionInfo:
    """Publish a version of the dataset without these items."""
    return ws.delete(name, body.items, message=body.message)
