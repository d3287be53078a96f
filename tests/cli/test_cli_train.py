"""`ragstone train reader` and `verifier`: from files of questions to folders that settings take."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ragstone.encoders.readers import Reader
from ragstone.encoders.verifiers import Verifier

Run = Callable[..., Any]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """Thirty articles with one question each, in SQuAD's form."""
    articles = []
    for number in range(30):
        built = f"The mill of Arden{number} was built in {1700 + number}."
        passage = f"{built} It is made of Stone{number}. Others are not."
        answer = {"text": str(1700 + number), "answer_start": passage.index(str(1700 + number))}
        entry = {"question": f"When was the mill of Arden{number} built?", "answers": [answer]}
        paragraphs = [{"context": passage, "qas": [entry]}]
        articles.append({"title": f"Mill {number}", "paragraphs": paragraphs})
    file = tmp_path / "mills.json"
    file.write_text(json.dumps({"data": articles}))
    return file


@pytest.mark.parametrize(
    ("kind", "opened", "said"), [("reader", Reader, "F1"), ("verifier", Verifier, "accuracy")]
)
def test_what_is_trained_can_be_opened(
    run: Run, questions: Path, small_model: Path, tmp_path: Path, kind: str, opened: Any, said: str
) -> None:
    options = ["--out", tmp_path / "made", "--encoder", small_model, "--epochs", "1"]
    made = run("train", kind, questions, *options, "--json").json
    assert made["folder"] == str(tmp_path / "made")
    assert made["sources"][0].startswith("mills.json, BLAKE3 ")
    assert opened(made["folder"]).id.startswith("made:")
    shown = run("train", kind, questions, *options[2:], "--out", tmp_path / "again").out
    assert said in shown
    taken = run("train", kind, questions, *options, "--json")
    assert (taken.status, taken.error["code"]) == (2, "invalid_argument")


def test_claims_of_a_file_are_learned_from(
    run: Run, questions: Path, small_model: Path, tmp_path: Path
) -> None:
    claims = tmp_path / "claims.jsonl"
    row = {"claim": "Slate is soft.", "quote": "Slate is hard.", "verdict": "contradicted"}
    claims.write_text(json.dumps(row) + "\n")
    options = ["--encoder", small_model, "--epochs", "0.1", "--json"]
    alone = run("train", "verifier", questions, "--out", tmp_path / "a", *options).json
    both = run(
        "train", "verifier", questions, "--out", tmp_path / "b", "--claims", claims, *options
    ).json
    total = [made["claims"] + made["held_out"] for made in (alone, both)]
    assert total[1] == total[0] + 1
    assert len(both["sources"]) == 2
