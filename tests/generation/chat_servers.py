"""A real HTTP server that speaks chat completions as a script tells it to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[["Handler"], None]


@dataclass
class Script:
    """What the server answers, request by request (the last again and again), and what it got."""

    replies: list[Reply]
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)  # a client went away


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    script: Script

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        at = len(self.script.requests)
        self.script.requests.append(body)
        self.script.keys.append(self.headers.get("Authorization"))
        self.close_connection = True
        try:
            self.script.replies[min(at, len(self.script.replies) - 1)](self)
        except (BrokenPipeError, ConnectionResetError):
            self.script.left.set()

    def do_GET(self) -> None:
        body = json.dumps({"data": [{"id": "pebble"}, {"id": "boulder"}]}).encode()
        self.begin(200, "application/json", {"Content-Length": str(len(body))})
        self.wfile.write(body)

    def begin(self, status: int, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def event(self, data: str) -> None:
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


def chunk(text: str, finish: str | None = None) -> str:
    return json.dumps({"choices": [{"delta": {"content": text}, "finish_reason": finish}]})


def says(text: str) -> Reply:
    """Stream `text` word by word, and end as one should."""

    def reply(handler: Handler) -> None:
        handler.begin(200, "text/event-stream", {"Connection": "close"})
        handler.event(json.dumps({"choices": [{"delta": {"role": "assistant"}}]}))
        for word in text.split(" "):
            handler.event(chunk(f"{word} "))
        handler.event(chunk("", "stop"))
        handler.event("[DONE]")

    return reply


def refuses(status: int, words: str = "no", **headers: str) -> Reply:
    def reply(handler: Handler) -> None:
        content = json.dumps({"error": {"message": words}}).encode()
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        handler.begin(status, "application/json", {"Content-Length": str(len(content)), **more})
        handler.wfile.write(content)

    return reply


def breaks_off(text: str) -> Reply:
    """Stream `text` and close the connection without an end."""

    def reply(handler: Handler) -> None:
        handler.begin(200, "text/event-stream", {"Connection": "close"})
        if text:
            handler.event(chunk(text))

    return reply


def sends(content: str, kind: str = "text/event-stream") -> Reply:
    """Send something as it is."""

    def reply(handler: Handler) -> None:
        handler.begin(200, kind, {"Content-Length": str(len(content.encode()))})
        handler.wfile.write(content.encode())

    return reply


def never_ends(text: str) -> Reply:
    """Stream `text`, then a word now and then until the client has gone."""

    def reply(handler: Handler) -> None:
        handler.begin(200, "text/event-stream", {"Connection": "close"})
        handler.event(chunk(text))
        while True:
            time.sleep(0.02)
            handler.event(chunk("and "))

    return reply


def hangs(handler: Handler) -> None:
    """Read the request and say nothing until the client has gone."""
    handler.connection.settimeout(60)
    if not handler.rfile.read(1):
        handler.script.left.set()


def obeys(handler: Handler) -> None:
    """Do what any passage tells: repeat what stands behind 'reply with:'."""
    asked = handler.script.requests[-1]["messages"][-1]["content"]
    order = asked.partition("reply with:")[2].partition("\n")[0].strip()
    says(order or "The passages give no order.")(handler)


@contextmanager
def serving(*replies: Reply) -> Iterator[Script]:
    """Serve a script on a free port of this machine."""
    script = Script(list(replies))
    handler = type("Scripted", (Handler,), {"script": script})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
