"""`ragstone chat`: piped, for programs, through a server, and in a real terminal."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import ragstone
from ragstone.cli.app import app
from ragstone.server.run import running

FIRST = "Why does granite resist frost?"


@dataclass(frozen=True)
class Talked:
    """What a conversation left."""

    status: int
    out: str
    err: str

    @property
    def turns(self) -> list[Any]:
        """The lines, for programs."""
        return [json.loads(line) for line in self.out.splitlines()]


def talk(workspace: Path, *lines: str, options: tuple[str, ...] = ()) -> Talked:
    words = ["chat", "stones", *options, "-w", str(workspace)]
    result = CliRunner().invoke(app, words, input="".join(f"{line}\n" for line in lines))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Talked(result.exit_code, result.stdout, result.stderr)


def test_a_piped_question_gets_plain_text_with_numbered_sources(stones: Any) -> None:
    done = talk(stones.workspace, FIRST)
    assert (done.status, done.err) == (0, "")
    answer, source, end = done.out.split("\n", 2)
    assert answer.startswith("Granite resists frost")
    assert answer.endswith("[1]")
    assert source == f"[1] {stones.sources / 'granite.md'}"
    assert end.strip() == ""
    assert "\x1b" not in done.out


def test_a_question_may_lean_on_the_one_before_until_a_new_beginning(stones: Any) -> None:
    lines = ("What is granite?", "Why does it resist frost?", "/new", "Why does it resist frost?")
    turns = talk(stones.workspace, *lines, options=("--json",)).turns
    assert [turn["question"] for turn in turns] == [lines[0], lines[1], lines[3]]
    assert [turn["rewritten"] for turn in turns] == ["", "Why does granite resist frost?", ""]
    assert turns[0]["session"] == turns[1]["session"] != turns[2]["session"]
    said = talk(stones.workspace, *lines[:2])
    assert "Asked as: Why does granite resist frost?" in said.out


def test_a_conversation_can_be_gone_on_with(stones: Any) -> None:
    options = ("--json", "--session", "frost")
    [first] = talk(stones.workspace, "What is granite?", options=options).turns
    [then] = talk(stones.workspace, "Why does it resist frost?", options=options).turns
    assert then["session"] == first["session"]
    assert then["rewritten"] == "Why does granite resist frost?"


def test_sources_and_why(stones: Any) -> None:
    done = talk(stones.workspace, FIRST, "/sources", "/why 1")
    assert done.status == 0
    quote = "“Granite resists frost, because hardly any water gets into it.”"
    assert done.out.count(quote) == 2
    assert "support 1.00 for: Granite resists frost" in done.out
    assert "ragstone show " in done.out
    [turn] = talk(stones.workspace, FIRST, options=("--json",)).turns
    cited = turn["citations"][0]
    assert f"characters {cited['start']} to {cited['end']} of item {cited['item_id']}" in done.out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/why 7", "number is '7', expected one of the last answer's sources: 1"),
        ("/dance", "command is '/dance', expected /sources, /why N, /new, /quit or /help"),
    ],
)
def test_what_there_is_not_is_said_and_the_talk_goes_on(
    stones: Any, line: str, message: str
) -> None:
    done = talk(stones.workspace, FIRST, line, "/sources")
    assert done.status == 1
    assert message in done.err
    assert "“Granite resists frost" in done.out


def test_sources_before_a_question(stones: Any) -> None:
    done = talk(stones.workspace, "/sources")
    assert done.status == 1
    assert "a first question" in done.err


def test_nothing_after_quit(stones: Any) -> None:
    assert talk(stones.workspace, "/quit", FIRST).out == ""


def test_one_line_for_each_turn_also_for_one_that_fails(stones: Any) -> None:
    done = talk(stones.workspace, "/sources", FIRST, options=("--json",))
    assert done.status == 1
    refused, answer = done.turns
    assert refused["error"]["code"] == "invalid_argument"
    assert answer["found"] is True


def test_a_wrong_dataset_is_told_before_the_first_question(run: Any, stones: Any) -> None:
    done = run("chat", "stone", "--json", "-w", stones.workspace)
    assert (done.status, done.error["code"]) == (1, "unknown_dataset")


def test_through_a_server(own_stones: Any) -> None:
    with ragstone.open(own_stones.workspace) as ws, running(ws):
        lines = ("What is granite?", "Why does it resist frost?")
        turns = talk(own_stones.workspace, *lines, options=("--json",)).turns
        assert turns[1]["rewritten"] == "Why does granite resist frost?"
        assert talk(own_stones.workspace, FIRST).out.startswith("Granite resists frost")


# ---------------------------------------------------------------- in a terminal


class Terminal:
    """The verb with a terminal for input and output, and what was read at its other end."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.process, self._end = process, end
        self._rest = ""

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def until(self, mark: str) -> str:
        """Return what is shown up to `mark`."""
        while mark not in self._rest:
            self._rest += os.read(self._end, 4_096).decode()
        seen, _, self._rest = self._rest.partition(mark)
        return seen


@pytest.fixture
def terminal(stones: Any) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ragstone.cli", "chat", "stones", "-w", str(stones.workspace)]
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "dumb", "COLUMNS": "200"},
        start_new_session=True,
    ) as process:
        os.close(theirs)
        yield Terminal(process, ours)
        process.kill()
    os.close(ours)


@pytest.mark.parametrize("key", ["Ctrl-D", "Ctrl-C"])
def test_a_key_ends_it_cleanly(terminal: Terminal, key: str) -> None:
    assert "/why N" in terminal.until("> ")
    terminal.type(f"{FIRST}\n")
    assert "hardly any water" in terminal.until("granite.md")
    terminal.until("> ")
    if key == "Ctrl-D":
        terminal.type("\x04")
    else:  # what a terminal makes of the key
        terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(60) == 0
