"""OpenAI's API for chats: a dataset is a model, so any client and chat window works on it.

The name of a model is `DATASET`, `DATASET@VERSION`, `DATASET/GENERATOR` or all three. Errors have
OpenAI's form, with our code.
"""

import json
from collections.abc import Callable, Coroutine
from time import time
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from ulid import ULID

from ragstone.errors import InvalidArgument, RagstoneError, UnknownId
from ragstone.schemas.answers import Answer, AnswerDone, AnswerEvent
from ragstone.schemas.api import to_json
from ragstone.server.auth import Action, Resource, dataset_resource
from ragstone.server.completion_models import (
    ChatCompletion,
    ChatRequest,
    Choice,
    Grounds,
    Model,
    ModelList,
    Said,
    read_model,
    read_request,
    usage_of,
)
from ragstone.server.failures import failure, wrong_argument
from ragstone.server.guards import Owned, guarded, may
from ragstone.server.streams import GONE, answered, event_response
from ragstone.workspace import Workspace

_TYPES = {401: "authentication_error", 403: "permission_error", 409: "conflict_error"}
_SERVER_ERROR = 500  # and above


class _OpenAIRoute(APIRoute):
    """A route whose failures have OpenAI's form."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                return _refusal(wrong_argument(error.errors()))
            except RagstoneError as error:
                return _refusal(error)

        return handled


router = guarded(_OpenAIRoute)


def _refusal(error: RagstoneError) -> JSONResponse:
    usual = failure(error)
    response = JSONResponse(_failure(error), usual.status_code)
    response.headers.update({k: v for k, v in usual.headers.items() if k not in response.headers})
    # OpenAI's client tries conflicts and all that is 500 or more again, unless it is told not to.
    response.headers["x-should-retry"] = str(error.retryable).lower()
    return response


def _failure(error: RagstoneError) -> dict[str, Any]:
    status = error.http_status
    usual = "server_error" if status >= _SERVER_ERROR else "invalid_request_error"
    return {
        "error": {
            "message": f"{error.message}. {error.hint}".strip(),
            "type": _TYPES.get(status, usual),
            "param": error.name if isinstance(error, InvalidArgument) else None,
            "code": error.code,
            "hint": error.hint,
        }
    }


def _asked(body: ChatRequest) -> Resource:
    return dataset_resource(read_model(body.model)[0])


@router.get("/models", dependencies=[may(Action.LIST)])
def models(ws: Owned) -> ModelList:
    """List the datasets as models to chat with."""
    return ModelList(_models(ws))


def _models(ws: Workspace) -> list[Model]:
    return [Model(d.name, int(d.created.timestamp())) for d in ws.datasets()]


def _named(id: str) -> Resource:  # noqa: A002
    """The dataset of the model in the path."""
    return dataset_resource(read_model(id)[0])


# A path, as the name of a model may hold the address of a server.
@router.get("/models/{id:path}", dependencies=[may(Action.LIST, _named)])
def model(ws: Owned, id: str) -> Model:  # noqa: A002
    """Show one dataset as a model, under the name that it is asked by."""
    dataset, generator = read_model(id)
    ws.items(dataset, limit=1)  # a version that there is not is an error
    if generator and generator not in {one.id for one in ws.generators() if one.available}:
        raise UnknownId(generator, "generator that can be used here")
    bare = dataset.partition("@")[0]
    return next(Model(id, one.created) for one in _models(ws) if one.id == bare)


@router.post(
    "/chat/completions",
    response_model=ChatCompletion,
    responses={200: {"content": {"text/event-stream": {}}}},
    dependencies=[may(Action.ASK, _asked)],
)
async def chat_completions(request: Request, ws: Owned, body: ChatRequest) -> Any:
    """Answer the last message of a conversation from a dataset, with citations."""
    asked = read_request(body)
    stream = await run_in_threadpool(
        ws.ask_stream,
        asked.question,
        asked.dataset,
        generator=asked.generator,
        where=asked.where,
        history=asked.history,
    )
    completion = _Completion(body, asked.ignored)
    if body.stream:
        return event_response(stream, completion.chunks, completion.failed)
    answer = await answered(request, stream)
    return completion.whole(answer) if answer else Response(status_code=GONE)


class _Completion:
    """One answer in OpenAI's form: whole, or in chunks."""

    def __init__(self, body: ChatRequest, ignored: list[str]) -> None:
        self._model = body.model
        self._ignored = ignored
        self._counted = bool(body.stream_options and body.stream_options.include_usage)
        self._id = f"chatcmpl-{ULID()}"
        self._created = int(time())
        self._begun = False

    def whole(self, answer: Answer) -> ChatCompletion:
        return ChatCompletion(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[Choice(Said(answer.answer))],
            usage=usage_of(answer),
            ragstone=Grounds(answer, self._ignored),
        )

    def chunks(self, event: AnswerEvent) -> str:
        """Return what is sent for an event: text as it comes, then the end with its grounds."""
        if not isinstance(event, AnswerDone):
            return self._chunk(self._delta(event.text))
        grounds = Grounds(event.answer, self._ignored)
        end = self._chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}], ragstone=grounds)
        counts = self._chunk([], usage=usage_of(event.answer)) if self._counted else ""
        return f"{end}{counts}data: [DONE]\n\n"

    def failed(self, error: RagstoneError) -> str:
        """Return the event that says why the answer breaks off."""
        return _data(_failure(error))

    def _delta(self, text: str) -> list[dict[str, Any]]:
        role = {} if self._begun else {"role": "assistant"}
        self._begun = True
        return [{"index": 0, "delta": {**role, "content": text}, "finish_reason": None}]

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> str:
        head = {"id": self._id, "object": "chat.completion.chunk", "created": self._created}
        counts = {"usage": None} if self._counted else {}
        return _data({**head, "model": self._model, "choices": choices, **counts, **more})


def _data(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(to_json(body), ensure_ascii=False)}\n\n"
