"""Ctrl-C while `ragstone chat` writes, sent to the real process in a real terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import ragstone
from ragstone.schemas.answers import StoredAnswer

from ..generation.chat_servers import never_ends, says, serving
from .test_chat import FIRST, Terminal

WRITTEN = "Granite resists frost, because hardly any water gets into it. [1] "


def start(workspace: Path, generator: str) -> tuple[subprocess.Popen[bytes], Terminal, int]:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ragstone.cli", "chat", "stones", "-w", str(workspace)]
    process = subprocess.Popen(
        [*command, "--generator", generator, "--session", "frost"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "dumb", "COLUMNS": "200"},
        start_new_session=True,
    )
    os.close(theirs)
    return process, Terminal(process, ours), ours


def test_an_answer_that_is_stopped_is_kept_as_such_and_the_talk_goes_on(own_stones: Any) -> None:
    with serving(never_ends(WRITTEN), says(WRITTEN)) as script:
        process, terminal, end = start(own_stones.workspace, f"openai:pebble@{script.url}")
        try:
            terminal.until("> ")
            terminal.type(f"{FIRST}\n")
            terminal.until("hardly any water gets into it. [1]")
            process.send_signal(signal.SIGINT)
            terminal.until("Stopped.")
            assert script.left.wait(60)  # the server is not kept writing
            terminal.until("> ")
            terminal.type(f"{FIRST}\n")
            terminal.until("into it. [1]")
            terminal.until("> ")
            terminal.type("\x04")
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
            os.close(end)
    with ragstone.open(own_stones.workspace) as ws:
        rows = ws._store.catalog.rows("SELECT answer_id, session_id FROM answers ORDER BY 1")
        stopped, answered = (ws.show(answer_id) for answer_id, _ in rows)
        assert isinstance(stopped, StoredAnswer)
        assert isinstance(answered, StoredAnswer)
        assert (stopped.state, stopped.said, stopped.answer.answer) == (
            "cancelled",
            WRITTEN.strip(),
            "",
        )
        assert (answered.state, answered.answer.answer) == ("done", WRITTEN.strip())
        assert len({session for _, session in rows}) == 1
        assert answered.answer.rewritten == ""  # what was stopped is nothing to follow on
        assert ws.doctor().findings == []
