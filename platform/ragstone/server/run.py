"""Runs the HTTP API on a socket: for good (`serve`), or in a thread (`running`).

ragstone serve --workspace my-workspace
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import uvicorn

from ragstone import opening
from ragstone.client import Address
from ragstone.errors import EncoderUnavailable, InvalidArgument
from ragstone.server.app import create_app
from ragstone.storage.files import write_durably
from ragstone.storage.owner import OWNER_FILE
from ragstone.workspace import Workspace

_GRACE = 5  # seconds that requests get to finish when the server ends
_BACKLOG = 128  # connections that may wait to be accepted
_LAST_PORT = 65_535


def serve(
    path: str | Path,
    host: str | None = None,
    port: int | None = None,
    on_ready: Callable[[Address], None] | None = None,
) -> None:
    """Serve the workspace at `path` until SIGINT or SIGTERM; call it from the main thread.

    Parameters
    ----------
    host, port
        Where to listen; the settings `server.host` and `server.port` when None. Port 0 takes a
        free one.
    on_ready
        Called once requests are answered; by default one line with the URL goes to stdout.

    Raises
    ------
    UnknownWorkspace, WorkspaceBusy
        As `ragstone.open`.
    InvalidArgument
        The host is not this machine's, or the port is taken.
    """
    _wait_passively()
    with ending_on_signals(), opening.open(path) as workspace:
        chosen = workspace.settings.server
        host = chosen.host if host is None else host
        sock = _listen(host, chosen.port if port is None else port)
        with sock, _prepared(workspace, host, sock) as (server, address), _gently(server):
            (on_ready or _announce)(address)
            threading.Thread(target=_warm_up, args=[workspace], name="warm-up").start()
            server.run(sockets=[sock])


def _wait_passively() -> None:
    """Let torch's threads sleep while they wait for each other, here and in working processes.

    They spin otherwise, on the very processor that the awaited one needs when others are busy: a
    vector search beside an ingestion, or beside anything else, took 20 times as long. Read when
    torch is loaded, which is later.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _warm_up(workspace: Workspace) -> None:
    """Load the encoder while nobody waits; without one keyword search still works."""
    # RuntimeError: the interpreter ends meanwhile. Whatever else it is, the first search will say.
    with suppress(EncoderUnavailable, RuntimeError):
        workspace.warm_up()


@contextmanager
def running(workspace: Workspace, host: str = "127.0.0.1", port: int = 0) -> Iterator[Address]:
    """Serve an open workspace from a thread of this process for the length of a `with` block.

    Raises
    ------
    InvalidArgument
        The host is not this machine's, or the port is taken.
    """
    sock = _listen(host, port)
    with sock, _prepared(workspace, host, sock) as (server, address):
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name="ragstone")
        thread.start()
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _prepared(
    workspace: Workspace, host: str, sock: socket.socket
) -> Iterator[tuple[uvicorn.Server, Address]]:
    """Make the server for a listening socket; `owner.json` names it meanwhile."""
    address = Address(_url(host, sock), secrets.token_urlsafe(32))
    app = create_app(workspace, address.token, host=host)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    app.state.ending = lambda: server.should_exit  # who waits for news need not wait any longer
    _publish(workspace.path, {"url": address.url, "token": address.token})
    try:
        with workspace.running_jobs():
            yield server, address
    finally:
        _publish(workspace.path, {"url": None, "token": None})


def _publish(root: Path, changes: dict[str, str | None]) -> None:
    """Set the keys of `owner.json`, or take those out whose value is None."""
    file = root / OWNER_FILE
    record = json.loads(file.read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in record.items() if value is not None}
    write_durably(file, json.dumps(kept).encode(), mode=0o600)


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens: connections wait in its queue until the server runs."""
    if not 0 <= port <= _LAST_PORT:
        raise InvalidArgument("port", port, f"a number from 0 to {_LAST_PORT}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        expected = f"an address of this machine that is free ({error.strerror or error})"
        raise InvalidArgument("host and port", f"{host}:{port}", expected) from error
    # Accepted connections inherit it. Without it each answer waits 40 ms for an acknowledgement,
    # since asyncio sets it only on sockets whose protocol number is given.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _url(host: str, sock: socket.socket) -> str:
    """Return the URL to reach the socket from this machine."""
    name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{sock.getsockname()[1]}"


def _announce(address: Address) -> None:
    sys.stdout.write(f"Ragstone listens on {address.url}\n")
    sys.stdout.flush()


@contextmanager
def _gently(server: uvicorn.Server) -> Iterator[None]:
    """Have SIGINT and SIGTERM only tell the server to end, before it listens for them as well.

    An exception raised inside an import can leave Python's import lock taken for ever; the thread
    that warms up would wait for it, and the process for the thread.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, server.handle_exit) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Leave the block, through all its `finally`s, on SIGINT and SIGTERM.

    Python's own handler for SIGTERM would end the process at once, with the workspace still open.
    """
    before = {number: signal.signal(number, _end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
