"""Servers that start at once: forked from a process that has imported everything already.

A test starts one nursery and asks it for servers. Each is a process group of its own that runs the
real `ragstone.server.serve`; its working processes are forked from the nursery too and join the
group. What is killed are whole processes, so nothing of them is shared with the next ones.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragstone.client import Address

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ragstone.workspace import Workspace

HASHING = Path(__file__).parents[1] / "hashing"  # see sitecustomize.py there
_HERE = Path(__file__).parent
_MAIN = "import killing_nursery; killing_nursery.tend()"
_PATIENCE = 60.0  # seconds
_IMPORTED = (
    "anyio._backends._asyncio",
    "asyncio.selector_events",
    "concurrent.futures.thread",
    "pandas",  # DuckDB looks for it with the first parameter of a query
    "pyarrow.dataset",
    "pyarrow.parquet",
    "ragstone.encoders.text",
    "ragstone.jobs.commit",
    "ragstone.jobs.ingest",
    "ragstone.jobs.queue",
    "ragstone.jobs.worker",
    "ragstone.server.app",
    "ragstone.server.run",
    "ragstone.storage.doctor",
    "tokenizers",
    "uvicorn.lifespan.off",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class Nursery:
    """Forks servers; a context manager.

    Parameters
    ----------
    bug
        Name of a function of `killing_bugs` that each server calls before it starts.
    """

    def __init__(self, bug: str = "") -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mine = [str(HASHING), str(_HERE), os.environ.get("PYTHONPATH", "")]
        paths = os.pathsep.join(filter(None, mine))
        # No library may have threads at work when it is forked.
        fixed = {"PYTHONPATH": paths, "HASHING_GATE": "/nonexistent", "KILLING_BUG": bug}
        single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        numbers = [str(self._requests.fileno()), str(theirs.fileno())]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MAIN, *numbers],
            pass_fds=[self._requests.fileno(), theirs.fileno()],
            stdin=subprocess.PIPE,
            env={**os.environ, **fixed, **single},
        )
        theirs.close()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=_PATIENCE)

    def server(self, workspace: Path) -> ForkedServer:
        """Start a server; it may not answer yet."""
        return ForkedServer(_ask(self._requests, {"serve": str(workspace)}, []))


class ForkedServer:
    """A server and its working processes, which are a process group."""

    def __init__(self, news: int) -> None:
        self._news = os.fdopen(news)
        self.born = time.monotonic()
        self.pid = int(self._news.readline())
        self._handle = os.pidfd_open(self.pid)

    def address(self) -> Address | None:
        """Wait until it answers and return where, or None when it has ended before."""
        line = self._news.readline()
        return Address(**json.loads(line)) if line else None

    def kill(self, *, alone: bool = False) -> None:
        """End it with SIGKILL, and its working processes; `alone`: they notice by themselves."""
        with contextlib.suppress(ProcessLookupError):
            if alone:
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            else:
                os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Wait until it is gone."""
        gone, _, _ = select.select([self._handle], [], [], _PATIENCE)
        assert gone, f"the server {self.pid} does not end"
        os.close(self._handle)
        self._news.close()


def _ask(requests: socket.socket, request: dict[str, Any], given: list[int]) -> int:
    """Send a request with file descriptors; return the end of a pipe that brings news of it."""
    news, theirs = os.pipe()
    socket.send_fds(requests, [json.dumps(request).encode()], [theirs, *given])
    os.close(theirs)
    return news


# ---------------------------------------------------------------- in the nursery's process


def tend() -> None:
    """Fork what is asked for, until standard input ends."""
    _import_everything()
    app = _app()
    asking, asked = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while True:
        ready, _, _ = select.select([asked, 0], [], [])
        if 0 in ready:
            return
        message, given, _, _ = socket.recv_fds(asked, 4_096, 8)
        if not os.fork():
            _grow(json.loads(message), given, asking, app)
        for number in given:
            os.close(number)


def _import_everything() -> None:
    """Import what servers and working processes import when they need it."""
    for name in _IMPORTED:
        importlib.import_module(name)
    importlib.import_module("ragstone.ingestion.signals").detect_language("Granite is hard.")


def _app() -> FastAPI:
    """Return the application with the routes that FastAPI makes when the first request comes."""
    from ragstone.server.app import create_app

    app = create_app(None, "", host="127.0.0.1")  # type: ignore[arg-type]
    for route in app.router.routes:
        route.matches({"type": "http", "path": "/v1/nothing", "method": "GET", "headers": []})
    return app


def _grow(request: dict[str, Any], given: list[int], asking: socket.socket, app: FastAPI) -> None:
    """Be a server or a working process to the end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    news, *rest = given
    try:
        if "serve" in request:
            _serve(Path(request["serve"]), news, asking, app)
        else:
            _work(request["group"], news, *rest)
    finally:
        sys.stderr.flush()
        os._exit(0)


def _serve(path: Path, news: int, asking: socket.socket, app: FastAPI) -> None:
    import killing_bugs

    import ragstone.jobs.process as working
    from ragstone.server import run

    os.setpgid(0, 0)
    os.write(news, f"{os.getpid()}\n".encode())
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def announce(address: Address) -> None:
        line = json.dumps({"url": address.url, "token": address.token})
        os.write(news, f"{line}\n".encode())

    def forked(_: list[str], pass_fds: list[int], stdin: int) -> ForkedWorker:
        assert stdin == subprocess.PIPE
        return ForkedWorker(asking, *pass_fds)

    def made(workspace: Workspace, token: str, *, host: str) -> FastAPI:
        assert host == "127.0.0.1"
        app.state.workspace, app.state.token = workspace, token
        return app

    working.subprocess.Popen = forked  # type: ignore[assignment]
    run.create_app = made
    killing_bugs.plant(os.environ["KILLING_BUG"])
    run.serve(path, host="127.0.0.1", port=0, on_ready=announce)


def _work(group: int, news: int, pipe: int, line: int) -> None:
    from ragstone.jobs import worker

    try:
        os.setpgid(0, group)
    except PermissionError:
        return  # the server was killed meanwhile
    os.dup2(line, 0)
    os.close(line)
    os.write(news, f"{os.getpid()}\n".encode())
    os.close(news)
    sys.argv = ["worker", str(pipe)]
    worker.main()


class ForkedWorker:
    """What `subprocess.Popen` is to the server: here of a process that is not its child."""

    def __init__(self, asking: socket.socket, pipe: int) -> None:
        line, ours = os.pipe()
        self.stdin = os.fdopen(ours, "wb")
        news = _ask(asking, {"group": os.getpid()}, [pipe, line])
        os.close(line)
        with os.fdopen(news) as said:
            self._handle = os.pidfd_open(int(said.readline()))

    def poll(self) -> int | None:
        gone, _, _ = select.select([self._handle], [], [], 0)
        return -signal.SIGKILL if gone else None

    def wait(self) -> int:
        select.select([self._handle], [], [])
        return -signal.SIGKILL

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)
