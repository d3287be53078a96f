"""While a server has the workspace, the command line goes through it and asks nothing of people."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ragstone
from ragstone.server.run import running

Run = Callable[..., Any]


@pytest.fixture
def served(own_stones: Any) -> Iterator[Path]:
    settings = {"lock_seconds": 0.1}
    with ragstone.open(own_stones.workspace, storage=settings) as ws, running(ws):
        yield own_stones.workspace


def test_looking_and_finding_go_through_the_server(run: Run, served: Path) -> None:
    place = ["--json", "-w", served]
    assert [d["name"] for d in run("datasets", *place).json] == ["stones"]
    assert [v["version"] for v in run("log", "stones", *place).json] == [1]
    items = run("items", "stones", *place).json
    assert [i["name"] for i in items] == ["granite.md", "marble.md"]
    assert run("show", items[0]["item_id"], *place).json["name"] == "granite.md"
    assert run("quarantine", "list", *place).json == []
    hits = run("search", "frost", "-d", "stones", "--mode", "keyword", *place).json["hits"]
    assert [hit["name"] for hit in hits] == ["granite.md"]


def test_answers_and_deletions_go_through_the_server(run: Run, served: Path) -> None:
    answer = run("ask", "Why does granite resist frost?", "-d", "stones", "--json", "-w", served)
    assert answer.json["found"] is True
    marble = run("items", "stones", "--json", "-w", served).json[1]["item_id"]
    assert run("delete", "stones", marble, "--json", "-w", served).json["version"] == 2


def test_errors_of_the_server_read_as_ever(run: Run, served: Path) -> None:
    done = run("search", "x", "-d", "nothing", "--json", "-w", served)
    assert (done.status, done.error["code"]) == (1, "unknown_dataset")
    assert "stones" in done.error["hint"]
    empty = run("search", "", "-d", "stones", "--json", "-w", served)
    assert (empty.status, empty.error["code"]) == (2, "invalid_query")


def test_no_verb_needs_the_files_for_itself(served: Path) -> None:
    command = [sys.executable, "-m", "ragstone.cli", "doctor", "--json", "-w", str(served)]
    environment = {"RAGSTONE_STORAGE__LOCK_SECONDS": "0.1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["findings"] == []


def test_another_owner_is_named(served: Path) -> None:
    """`init` makes and opens by itself: a server is in its way."""
    command = [sys.executable, "-m", "ragstone.cli", "init", "--json", str(served)]
    environment = {"RAGSTONE_STORAGE__LOCK_SECONDS": "0.1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    error = json.loads(done.stderr)["error"]
    assert error["code"] == "workspace_busy"
    assert "process" in error["message"]


def test_a_record_left_by_a_dead_server_is_not_believed(run: Run, own_stones: Any) -> None:
    place = {"url": "http://127.0.0.1:9", "token": "x"}
    record = {"pid": 2**22 + 1, "host": socket.gethostname(), **place}
    (own_stones.workspace / "owner.json").write_text(json.dumps(record), encoding="utf-8")
    done = run("datasets", "--json", "-w", own_stones.workspace)
    assert done.status == 0
