"""Talks to a Ragstone server: the methods and results of a `Workspace`, over HTTP.

import ragstone

with ragstone.connect("my-workspace") as client:  # or connect("http://127.0.0.1:8400", token)
    for hit in client.search("how do versions work", dataset="docs").hits:
        print(hit.rank, hit.source, hit.text)
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar, cast
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from ragstone import errors
from ragstone.errors import RagstoneError, ServerUnavailable
from ragstone.schemas.api import (
    Answer,
    ChunkDetail,
    DatasetInfo,
    ItemDetail,
    ItemSummary,
    Mode,
    QuarantineInfo,
    SearchResult,
    StoredAnswer,
    VersionInfo,
)

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


def connect(url_or_workspace: str | Path, token: str | None = None) -> Client:
    """Return a client of the server at a URL, or of the one that serves a workspace folder.

    Parameters
    ----------
    url_or_workspace
        `http://…`, or the path of a workspace, whose `owner.json` names server and token.
    token
        The server's token; read from `owner.json` for a path.

    Raises
    ------
    ServerUnavailable
        No server has the workspace open. (Whether one answers shows with the first call.)
    """
    target = str(url_or_workspace)
    if target.startswith(("http://", "https://")):
        return Client(target, token or "")
    address = find_server(Path(target))
    if address is None:
        raise ServerUnavailable(target, "no server has this workspace open")
    return Client(address.url, token or address.token)


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


class Client:
    """The workspace behind a server. Safe to use from several threads; `close` when done.

    Every method raises the errors of the `Workspace` method of the same name, and
    `ServerUnavailable` when no server answers.
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

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections; the server goes on."""
        self._http.close()

    def server_version(self) -> str:
        """Return the version of Ragstone that the server runs; needs no token."""
        return str(self._get("/health", dict[str, str])["version"])

    def datasets(self) -> list[DatasetInfo]:
        """List the datasets."""
        return self._get("/datasets", list[DatasetInfo])

    def log(self, dataset: str) -> list[VersionInfo]:
        """List the versions of a dataset, newest first."""
        return self._get(f"/datasets/{_part(dataset)}/versions", list[VersionInfo])

    def items(self, dataset: str, *, offset: int = 0, limit: int = 50) -> list[ItemSummary]:
        """List `limit` items of `D` or `D@V`, from `offset`."""
        query = {"offset": offset, "limit": limit}
        return self._get(f"/datasets/{_part(dataset)}/items", list[ItemSummary], query)

    def search(
        self,
        query: str,
        dataset: str,
        *,
        k: int = 10,
        mode: Mode = "hybrid",
        where: Sequence[str] = (),
    ) -> SearchResult:
        """Search one version by words, by meaning, or both."""
        body = {"query": query, "dataset": dataset, "k": k, "mode": mode, "where": list(where)}
        return self._post("/search", SearchResult, body)

    def ask(
        self,
        question: str,
        dataset: str,
        *,
        generator: str | None = None,
        where: Sequence[str] = (),
    ) -> Answer:
        """Answer a question from one version, with citations."""
        body = {
            "question": question,
            "dataset": dataset,
            "generator": generator,
            "where": list(where),
        }
        return self._post("/ask", Answer, body)

    def show(self, id: str) -> ItemDetail | ChunkDetail | StoredAnswer:  # noqa: A002
        """Return the item, chunk or answer with this id or prefix."""
        found: ItemDetail | ChunkDetail | StoredAnswer = self._get(
            f"/show/{_part(id)}",
            ItemDetail | ChunkDetail | StoredAnswer,  # type: ignore[arg-type]
        )
        return found

    def quarantine(self, dataset: str | None = None) -> list[QuarantineInfo]:
        """List the inputs that could not become items."""
        query = {} if dataset is None else {"dataset": dataset}
        return self._get("/quarantine", list[QuarantineInfo], query)

    def delete(self, dataset: str, items: Sequence[str], *, message: str = "") -> VersionInfo:
        """Publish a version without these items."""
        body = {"items": list(items), "message": message}
        return self._post(f"/datasets/{_part(dataset)}/delete", VersionInfo, body)

    # ------------------------------------------------------------ one request, one result

    def _get(self, path: str, kind: type[T], query: Mapping[str, str | int] | None = None) -> T:
        return self._decode(self._send("GET", path, params=query), kind)

    def _post(self, path: str, kind: type[T], body: Mapping[str, Any]) -> T:
        return self._decode(self._send("POST", path, json=body), kind)

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            response = self._http.request(method, f"/v1{path}", **content)
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            raise ServerUnavailable(self.url, reason) from error
        if response.is_error:
            _raise(response)
        return response

    def _decode(self, response: httpx.Response, kind: type[T]) -> T:
        """Make the JSON body the dataclass it was on the server."""
        try:
            value: T = _adapter(cast("Any", kind)).validate_json(response.content)
        except ValidationError as error:
            raise ServerUnavailable(self.url, "it does not speak this API") from error
        return value


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _part(value: str) -> str:
    """Quote one part of a path; one that is only dots would be taken for a folder."""
    return quote(value, safe="@") if value.strip(".") else value.replace(".", "%2E")


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
    known = _classes().get(code)
    if known is None or known is RagstoneError:
        raise RemoteError(code, message, hint, response.status_code)
    # Each class writes its own message from its data; the message is here already.
    raised = known.__new__(known)
    RagstoneError.__init__(raised, message, hint)
    raise raised


@cache
def _classes() -> dict[str, type[RagstoneError]]:
    """Return each class of `ragstone.errors` by its code."""
    found = (value for value in vars(errors).values() if isinstance(value, type))
    return {kind.code: kind for kind in found if issubclass(kind, RagstoneError)}
