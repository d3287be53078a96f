"""Questions with marked answers: read from two forms, held out by article, and made harder."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from ragstone.errors import InvalidArgument
from ragstone.training.questions import (
    Question,
    held_out,
    read_questions,
    source_name,
    with_changed_questions,
    with_other_passages,
)

PASSAGE = "Granite is hard. In 1850 Anna Ek opened the first quarry of Borlo."


def squad(*entries: dict[str, object]) -> str:
    paragraphs = [{"context": PASSAGE, "qas": list(entries)}]
    return json.dumps({"data": [{"title": "Stones", "paragraphs": paragraphs}]})


def test_squad_is_read(tmp_path: Path) -> None:
    file = tmp_path / "squad.json"
    file.write_text(
        squad(
            {"question": "What is hard?", "answers": [{"text": "Granite", "answer_start": 0}]},
            {"question": "What is soft?", "answers": [], "is_impossible": True},
            {"question": "Shifted?", "answers": [{"text": "Granite", "answer_start": 3}]},
        )
    )
    found = read_questions(file)
    assert [(one.text, one.answers) for one in found] == [
        ("What is hard?", ["Granite"]),
        ("What is soft?", []),
    ]
    assert found[0].article == "Stones"


def test_what_is_said_to_have_no_answer_has_none(tmp_path: Path) -> None:
    file = tmp_path / "squad.json"
    plausible = [{"text": "Granite", "answer_start": 0}]
    file.write_text(squad({"question": "Soft?", "answers": plausible, "is_impossible": True}))
    assert read_questions(file)[0].spans == ()


def test_a_folder_is_read(tmp_path: Path) -> None:
    corpus = {"_id": "p1", "title": "Stones", "text": PASSAGE}
    about = {"passage_id": "p1", "answers": ["1850", "Borlo"], "answer_starts": [20, 60, 99]}
    rows = [
        {"_id": "q1", "text": "When?", "metadata": about},
        {"_id": "q2", "text": "Who?", "metadata": {"passage_id": "p1", "answers": []}},
    ]
    (tmp_path / "corpus.jsonl").write_text(json.dumps(corpus) + "\n")
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = read_questions(tmp_path)
    assert [one.answers for one in found] == [["1850", "Borlo"], []]


@pytest.mark.parametrize("content", ["", "{}", '{"data": [{}]}', '{"data": []}', "[1]"])
def test_another_form_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(content)
    with pytest.raises(InvalidArgument, match="SQuAD"):
        read_questions(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="SQuAD"):
        read_questions(tmp_path / "nothing.json")


def test_a_source_is_named_by_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("one")
    before = source_name(file)
    assert before.startswith("a.json, BLAKE3 ")
    file.write_text("two")
    assert source_name(file) != before


def test_articles_are_held_out_by_their_title_and_use() -> None:
    titles = [f"title {number}" for number in range(500)]
    chosen = {title for title in titles if held_out(title, 20)}
    assert 60 < len(chosen) < 140
    assert chosen < {title for title in titles if held_out(title, 40)}
    assert chosen != {title for title in titles if held_out(title, 20, "other")}


def test_other_passages_hold_no_answer(questions: list[Question]) -> None:
    grown = with_other_passages(questions, 1.0, seed=0)
    added = [(before, one) for before, one in pairwise(grown) if one not in questions]
    assert len(added) > 40
    for question, one in added:
        assert (one.text, one.spans) == (question.text, ())
        assert not any(answer in one.passage for answer in question.answers)
    assert grown == with_other_passages(questions, 1.0, seed=0)
    assert grown != with_other_passages(questions, 1.0, seed=1)


def test_the_other_passage_is_of_the_same_article_where_there_is_one() -> None:
    start = PASSAGE.index("1850")
    one = Question("When?", PASSAGE, "Stones", ((start, start + 4),))
    twin = Question("How?", "Slate is soft.", "Stones", ())
    far = [Question("Who?", f"Text {n}.", "Else", ()) for n in range(20)]
    added = [q for q in with_other_passages([one, twin, *far], 1.0, 0) if q.text == "When?"][1:]
    assert [q.passage for q in added] == ["Slate is soft."]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What happened in 1850?", {"What happened in"}),
        ("Which was the first quarry?", {"Which was the last quarry?"}),
        ("Where did she settle near Cando?", {"Where did she settle near"}),
    ],
)
def test_changed_questions_say_something_else(text: str, words: set[str]) -> None:
    one = Question(text, PASSAGE, "Stones", ((0, 7),))
    found = with_changed_questions([one], 1.0, seed=0)
    assert found[0] == one
    assert len(found) == 2
    assert found[1].text != text
    assert found[1].spans == ()
    assert any(found[1].text.startswith(beginning) for beginning in words)


def test_a_question_that_cannot_be_changed_is_left_alone() -> None:
    one = Question("why?", PASSAGE, "Stones", ((0, 7),))
    assert with_changed_questions([one], 1.0, seed=0) == [one]
