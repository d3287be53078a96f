"""Every failure leaves the server as `{"error": {"code", "message", "hint"}}`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ragstone.errors import (
    InvalidArgument,
    InvalidInput,
    NotFound,
    RagstoneError,
    Unauthenticated,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_SHOWN = 200  # characters of a refused value that are sent back


def install(app: FastAPI) -> None:
    """Give `app` the handlers that turn errors into the documented shape."""
    app.add_exception_handler(RagstoneError, _ragstone)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def failure(error: RagstoneError, status: int | None = None) -> JSONResponse:
    """Return the response for `error`, with its own HTTP status unless another is given."""
    response = JSONResponse({"error": error.as_dict()}, status or error.http_status)
    if error.retryable:
        response.headers["Retry-After"] = "1"
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _ragstone(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RagstoneError)
    return failure(error)


def _validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return failure(wrong_argument(error.errors()))


def wrong_argument(problems: Sequence[Any], *, outer: int = 1) -> InvalidArgument:
    """Name the first of pydantic's `problems`, where it is, and what was sent.

    `outer` parts of its place say where the argument came with: the body, or the address.
    """
    problem = problems[0]
    name = ".".join(str(part) for part in problem["loc"][outer:]) or "the body"
    if problem["type"] == "extra_forbidden":
        return InvalidArgument(name, "given", "one of the documented names: it is unknown here")
    if problem["type"] == "missing":
        return InvalidArgument(name, None, "a value")
    value = problem.get("input")
    if isinstance(value, str) and len(value) > _SHOWN:
        value = value[:_SHOWN] + "…"
    expected = problem["msg"].removeprefix("Input should be ")
    return InvalidArgument(name, value if isinstance(value, str | int) else "given", expected)


def _http(_: Request, error: Exception) -> JSONResponse:
    """An unknown address or method, refused by the router."""
    assert isinstance(error, HTTPException)
    kind = NotFound if error.status_code == NotFound.http_status else InvalidInput
    response = failure(
        kind(f"The server refuses: {error.detail}", "docs/api.md lists all addresses."),
        error.status_code,
    )
    response.headers.update(error.headers or {})
    return response


def _unexpected(_: Request, error: Exception) -> JSONResponse:
    """A bug: say so without its details; uvicorn logs the traceback."""
    return failure(
        RagstoneError(
            f"The server failed with {type(error).__name__}",
            "This is a defect; the server's log has the details.",
        )
    )
