"""Feedback through the command line, from an answer to files for training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ragstone
from ragstone.server.run import running

Run = Callable[..., Any]
QUESTION = "Why does granite resist frost?"


@pytest.fixture
def asked(run: Run, own_stones: Any) -> tuple[Path, str]:
    """A workspace, and the id of an answer."""
    answer = run("ask", QUESTION, "-d", "stones", "-w", own_stones.workspace, "--json").json
    assert answer["found"]
    return own_stones.workspace, answer["answer_id"]


def test_from_an_answer_to_a_golden_query_and_a_file(
    run: Run, asked: tuple[Path, str], tmp_path: Path
) -> None:
    workspace, answer = asked
    place = ["-w", workspace]
    said = run("feedback", "give", answer[:12], "--good", "--comment", "right", *place)
    assert said.status == 0
    assert f"{QUESTION}\n" in said.out
    given = run("feedback", "list", "-d", "stones", "--state", "open", "--json", *place).json[0]
    assert (given["rating"], given["comment"], given["state"]) == ("good", "right", "open")
    assert f"ragstone feedback accept {given['id']}" in said.out
    assert run("golden", "stones", "--json", *place).json == []
    done = run("feedback", "accept", given["id"][:12], *place)
    assert f"golden query {given['id']}, answered by 1 item" in done.out
    golden = run("golden", "stones", "--json", *place).json
    assert golden == [
        {
            "query_id": given["id"],
            "query": QUESTION,
            "documents": {"granite.md": 1},
            "feedback": [given["id"]],
        }
    ]
    listed = run("feedback", "list", *place).out
    assert given["id"] in listed
    assert "accepted" in listed
    file = tmp_path / "questions.json"
    made = run("feedback", "export", file, "--for", "reader", *place)
    assert "1 example of 1 accepted feedback, for a reader" in made.out
    assert json.loads(file.read_text(encoding="utf-8"))["data"][0]["title"] == "Granite"
    rejected = run("feedback", "reject", given["id"], "--json", *place).json
    assert (rejected["state"], rejected["golden"]) == ("rejected", "")
    assert run("golden", "stones", "--json", *place).json == []


def test_a_right_answer_that_is_nowhere_says_what_to_do(run: Run, asked: tuple[Path, str]) -> None:
    workspace, answer = asked
    place = ["--json", "-w", workspace]
    words = ["--bad", "--reason", "wrong", "--answer", "no pores at all"]
    given = run("feedback", "give", answer, *words, *place).json["id"]
    refused = run("feedback", "accept", given, *place)
    assert (refused.status, refused.error["code"]) == (2, "unplaced_feedback")
    assert f"ragstone feedback accept {given} --item ITEM" in refused.error["hint"]
    items = run("items", "stones", *place).json
    accepted = run("feedback", "accept", given, "--item", items[0]["item_id"][:8], *place).json
    assert (accepted["items"], accepted["golden"]) == ([items[0]["item_id"]], given)


def test_wrong_words_are_refused(run: Run, asked: tuple[Path, str], tmp_path: Path) -> None:
    workspace, answer = asked
    place = ["--json", "-w", workspace]
    neither = run("feedback", "give", answer, *place)
    assert (neither.status, neither.error["message"]) == (
        2,
        "--good is None, expected given, or --bad",
    )
    for words in (
        ["give", answer, "--bad", "--reason", "ugly"],
        ["list", "--state", "done"],
        ["export", tmp_path / "x", "--for", "reranker"],
    ):
        done = run("feedback", *words, *place)
        assert (done.status, done.error["code"]) == (2, "invalid_argument")
    assert run("feedback", "list", "-w", workspace).out == "No feedback.\n"


def test_it_goes_through_the_server(run: Run, asked: tuple[Path, str], tmp_path: Path) -> None:
    workspace, answer = asked
    place = ["--json", "-w", workspace]
    with ragstone.open(workspace, storage={"lock_seconds": 0.1}) as ws, running(ws):
        given = run("feedback", "give", answer, "--good", *place).json["id"]
        assert run("feedback", "accept", given, *place).json["golden"] == given
        made = run("feedback", "export", tmp_path / "c", "--for", "verifier", *place).json
        assert (made["use"], made["examples"] > 0) == ("verifier", True)
        assert [one["id"] for one in run("feedback", "list", *place).json] == [given]
