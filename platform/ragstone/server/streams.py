"""Answers that are sent while they are written, and that end when nobody listens any more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync
from fastapi import Request
from fastapi.responses import StreamingResponse

from ragstone.errors import RagstoneError
from ragstone.schemas.answers import AnswerDone, AnswerEvent
from ragstone.schemas.api import to_json

if TYPE_CHECKING:
    from ragstone.answers import AnswerStream
    from ragstone.schemas.answers import Answer

GONE = 499  # the client closed the connection: nobody reads this
_LOOK_SECONDS = 0.1  # between two looks whether the client is still there
# A proxy that gathers what it passes on would make a stream of it no more.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event_response(
    stream: AnswerStream,
    written: Callable[[AnswerEvent], str],
    failed: Callable[[RagstoneError], str],
) -> StreamingResponse:
    """Return the response that sends each event of `stream`, as `written` writes it.

    An error on the way is the last event, as `failed` writes it. When the client goes away, the
    stream is closed, and with it the generator.
    """
    return StreamingResponse(
        _parts(stream, written, failed), media_type="text/event-stream", headers=_HEADERS
    )


async def _parts(
    stream: AnswerStream,
    written: Callable[[AnswerEvent], str],
    failed: Callable[[RagstoneError], str],
) -> AsyncIterator[str]:
    try:
        while (event := await _next(stream)) is not None:
            yield written(event)
    except RagstoneError as error:
        yield failed(error)
    finally:
        stream.close()


async def answered(request: Request, stream: AnswerStream) -> Answer | None:
    """Return the whole answer, or None when the client has gone before: nobody gets it then."""
    reading = asyncio.ensure_future(_last(stream))
    try:
        while not (await asyncio.wait({reading}, timeout=_LOOK_SECONDS))[0]:
            if await request.is_disconnected():
                return None
        return reading.result()
    finally:
        stream.close()


async def _last(stream: AnswerStream) -> Answer | None:
    while (event := await _next(stream)) is not None:
        if isinstance(event, AnswerDone):
            return event.answer
    return None


async def _next(stream: AnswerStream) -> AnswerEvent | None:
    """Wait for the next event in a thread, which a client that goes away leaves behind."""
    return await run_sync(partial(next, stream, None), abandon_on_cancel=True)


def server_sent(name: str, data: Any) -> str:
    """Return one server-sent event: a name, and JSON on one line."""
    return f"event: {name}\ndata: {json.dumps(to_json(data), ensure_ascii=False)}\n\n"


def answer_event(event: AnswerEvent) -> str:
    """Return an event of `POST /v1/ask`, as docs/api.md describes it."""
    return server_sent("answer" if isinstance(event, AnswerDone) else "text", event)


def answer_failure(error: RagstoneError) -> str:
    """Return the event that says why there is no answer."""
    return server_sent("error", {"error": error.as_dict()})
