"""Another encoder and golden queries on the command line, with and without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .test_cli_jobs import gate, served

__all__ = ["gate", "served"]  # fixtures

Run = Callable[..., Any]


@pytest.fixture
def judged(tmp_path: Path) -> list[str | Path]:
    (tmp_path / "q.jsonl").write_text(json.dumps({"_id": "1", "text": "frost and water"}) + "\n")
    (tmp_path / "r.tsv").write_text(
        "query-id\tcorpus-id\tscore\n1\tgranite.md\t2\n1\tmarble.md\t0\n"
    )
    return ["--queries", tmp_path / "q.jsonl", "--qrels", tmp_path / "r.tsv"]


def test_golden_queries(run: Run, own_stones: Any, judged: list[str | Path]) -> None:
    place = ["-w", own_stones.workspace]
    assert "No golden queries." in run("golden", "stones", *place).out
    none = run("evaluate", "retrieval", "stones", "--json", *place)
    assert (none.status, none.error["code"]) == (2, "invalid_argument")
    kept = run("golden", "stones", *judged, "--json", *place).json
    documents = {"granite.md": 2, "marble.md": 0}
    assert [(one["query_id"], one["query"], one["documents"], one["feedback"]) for one in kept] == [
        ("1", "frost and water", documents, [])
    ]
    assert "granite.md 2, marble.md 0" in run("golden", "stones", *place).out
    found = run("evaluate", "retrieval", "stones", "--mode", "keyword", "--json", *place).json
    assert (found["queries"], found["modes"]["keyword"]["ndcg@10"]) == (1, 1.0)
    for wrong in ([*judged[:2]], [*judged[2:]], ["--clear", *judged]):
        refused = run("golden", "stones", *wrong, "--json", *place)
        assert (refused.status, refused.error["code"]) == (2, "invalid_argument")
    assert run("golden", "stones", "--clear", "--json", *place).json == []
    assert run("golden", "stones", "--json", *place).json == []


def test_reembed_without_a_server(
    run: Run, own_stones: Any, judged: list[str | Path], small_model: Path
) -> None:
    place = ["-w", own_stones.workspace]
    run("golden", "stones", *judged, *place)
    made = run("reembed", "stones", "--encoder", small_model, "-m", "smaller", *place)
    assert made.status == 0, made.err
    assert "stones@2  all-minilm-l6-v2-53aa5117 → pebble-" in made.out
    assert "golden queries: 1" in made.out
    assert made.out.count("vector") == made.out.count("hybrid") == 2
    (job, _) = run("jobs", "--json", *place).json
    assert (job["kind"], job["result"]["switched"]) == ("reembed", True)
    shown = run("jobs", job["job"], *place).out
    assert f"reembed stones with {small_model}" in shown
    assert "golden queries: 1" in shown
    assert "stones@2: all-minilm" in run("jobs", *place).out
    assert run("log", "stones", "--json", *place).json[0]["message"] == "smaller"
    again = run("reembed", "stones", "--encoder", small_model, "--json", *place)
    assert (again.status, again.error["code"]) == (2, "invalid_argument")


def test_an_encoder_that_is_worse(
    run: Run, own_stones: Any, judged: list[str | Path], small_model: Path
) -> None:
    place = ["-w", own_stones.workspace]
    model = ["--encoder", small_model, "--if-better", *place]
    refused = run("reembed", "stones", *model, "--json")
    assert "golden queries" in refused.error["message"]
    # With one of two documents asked for, a mode is either right or wrong.
    run("golden", "stones", *judged, *place)
    result = run("reembed", "stones", *model, "--json").json
    means = [
        result["comparison"][side]["modes"]["hybrid"]["ndcg@10"] for side in ("before", "after")
    ]
    assert result["switched"] == (means[1] >= means[0])
    assert run("log", "stones", "--json", *place).json[0]["version"] == result["version"]


def test_reembed_through_a_server(
    run: Run,
    served: Any,
    small_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    judged: list[str | Path],
) -> None:
    monkeypatch.chdir(small_model.parent)  # the server is elsewhere
    place = ["-w", served.path]
    assert len(run("golden", "stones", *judged, "--json", *place).json) == 1
    made = run("reembed", "stones", "--encoder", small_model.name, "--json", *place)
    assert made.status == 0, made.err
    assert (made.json["version"], made.json["encoder"]) == (2, str(small_model))
    assert made.json["comparison"]["queries"] == 1
    assert served.log("stones")[0].space == made.json["space"]
    assert run("golden", "stones", "--clear", "--json", *place).json == []
