"""Every failure is a message with a way out and an exit status, never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ragstone.cli.boundary import wants_json

Run = Callable[..., Any]


def test_unknown_workspace_says_how_to_make_one(run: Run, tmp_path: Path) -> None:
    done = run("datasets", "-w", tmp_path / "none")
    assert done.status == 1
    assert done.out == ""
    assert "There is no workspace at" in done.err
    assert "ragstone init" in done.err


def test_errors_for_programs_are_json_on_standard_error(run: Run, tmp_path: Path) -> None:
    done = run("datasets", "--json", "-w", tmp_path / "none")
    assert (done.status, done.out) == (1, "")
    assert done.error["code"] == "unknown_workspace"
    assert str(tmp_path / "none") in done.error["message"]


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["search", "", "-d", "stones"], 2, "invalid_query"),
        (["search", "frost " * 10_000, "-d", "stones"], 2, "invalid_query"),
        (["search", "frost", "-d", "stones", "-k", "-1"], 2, "invalid_argument"),
        (["search", "frost", "-d", "nothing"], 1, "unknown_dataset"),
        (["search", "frost", "-d", "stones@99"], 1, "unknown_version"),
        (["search", "frost", "-d", "stones@x"], 1, "unknown_version"),
        (["search", "frost", "-d", "stones", "--where", "year"], 2, "invalid_filter"),
        (["search", "frost", "-d", "stones", "--where", "nothing=1"], 1, "unknown_field"),
        (["search", "frost", "-d", "stones", "--mode", "guess"], 2, "invalid_argument"),
        (["search", "frost", "-d", "stones", "--guess"], 2, "invalid_argument"),
        (["search"], 2, "invalid_argument"),
        (["guess"], 2, "invalid_argument"),
        (["ask", "  ", "-d", "stones"], 2, "invalid_query"),
        (["log", "nothing"], 1, "unknown_dataset"),
        (["items", "nothing"], 1, "unknown_dataset"),
        (["items", "stones", "--limit", "-1"], 2, "invalid_argument"),
        (["show", "0123456789"], 1, "unknown_id"),
        (["show", "0"], 1, "unknown_id"),
        (["delete", "stones", "0123456789"], 1, "unknown_id"),
        (["ingest", "no-such-folder", "-d", "stones"], 1, "unknown_source"),
        (["ingest", ".", "-d", "../up"], 2, "invalid_argument"),
        (
            ["evaluate", "retrieval", "stones", "--queries", "none", "--qrels", "none"],
            1,
            "unknown_source",
        ),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else str(value),
)
def test_bad_calls(run: Run, stones: Any, words: list[str], status: int, code: str) -> None:
    done = run("-w", stones.workspace, *words, "--json")
    assert done.error["code"] == code
    assert done.error["message"]
    assert done.error["hint"]
    assert done.status == status
    assert done.out == ""
    for_people = run("-w", stones.workspace, *words)
    assert for_people.status == status
    assert "Error" in for_people.err
    assert "Traceback" not in for_people.err


def test_unknown_mode_of_an_evaluation(run: Run, stones: Any) -> None:
    words = ["evaluate", "retrieval", "stones", "--queries", "q", "--qrels", "r", "--mode", "guess"]
    done = run(*words, "-w", stones.workspace, "--json")
    assert (done.status, done.error["code"]) == (2, "invalid_argument")
    assert "keyword, vector, hybrid" in done.error["message"]


def test_a_bad_setting_is_named(run: Run, tmp_path: Path) -> None:
    run("init", tmp_path / "w")
    (tmp_path / "w" / "ragstone.toml").write_text("[retrieval]\ncandidate = 3\n", encoding="utf-8")
    done = run("datasets", "--json", "-w", tmp_path / "w")
    assert (done.status, done.error["code"]) == (2, "invalid_config")
    assert "retrieval.candidate" in done.error["message"]


def test_what_the_system_refuses_is_an_error_with_the_path(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder", encoding="utf-8")
    done = run("init", file / "workspace", "--json")
    assert (done.status, done.error["code"]) == (1, "storage_fault")
    assert str(file) in done.error["message"]


def test_json_is_asked_for_only_by_an_option() -> None:
    assert wants_json(["search", "x", "--json"])
    assert not wants_json(["search", "x"])
    assert not wants_json(["search", "--", "--json"])


def test_a_query_may_look_like_an_option(run: Run, stones: Any) -> None:
    words = ["-d", "stones", "--mode", "keyword", "-w", stones.workspace, "--", "--json"]
    done = run("search", *words)
    assert done.status == 0
    assert "Nothing found in stones@1" in done.out


def test_no_words_show_the_help(run: Run) -> None:
    done = run()
    assert "ingest" in done.out + done.err


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(run: Run, option: str) -> None:
    done = run("search", option)
    assert done.status == 0
    assert "--where" in done.out


def test_version(run: Run) -> None:
    import ragstone

    assert run("--version").out == f"ragstone {ragstone.__version__}\n"


# ---------------------------------------------------------------- as a process


def test_names_that_are_no_text_do_not_break_the_output(tmp_path: Path) -> None:
    missing = os.fsencode(tmp_path) + b"/\xff\xfe"
    command = [os.fsencode(sys.executable), b"-m", b"ragstone.cli", b"datasets", b"--json", b"-w"]
    done = subprocess.run([*command, missing], capture_output=True, check=False)
    assert done.returncode == 1
    assert json.loads(done.stderr)["error"]["code"] == "unknown_workspace"


def test_a_closed_pipe_is_no_drama(stones: Any) -> None:
    command = f"{sys.executable} -m ragstone.cli items stones -w {stones.workspace} | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_with_130_and_lets_the_workspace_go(stones: Any) -> None:
    command = [sys.executable, "-m", "ragstone.cli", "serve", "--port", "0", "--json"]
    child = subprocess.Popen(
        [*command, "-w", str(stones.workspace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert json.loads(child.stdout.readline())["url"].startswith("http://127.0.0.1:")
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=180)
    assert child.returncode == 0  # a server that is stopped has done what it was asked to do
    assert "Traceback" not in err
    assert not (stones.workspace / "owner.json").exists()


def test_ctrl_c_stops_an_ingestion_with_130(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(400):
        text = f"Stone {number}. " + f"Granite, marble, slate and tuff, block {number}. " * 60
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    run("init", tmp_path / "w")
    command = [sys.executable, "-m", "ragstone.cli", "ingest", str(folder), "-d", "many", "--json"]
    child = subprocess.Popen(
        [*command, "-w", str(tmp_path / "w")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert "progress" in json.loads(child.stdout.readline())
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=180)
    assert child.returncode == 130
    assert "Traceback" not in err
    assert run("datasets", "--json", "-w", tmp_path / "w").json == []
