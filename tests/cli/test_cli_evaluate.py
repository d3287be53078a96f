"""Measuring, guarding and tuning on the command line, with and without a server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ragstone.workspace import Workspace

from .test_cli_jobs import gate, served

__all__ = ["gate", "served"]  # fixtures

Run = Callable[..., Any]


@pytest.fixture
def files(tmp_path: Path) -> list[str | Path]:
    """Ten queries, one of which is best answered by what is found second or later."""
    asked = [{"_id": str(n), "text": "frost and water"} for n in range(10)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, asked)))
    lines = [f"{n}\tgranite.md\t1" for n in range(9)]
    (tmp_path / "r.tsv").write_text("\n".join([*lines, "9\tmarble.md\t1"]) + "\n")
    return ["--queries", tmp_path / "q.jsonl", "--qrels", tmp_path / "r.tsv"]


def test_compared_shown_and_kept(run: Run, own_stones: Any, files: list[str | Path]) -> None:
    place = ["-w", own_stones.workspace]
    assert "Nothing was measured." in run("evaluate", "list", "stones", *place).out
    words = ["evaluate", "retrieval", "stones", *files, "--mode", "hybrid"]
    done = run(*words, "--with", "retrieval.fusion=rrf", "--worst", "3", *place)
    assert done.status == 0, done.err
    assert "stones@1 hybrid → stones@1 retrieval.fusion=rrf hybrid" in done.out
    assert "better 0, worse 0, same 10" in done.out
    (listed,) = run("evaluate", "list", "stones", "--json", *place).json
    assert listed["settings"] == ["retrieval.fusion=rrf"]
    shown = run("evaluate", "show", listed["evaluation"], *place)
    assert shown.out == done.out
    assert listed["evaluation"] in run("evaluate", "list", "stones", *place).out
    unknown = run("evaluate", "show", "0123456789", "--json", *place)
    assert (unknown.status, unknown.error["code"]) == (1, "unknown_id")
    wrong = run(*words, "--with", "retrieval.fusion=best", "--json", *place)
    assert (wrong.status, wrong.error["code"]) == (2, "invalid_config")


def test_the_queries_that_lost_are_shown(
    run: Run, own_stones: Any, files: list[str | Path]
) -> None:
    place = ["-w", own_stones.workspace]
    items = run("items", "stones", "--json", *place).json
    (granite,) = [item["item_id"] for item in items if item["name"] == "granite.md"]
    run("delete", "stones", granite, *place)
    words = ["evaluate", "retrieval", "stones", *files, "--mode", "hybrid"]
    done = run(*words, "--against", "stones@1", "--worst", "1", *place)
    assert done.status == 0, done.err
    assert "stones@1 hybrid → stones@2 hybrid" in done.out
    assert "worse 9" in done.out
    assert "frost and water  1.0000 → 0.0000" in done.out
    assert done.out.count("granite.md (1)") == 1
    dropped = run("evaluate", "gate", "stones", *files, "--max-drop", "0.1", "--json", *place)
    assert (dropped.status, dropped.error["code"]) == (4, "quality_dropped")
    assert "below that of stones@1 hybrid" in dropped.error["message"]


def test_the_gate_ends_with_a_status_of_its_own(
    run: Run, own_stones: Any, files: list[str | Path]
) -> None:
    place = ["-w", own_stones.workspace]
    words = ["evaluate", "gate", "stones", *files, "--mode", "keyword"]
    good = run(*words, "--min-ndcg", "0.9", *place)
    assert (good.status, "It is good enough." in good.out) == (0, True)
    bad = run(*words, "--min-ndcg", "0.999", "--json", *place)
    assert (bad.status, bad.error["code"]) == (4, "quality_dropped")
    assert "below 0.999" in bad.error["message"]
    assert json.loads(bad.out)["gate"]["passed"] is False
    people = run(*words, "--min-ndcg", "0.999", *place)
    assert people.status == 4
    assert "is not as good as it has to be" in people.err
    none = run(*words, "--json", *place)
    assert (none.status, none.error["code"]) == (2, "invalid_argument")


def test_tune_and_explain(run: Run, own_stones: Any, files: list[str | Path]) -> None:
    place = ["-w", own_stones.workspace]
    done = run("tune", "stones", *files, *place)
    assert done.status == 0, done.err
    assert "chosen: min-max, vector weight 0.5 (default)" in done.out
    assert "nothing stored" in done.out
    assert len(run("log", "stones", "--json", *place).json) == 1
    report = run("tune", "stones", *files, "--dry-run", "--json", *place).json
    assert (len(report["rows"]), report["stored"]) == (12, False)
    explained = run("search", "frost", "-d", "stones", "--explain", *place).out
    assert "min-max, vector weight 0.5 (default)" in explained
    assert re.search(
        r"keyword 0\.\d{3} x 1\.000 \+ vector 0\.\d{3} x [\d.]+ = \d\.\d{3}", explained
    )
    alone = run("search", "frost", "-d", "stones", "--explain", "--mode", "keyword", *place).out
    assert "one arm, whose own scores count" in alone
    assert " x " not in alone


def test_all_of_it_goes_through_the_server(
    run: Run, served: Workspace, files: list[str | Path]
) -> None:
    place = ["--json", "-w", served.path]
    found = run("evaluate", "retrieval", "stones", *files, "--mode", "keyword", *place).json
    assert run("evaluate", "show", found["evaluation"], *place).json == found
    assert run("evaluate", "list", "stones", *place).json == [found]
    bad = run("evaluate", "gate", "stones", *files, "--min-ndcg", "1", *place)
    assert (bad.status, bad.error["code"]) == (4, "quality_dropped")
    assert run("tune", "stones", *files, "--dry-run", *place).json["queries"] == 10


def test_train_a_reranker_and_tune_with_it(
    run: Run, own_stones: Any, files: list[str | Path], tmp_path: Path
) -> None:
    place = ["-w", own_stones.workspace]
    own = tmp_path / "own"
    options = ["--out", own, "--steps", "1", *files, "--json", *place]
    made = run("train", "reranker", "stones", *options).json
    assert (made["steps"], made["folder"]) == (1, str(own))
    assert (own / "card.md").is_file()
    report = run("tune", "stones", *files, "--reranker", own, "--dry-run", "--json", *place).json
    assert {row["rerank_weight"] for row in report["rows"]} == {n / 10 for n in range(10)}
    taken = run("train", "reranker", "stones", *options)
    assert taken.status == 2
    assert "new or empty" in taken.err


def test_answers_are_measured_shown_and_kept(run: Run, served: Workspace, tmp_path: Path) -> None:
    rows = [
        {"question": "Which stone resists frost?", "answers": ["granite"], "items": ["granite.md"]},
        {"question": "Who won the football cup in Brazil?", "answers": []},
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    words = ["evaluate", "answers", "stones", "--questions", path, "--worst", "1"]
    place = ["-w", served.path]
    done = run(*words, "--with", "generation.min_evidence=1", *place)
    assert done.status == 0, done.err
    assert "stones@1 extractive → stones@1 generation.min_evidence=1 extractive" in done.out
    assert "abstention balanced" in done.out
    assert "  after:  (no answer)" in done.out, done.out
    (listed,) = run("evaluate", "list", "stones", "--json", *place).json
    assert listed["comparisons"][0]["losses"] == []
    shown = run("evaluate", "show", listed["evaluation"], *place)
    assert shown.out == done.out, "through the server as well"
    assert "answers" in run("evaluate", "list", "stones", *place).out
    missing = run("evaluate", "answers", "stones", "--questions", tmp_path / "none", *place)
    assert missing.status == 2
