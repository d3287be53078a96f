"""A web site on the loopback address that answers with exactly the bytes a test gives it."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from socket import create_connection, socket
from typing import Any, Self

import pytest

from ragstone.config import FetchSettings

Answer = bytes | Callable[[socket, int], None]  # what is sent, or who sends it


def answer(
    body: bytes | str = b"", *headers: str, status: str = "200 OK", length: int | None = None
) -> bytes:
    """Return an HTTP answer; `length` is what it claims to be long."""
    content = body.encode() if isinstance(body, str) else body
    size = len(content) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def html(body: str) -> bytes:
    """Return a page as an answer."""
    return answer(body, "Content-Type: text/html; charset=utf-8")


def redirect(location: str, status: str = "302 Found") -> bytes:
    """Return an answer that leads on."""
    return answer(b"", f"Location: {location}", status=status)


@dataclass
class Clock:
    """Time that passes only by waiting."""

    time: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class Site(socketserver.ThreadingTCPServer):
    """Answers GET requests by `pages`; counts connections and notes each request.

    A page with several answers gives them one after the other, the last one for ever.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((address, port), _Visit)
        self.pages: dict[str, Answer | list[Answer]] = {}
        self.connections = 0
        self.requests: list[str] = []  # paths
        self.heads: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.port}"

    def settings(self, **changes: Any) -> FetchSettings:
        """Return settings under which this site may be fetched, without pauses."""
        values = {
            "allow_private": [f"{self.server_address[0]!s}/32"],
            "ports": [self.port],
            "delay_seconds": 0,
            "seconds": 20,
        }
        return FetchSettings.model_validate(values | changes)

    def callers(self) -> int:
        """Return how many connections were made before; ours stands last in the same queue."""
        with create_connection((str(self.server_address[0]), self.port), timeout=10) as own:
            own.sendall(b"GET /control HTTP/1.1\r\n\r\n")
            assert own.recv(1)
        self.connections -= 1
        self.requests.remove("/control")
        return self.connections

    def get_request(self) -> tuple[socket, Any]:
        self.connections += 1
        return super().get_request()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Visit(socketserver.StreamRequestHandler):
    server: Site

    def handle(self) -> None:
        while head := self._head():
            path = head.split(" ", 2)[1]
            self.server.requests.append(path)
            self.server.heads.append(head)
            found = self.server.pages.get(path, answer(b"", status="404 Not Found"))
            if isinstance(found, list):
                found = found.pop(0) if len(found) > 1 else found[0]
            try:
                if callable(found):
                    found(self.connection, self.server.requests.count(path))
                    return
                self.connection.sendall(found)
            except OSError:
                return  # the other side has gone, as it may
            if b"Connection: close" in found:
                return

    def _head(self) -> str:
        lines = []
        try:
            for line in iter(self.rfile.readline, b"\r\n"):
                if not line:
                    return ""
                lines.append(line.decode("latin-1"))
        except OSError:
            return ""
        return "".join(lines)


@pytest.fixture
def site() -> Iterator[Site]:
    """An empty site."""
    with Site() as running:
        yield running
