"""Starting and ending a server: signals, owner.json, ports."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

import ragstone
from ragstone.client import connect, find_server
from ragstone.errors import InvalidArgument, ServerUnavailable, UnknownWorkspace, WorkspaceBusy
from ragstone.server.run import running, serve
from ragstone.workspace import Workspace

SERVE = "import sys; from ragstone.server import serve; serve(sys.argv[1], port=0)"


@pytest.fixture
def server(tmp_path: Path) -> subprocess.Popen[str]:
    """A server process on a new workspace; its line with the URL has been read."""
    ragstone.open(tmp_path / "ws", create=True).close()
    return _start(tmp_path / "ws")


def _start(workspace: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVE, str(workspace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("Ragstone listens on http://127.0.0.1:")
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(
    server: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    with connect(tmp_path / "ws") as client:
        assert client.datasets() == []
        server.send_signal(number)
        output, errors = server.communicate(timeout=30)
    assert (server.returncode, output, errors) == (0, "", "")
    assert not (tmp_path / "ws" / "owner.json").exists()
    ragstone.open(tmp_path / "ws").close()  # the lock is free again


def test_owner_json_is_for_its_owner_only(server: subprocess.Popen[str], tmp_path: Path) -> None:
    file = tmp_path / "ws" / "owner.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    try:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert record["pid"] == server.pid
        assert {"pid", "host", "since", "what", "url", "token"} == set(record)
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_a_second_owner_is_refused_while_it_runs(
    server: subprocess.Popen[str], tmp_path: Path
) -> None:
    try:
        with pytest.raises(WorkspaceBusy, match=f"process {server.pid}"):
            ragstone.open(tmp_path / "ws", storage={"lock_seconds": 0})
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_after_a_kill_the_record_is_stale_and_a_new_server_takes_over(
    server: subprocess.Popen[str], tmp_path: Path
) -> None:
    os.kill(server.pid, signal.SIGKILL)
    server.communicate(timeout=30)
    assert (tmp_path / "ws" / "owner.json").exists()
    assert find_server(tmp_path / "ws") is None
    second = _start(tmp_path / "ws")
    try:
        with connect(tmp_path / "ws") as client:
            assert client.datasets() == []
    finally:
        second.terminate()
        second.communicate(timeout=30)


def test_the_record_names_the_server_only_while_it_runs(workspace: Workspace) -> None:
    with running(workspace) as address:
        assert find_server(workspace.path) == address
    assert find_server(workspace.path) is None
    with connect(address.url, address.token) as client, pytest.raises(ServerUnavailable):
        client.datasets()
    assert workspace.datasets() == []  # the workspace itself stays open


def test_a_taken_port(workspace: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidArgument, match=str(port)), running(workspace, port=port):
            pass
    assert find_server(workspace.path) is None


def test_a_port_that_there_is_not(workspace: Workspace) -> None:
    with pytest.raises(InvalidArgument, match="99999"), running(workspace, port=99_999):
        pass


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_host_that_is_not_here(workspace: Workspace, host: str) -> None:
    with pytest.raises(InvalidArgument, match=host), running(workspace, host):
        pass


def test_no_workspace_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownWorkspace):
        serve(tmp_path, port=0)


def test_it_ends_soon_although_a_client_keeps_its_connection(workspace: Workspace) -> None:
    with running(workspace) as address:
        client = connect(address.url, address.token)
        assert client.datasets() == []
        started = time.monotonic()
    assert time.monotonic() - started < 4
    client.close()


def test_answers_do_not_wait_for_acknowledgements(workspace: Workspace) -> None:
    """Without TCP_NODELAY each answer of a kept connection takes 40 ms more."""
    with running(workspace) as address, connect(address.url, address.token) as client:
        times = []
        for _ in range(21):
            started = time.perf_counter()
            client.server_version()
            times.append(time.perf_counter() - started)
    assert sorted(times)[10] < 0.03
