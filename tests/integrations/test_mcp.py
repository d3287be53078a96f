"""The MCP server, started as a program would start it, asked by the protocol's own client."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult

import ragstone
from ragstone.client import connect, find_server
from ragstone.integrations.mcp_views import PASSAGE
from ragstone.server.run import running

Call = Callable[..., CallToolResult]
COMMAND = ["-W", "error", "-m", "ragstone.cli", "mcp", "-w"]


@contextmanager
def talking(workspace: Path) -> Iterator[tuple[Client, Any]]:
    """Start the server; give its client, and the loop in which the client lives."""
    server = StdioServerParameters(
        command=sys.executable, args=[*COMMAND, str(workspace)], env={"HF_HUB_OFFLINE": "1"}
    )
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Client(server)) as client,
    ):
        yield client, portal


def caller(client: Client, portal: Any) -> Call:
    def call(name: str, **arguments: Any) -> CallToolResult:
        result = portal.call(client.call_tool, name, arguments)
        assert isinstance(result, CallToolResult)
        return result

    return call


@pytest.fixture(scope="module")
def talk(library: Path) -> Iterator[tuple[Client, Any]]:
    with talking(library) as both:
        yield both


@pytest.fixture
def call(talk: tuple[Client, Any]) -> Call:
    return caller(*talk)


def answered(result: CallToolResult) -> Any:
    assert not result.is_error, result.content
    return result.structured_content


def refused(result: CallToolResult) -> dict[str, str]:
    assert result.is_error
    assert result.structured_content is not None
    error: dict[str, str] = result.structured_content["error"]
    [said] = result.content
    assert said.type == "text"
    assert said.text == f"{error['code']}: {error['message']}. {error['hint']}"
    return error


def test_four_tools_with_described_arguments_and_results(talk: tuple[Client, Any]) -> None:
    client, portal = talk
    tools = {tool.name: tool for tool in portal.call(client.list_tools).tools}
    assert set(tools) == {"datasets", "search", "ask", "read"}
    for tool in tools.values():
        assert tool.description
        assert tool.output_schema is not None
        for argument in tool.input_schema.get("properties", {}).values():
            assert argument.get("description") or "enum" in argument, (tool.name, argument)
    assert tools["search"].input_schema["properties"]["k"]["maximum"] == 20
    assert "generator" not in tools["ask"].input_schema["properties"]
    assert tools["search"].annotations is not None
    assert tools["search"].annotations.read_only_hint is True


def test_datasets(call: Call) -> None:
    found = answered(call("datasets"))
    assert [(d["name"], d["version"], d["items"]) for d in found["datasets"]] == [("rocks", 2, 3)]
    assert found["others"] == 0


def test_search_in_a_version(call: Call) -> None:
    now = answered(call("search", query="volcanic rock", dataset="rocks", k=1))
    assert now["version"] == 2
    assert [p["title"] for p in now["passages"]] == ["Basalt"]
    before = answered(call("search", query="volcanic rock", dataset="rocks@1", mode="keyword"))
    assert (before["version"], before["passages"]) == (1, [])


def test_an_answer_with_quotes_or_none(call: Call) -> None:
    answer = answered(call("ask", question="What is granite made of?", dataset="rocks"))
    assert answer["found"] is True
    [quote] = answer["citations"]
    assert "quartz, feldspar and mica" in quote["quote"]
    text = answered(call("read", id=quote["item_id"], limit=20_000))["text"]
    assert text[quote["start"] : quote["end"]] == quote["quote"]
    none = answered(call("ask", question="Who won the football cup?", dataset="rocks"))
    assert (none["found"], none["citations"]) == (False, [])
    kept = answered(call("read", id=answer["answer_id"]))
    assert kept["kind"] == "answer"
    assert kept["text"].startswith("Question: What is granite made of?\nAnswer: ")


def test_what_is_long_comes_in_pieces(call: Call) -> None:
    found = answered(call("search", query="soft marl", dataset="rocks", k=1))["passages"][0]
    assert found["cut"] is True
    assert len(found["text"]) == PASSAGE
    pieces, offset = [], found["start"]
    while offset is not None:
        read = answered(call("read", id=found["chunk_id"], offset=offset, limit=3_000))
        pieces.append(read["text"])
        offset = read["next"]
    whole = "".join(pieces)
    assert len(pieces) > 2
    assert len(whole) == read["length"] - found["start"]
    assert whole.startswith(found["text"])
    assert answered(call("read", id=found["chunk_id"]))["start"] == found["start"]


@pytest.mark.parametrize(
    ("tool", "arguments", "code", "hint"),
    [
        ("search", {"query": "x", "dataset": "rock"}, "unknown_dataset", "Known datasets: rocks."),
        ("search", {"query": "x", "dataset": "rocks@9"}, "unknown_version", "from 1 to 2"),
        ("search", {"query": "", "dataset": "rocks"}, "invalid_query", ""),
        ("search", {"query": "x", "dataset": "rocks", "where": ["a >"]}, "invalid_filter", "FIELD"),
        ("search", {"query": "x", "dataset": "rocks", "k": 500}, "invalid_argument", "Give k as"),
        ("ask", {"dataset": "rocks"}, "invalid_argument", "Give question as a value"),
        ("read", {"id": "0" * 12}, "unknown_id", "prefix"),
    ],
)
def test_an_error_keeps_its_code_and_the_way_out(
    call: Call, tool: str, arguments: dict[str, Any], code: str, hint: str
) -> None:
    error = refused(call(tool, **arguments))
    assert error["code"] == code
    assert hint in error["hint"]


def test_others_reach_the_workspace_meanwhile(call: Call, library: Path) -> None:
    answered(call("datasets"))
    with connect(library) as client:
        assert [d.name for d in client.datasets()] == ["rocks"]


@pytest.fixture
def own_library(library: Path, tmp_path: Path) -> Path:
    """A copy of the library that nobody has open."""
    leave = shutil.ignore_patterns("owner.json", "*.lock")
    return Path(shutil.copytree(library, tmp_path / "own", ignore=leave))


def test_through_a_server_and_on_when_that_has_ended(own_library: Path) -> None:
    with talking(own_library) as both:
        call = caller(*both)
        with ragstone.open(own_library) as opened, running(opened) as address:
            assert answered(call("datasets"))["datasets"][0]["name"] == "rocks"
            assert find_server(own_library) == address
        assert answered(call("datasets"))["datasets"][0]["name"] == "rocks"
        taken_over = find_server(own_library)
        assert taken_over is not None
        assert taken_over != address
    assert not (own_library / "owner.json").exists()


def test_a_workspace_that_serves_nobody_is_busy(own_library: Path) -> None:
    (own_library / "ragstone.toml").write_text("[storage]\nlock_seconds = 0.1\n", encoding="utf-8")
    with ragstone.open(own_library), talking(own_library) as both:
        assert refused(caller(*both)("datasets"))["code"] == "workspace_busy"


def started(workspace: Path, program: list[str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *(program or COMMAND), str(workspace)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_no_workspace_there(tmp_path: Path) -> None:
    process = started(tmp_path / "nothing")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert "There is no workspace at" in err


def test_without_the_extra(library: Path) -> None:
    program = (
        "import sys; sys.modules['mcp'] = None; sys.argv[1:1] = ['mcp', '-w']\n"
        "from ragstone.cli import main; main()"
    )
    process = started(library, ["-c", program])
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert 'pip install "ragstone[mcp]"' in err


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
CALL = {
    "jsonrpc": "2.0",
    "id": 2,
    "method": "tools/call",
    "params": {"name": "datasets", "arguments": {}},
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, None])
def test_a_signal_or_the_end_of_input_ends_it_cleanly(
    own_library: Path, number: signal.Signals | None
) -> None:
    process = started(own_library)
    assert process.stdin is not None
    assert process.stdout is not None
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    for message in (INITIALIZE, ready, CALL):
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
    assert json.loads(process.stdout.readline())["id"] == 1
    assert json.loads(process.stdout.readline())["id"] == 2
    assert (own_library / "owner.json").exists()
    if number is not None:
        os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
    assert not (own_library / "owner.json").exists()
