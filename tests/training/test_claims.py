"""Claims made of questions: what they say, and what the quote beside them says of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from ragstone.encoders.verifiers import CONTRADICTED, NEITHER, SUPPORTED
from ragstone.errors import InvalidArgument
from ragstone.training.claims import Judged, made_claims, read_claims, statement
from ragstone.training.questions import Question


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Who opened the quarry?", "Anna Ek opened the quarry."),
        ("Which woman opened the quarry", "Anna Ek opened the quarry."),
        ("Who was the owner of the quarry?", "The owner of the quarry was Anna Ek."),
        ("When did it open?", "When did it open? Anna Ek."),
    ],
)
def test_a_question_and_its_answer_become_a_sentence(question: str, said: str) -> None:
    assert statement(question, "Anna Ek") == said


def test_claims_of_all_verdicts_are_made(questions: list[Question]) -> None:
    made = made_claims(questions, seed=0)
    assert set(Counter(one.verdict for one in made)) == {SUPPORTED, CONTRADICTED, NEITHER}
    assert made == made_claims(questions, seed=0)
    assert made != made_claims(questions, seed=1)
    passages = {one.article: one.passage for one in questions}
    for one in made:
        assert one.quote in passages[one.article]
        assert one.claim


def test_a_quote_that_knows_nothing_does_not_hold_the_answer(questions: list[Question]) -> None:
    answers = {one.article: one.answers[0] for one in questions if one.spans}
    neither = [one for one in made_claims(questions, seed=0) if one.verdict == NEITHER]
    assert neither
    for one in neither:
        assert answers[one.article] in one.claim
        assert answers[one.article] not in one.quote


def test_changed_sentences_say_something_else(questions: list[Question]) -> None:
    for one in made_claims(questions, seed=0):
        if one.verdict == CONTRADICTED:
            assert one.claim != one.quote


def test_claims_are_read(tmp_path: Path) -> None:
    file = tmp_path / "claims.jsonl"
    rows = [
        {"claim": "Slate is soft.", "quote": "Slate is hard.", "verdict": "contradicted"},
        {"claim": "A", "quote": "B", "verdict": "not enough", "article": "C"},
    ]
    file.write_text("\n".join(map(json.dumps, rows)) + "\n")
    assert read_claims(file) == [
        Judged("Slate is soft.", "Slate is hard.", CONTRADICTED),
        Judged("A", "B", NEITHER, "C"),
    ]


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"claim": "a", "quote": "b"}', '{"claim": 1, "verdict": "maybe"}']
)
def test_other_lines_are_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "claims.jsonl"
    file.write_text(line)
    with pytest.raises(InvalidArgument, match="verdict"):
        read_claims(file)
