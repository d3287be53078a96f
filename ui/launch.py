"""Starts the user interface: a Ragstone server when none runs, and Streamlit beside it.

ragstone ui --workspace my-workspace
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from ragstone.errors import InvalidArgument, ServerUnavailable

_HOST = "127.0.0.1"
_USUAL_PORT, _LAST_PORT = 8501, 65_535
_START_SECONDS = 60.0  # Streamlit's import takes 1 to 3 s, much more on a busy machine
_STOP_SECONDS = 10.0


def launch(workspace: str | Path, port: int | None = None, *, open_browser: bool = True) -> None:
    """Show the workspace in the browser until SIGINT or SIGTERM; call it from the main thread.

    A server that has the workspace already is used; else one runs in this process for as long.
    Streamlit runs as a child process, on the loopback address only, and ends with this one.

    Parameters
    ----------
    workspace
        Folder of an existing workspace.
    port
        Where Streamlit listens; when None 8501, or any free one if that is taken.
    open_browser
        Whether to open a tab; the URL goes to stdout in any case.

    Raises
    ------
    UnknownWorkspace, WorkspaceBusy
        As `ragstone.open`.
    InvalidArgument
        The port is taken.
    ServerUnavailable
        Streamlit is not installed, or did not start.
    """
    from ragstone.server.run import ending_on_signals
    from ragstone.server.sharing import served

    path = Path(workspace).resolve()
    with ending_on_signals(), served(path):
        chosen = _free_port(port)
        url = f"http://{_HOST}:{chosen}"
        with _streamlit(path, chosen) as child:
            _wait_until_ready(child, url)
            sys.stdout.write(f"Ragstone shows {path} on {url}\n")
            sys.stdout.flush()
            if open_browser:
                webbrowser.open(url)
            child.wait()


# ---------------------------------------------------------------- the Streamlit process


@contextmanager
def _streamlit(workspace: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run Streamlit as a child; its stdin is a pipe that closes when this process is gone."""
    command = [sys.executable, "-m", "ragstone.ui.process", str(port)]
    environment = os.environ | {"RAGSTONE_WORKSPACE": str(workspace)}
    child = subprocess.Popen(  # noqa: S603
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdin is not None:
        child.stdin.close()


def _wait_until_ready(child: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with httpx.Client(trust_env=False) as http:
        while time.monotonic() < deadline:
            if child.poll() is not None:
                reason = (
                    f"Streamlit ended with status {child.returncode}; is ragstone[ui] installed?"
                )
                raise ServerUnavailable(url, reason)
            try:
                if http.get(f"{url}/_stcore/health").is_success:
                    return
            except httpx.TransportError:
                pass  # not listening yet
            time.sleep(0.1)
    raise ServerUnavailable(url, f"Streamlit was not ready after {_START_SECONDS:.0f} s")


def _free_port(wanted: int | None) -> int:
    """Return the wanted port if it is free, or the usual one, or any."""
    if wanted is not None:
        found = _try(wanted) if 0 <= wanted <= _LAST_PORT else None
        if found is None:
            raise InvalidArgument("port", wanted, "a port that is free")
        return found
    found = _try(_USUAL_PORT) or _try(0)
    assert found is not None
    return found


def _try(port: int) -> int | None:
    try:
        with socket.create_server((_HOST, port)) as probe:
            return int(probe.getsockname()[1])
    except OSError:
        return None
