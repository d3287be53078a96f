"""`launch`: two processes that start together, find each other, and end together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import ragstone
from ragstone.client import connect, find_server
from ragstone.errors import InvalidArgument, UnknownWorkspace
from ragstone.server.run import running
from ragstone.ui import launch
from ragstone.ui.process import HOSTS, options
from ragstone.workspace import Workspace

LAUNCH = (
    "import sys; from ragstone.ui import launch;launch(sys.argv[1], port=0, open_browser=False)"
)


@contextmanager
def launched(workspace: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The launcher's process and the URL of the pages."""
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(workspace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Ragstone shows "), process.communicate(timeout=30)
        yield process, line.split()[-1]
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    ragstone.open(tmp_path / "ws", create=True).close()
    return tmp_path / "ws"


def ends(url: str) -> bool:
    """Whether nobody answers at the URL, now or within some seconds."""
    for _ in range(100):
        try:
            httpx.get(f"{url}/_stcore/health", trust_env=False)
        except httpx.TransportError:
            return True
        time.sleep(0.1)
    return False


def test_it_serves_the_workspace_and_the_pages_and_ends_both(empty: Path) -> None:
    with launched(empty) as (process, url):
        assert "<title>" in httpx.get(url, trust_env=False).text
        with connect(empty) as client:
            assert client.datasets() == []
            server = client.url
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (0, "", "")
    assert ends(url)
    assert ends(server)
    ragstone.open(empty).close()


def test_the_pages_end_when_the_launcher_is_killed(empty: Path) -> None:
    with launched(empty) as (process, url):
        os.kill(process.pid, signal.SIGKILL)
        assert ends(url)


def test_a_running_server_is_used_and_left_running(workspace: Workspace) -> None:
    with running(workspace) as address:
        with launched(workspace.path) as (_, url):
            assert httpx.get(url, trust_env=False).is_success
            assert find_server(workspace.path) == address
        with connect(address.url, address.token) as client:
            assert client.datasets() == []


def test_pages_answer_to_their_own_names_only(empty: Path) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    with launched(empty) as (_, url):
        status = {
            host: httpx.get(
                f"{url}/_stcore/stream", headers=headers | {"Host": host}, trust_env=False
            ).status_code
            for host in ("evil.example", "localhost")
        }
    assert status == {"evil.example": 403, "localhost": 101}


def test_a_taken_port(empty: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidArgument, match=f"port is {port}"):
            launch(empty, port, open_browser=False)
    assert find_server(empty) is None
    ragstone.open(empty).close()


def test_a_port_that_there_is_not(empty: Path) -> None:
    with pytest.raises(InvalidArgument, match="port is 99999"):
        launch(empty, 99_999, open_browser=False)


def test_no_workspace_there(tmp_path: Path) -> None:
    with pytest.raises(UnknownWorkspace):
        launch(tmp_path, open_browser=False)


def test_streamlit_knows_every_option_and_listens_here_only() -> None:
    from streamlit import config

    chosen = [option.removeprefix("--").partition("=") for option in options(8501)]
    known = config.get_config_options()
    assert {name for name, _, _ in chosen} <= set(known)
    values = {name: value for name, _, value in chosen}
    assert values["server.address"] == "127.0.0.1"
    assert values["browser.gatherUsageStats"] == "false"
    assert sum(name == "server.allowedHosts" for name, _, _ in chosen) == len(HOSTS)


def test_importing_the_package_costs_no_streamlit() -> None:
    code = "import sys, ragstone.ui; print('streamlit' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
