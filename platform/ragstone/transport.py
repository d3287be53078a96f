"""Finding a server and talking to it: results come back as their classes, errors as themselves."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from ragstone import errors
from ragstone.errors import RagstoneError, ServerUnavailable, UnknownSource

T = TypeVar("T")

OWNER_FILE = "owner.json"
_CONNECT_SECONDS = 3.0
# A first question loads the models; a language model on a CPU may write for minutes.
_ANSWER_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and the token that opens it."""

    url: str
    token: str


def find_server(workspace: Path) -> Address | None:
    """Return the address that the workspace's living owner published, or None.

    A record left behind by a dead process is not believed: its port may be another's by now, who
    would be sent the token.
    """
    try:
        record = json.loads((workspace / OWNER_FILE).read_text(encoding="utf-8"))
        address = Address(record["url"], record["token"])
        alive = record["host"] != socket.gethostname() or _is_alive(record["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # nobody has it open, or the owner is no server
    return address if alive else None


class Transport:
    """The connections to the server at `url`; safe to use from several threads.

    Every method raises what the server raised, and `ServerUnavailable` when none answers.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        try:
            self._http = httpx.Client(
                base_url=self.url,
                headers={"Authorization": f"Bearer {token}"},
                timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
                trust_env=False,  # a proxy has no business between here and the loopback address
            )
        except httpx.InvalidURL as error:
            raise errors.InvalidArgument("url", url, "an address: http://HOST:PORT") from error

    def close(self) -> None:
        """Close the connections; the server goes on."""
        self._http.close()

    def get(self, path: str, kind: type[T], query: Mapping[str, Any] | None = None) -> T:
        """Return the result of a GET as a `kind`."""
        return self.decoded(self.send("GET", path, params=query).content, kind)

    def post(self, path: str, kind: type[T], body: Mapping[str, Any]) -> T:
        """Return the result of a POST as a `kind`."""
        return self.decoded(self.send("POST", path, json=body).content, kind)

    def wait(self, path: str, kind: type[T], body: Mapping[str, Any]) -> T:
        """As `post`, for what takes as long as the data are large."""
        patient = httpx.Timeout(None, connect=_CONNECT_SECONDS)
        return self.decoded(self.send("POST", path, json=body, timeout=patient).content, kind)

    def events(self, path: str, body: Mapping[str, Any]) -> EventStream:
        """Return the server-sent events that a POST is answered with; it is sent with the first."""
        return EventStream(self._http, self.url, path, body)

    def decoded(self, content: str | bytes, kind: type[T]) -> T:
        """Make JSON the dataclass it was on the server."""
        try:
            value: T = _adapter(cast("Any", kind)).validate_json(content)
        except ValidationError as error:
            raise ServerUnavailable(self.url, "it does not speak this API") from error
        return value

    def send(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Return the response, when it is a success."""
        try:
            response = self._http.request(method, f"/v1{path}", **content)
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise ServerUnavailable(self.url, reason) from error
        if response.is_error:
            _raise(response)
        return response


class EventStream(Iterator[tuple[str, str]]):
    """Name and data of each event, as they come; `close` ends it, from any thread."""

    def __init__(self, http: httpx.Client, url: str, path: str, body: Mapping[str, Any]) -> None:
        self._http, self._url = http, url
        self._turn = threading.Lock()
        self._closed = False
        self._response: httpx.Response | None = None  # once its head has come
        self._events = self._read(path, body)

    def __next__(self) -> tuple[str, str]:
        """Return the next event.

        Raises
        ------
        RagstoneError
            What the server raised; `ServerUnavailable` when it went away.
        """
        with self._turn:
            try:
                return next(self._events)
            except ServerUnavailable:
                if self._closed:  # it went away because it was told to
                    raise StopIteration from None
                raise

    def close(self) -> None:
        """Close the connection, by which the server knows; a second call does nothing."""
        self._closed = True  # seen by a `__next__` that waits for the head of the answer
        if self._turn.acquire(blocking=False):
            try:
                self._events.close()
            finally:
                self._turn.release()
        elif self._response is not None:
            _cut(self._response)  # a `__next__` that waits for more sees the end

    def _read(self, path: str, body: Mapping[str, Any]) -> Generator[tuple[str, str], None, None]:
        try:
            with self._http.stream("POST", f"/v1{path}", json=body) as response:
                if response.is_error:
                    response.read()
                    _raise(response)
                self._response = response
                if not self._closed:
                    yield from _events(response.iter_lines())
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise ServerUnavailable(self._url, reason) from error


def _cut(response: httpx.Response) -> None:
    """End a connection that another thread reads from: closing it would not wake the other."""
    connection = response.extensions["network_stream"].get_extra_info("socket")
    with suppress(OSError):  # it has ended by itself
        connection.shutdown(socket.SHUT_RDWR)


def _events(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Read events whose data are one line each."""
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, value


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def place(source: str | Path) -> str:
    """Return a source for a server with another current folder: an address stays as it is."""
    address = isinstance(source, str) and re.match(r"[a-z][a-z0-9+.-]*:", source, re.I)
    return str(source) if address else absolute(source)


def packed(given: str | Path | bytes | None) -> str | None:
    """Return a file of this machine, or its bytes, as base64.

    Raises
    ------
    UnknownSource
        There is no such file.
    """
    if given is None:
        return None
    if isinstance(given, bytes):
        return base64.b64encode(given).decode()
    try:
        return base64.b64encode(Path(given).expanduser().read_bytes()).decode()
    except OSError as error:
        raise UnknownSource(str(given)) from error


def part(value: str) -> str:
    """Quote one part of a path; one that is only dots would be taken for a folder."""
    return quote(value, safe="@") if value.strip(".") else value.replace(".", "%2E")


def absolute(path: str | Path) -> str:
    """Return what a path means here: the server has another current folder."""
    return str(Path(path).expanduser().absolute())


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's process
    return True


# ---------------------------------------------------------------- errors come back as themselves


class RemoteError(RagstoneError):
    """An error whose class this version does not know: a newer server, or a proxy."""

    def __init__(self, code: str, message: str, hint: str, status: int) -> None:
        super().__init__(message, hint)
        # The class attributes are the defaults; this error carries its own.
        self.code = code  # type: ignore[misc]
        self.http_status = status  # type: ignore[misc]


def _raise(response: httpx.Response) -> NoReturn:
    """Raise what the server raised: the same class, code, message and hint."""
    try:
        body = response.json()["error"]
        code, message, hint = str(body["code"]), str(body["message"]), str(body["hint"])
    except (ValueError, KeyError, TypeError) as error:
        message = f"The server answered {response.status_code} without saying why"
        hint = "Check that the address is a Ragstone server."
        raise RemoteError("error", message, hint, response.status_code) from error
    raise_known(code, message, hint, response.status_code)


def raise_known(code: str, message: str, hint: str, status: int) -> NoReturn:
    """Raise the error with this code as the class that it was."""
    known = _classes().get(code)
    if known is None or known is RagstoneError:
        raise RemoteError(code, message, hint, status)
    # Each class writes its own message from its data; the message is here already.
    raised = known.__new__(known)
    RagstoneError.__init__(raised, message, hint)
    raise raised


@cache
def _classes() -> dict[str, type[RagstoneError]]:
    """Return each class of `ragstone.errors` by its code."""
    found = (value for value in vars(errors).values() if isinstance(value, type))
    return {kind.code: kind for kind in found if issubclass(kind, RagstoneError)}
