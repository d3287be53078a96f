"""What accepted feedback teaches, in files that training reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragstone.encoders.verifiers import NEITHER, SUPPORTED
from ragstone.errors import InvalidArgument
from ragstone.generation.base import Generator, Prompt, Sampling
from ragstone.schemas.answers import Answer
from ragstone.training.claims import Judged, read_claims
from ragstone.training.questions import Question, read_questions
from ragstone.workspace import Workspace

from .conftest import FROST, STONES

GRANITE = STONES["granite.md"].strip()
QUOTE = "Granite resists frost best of all stones."


def accept(ws: Workspace, answer: Answer, *, good: bool, **said: str) -> str:
    given = ws.feedback(answer.answer_id, good=good, **said)  # type: ignore[arg-type]
    return ws.accept_feedback(given.id).id


def questions(ws: Workspace, folder: Path, amount: int) -> list[Question]:
    made = ws.export_feedback(folder / "new" / "questions.json", "reader")
    assert made.examples == amount
    found = read_questions(Path(made.file))
    assert len(found) == amount
    return found


def test_a_good_answer_is_marked_where_it_is_cited(
    stones: Workspace, frost: Answer, tmp_path: Path
) -> None:
    accept(stones, frost, good=True)
    (found,) = questions(stones, tmp_path, 1)
    assert (found.text, found.article, found.passage) == (FROST, "Granite", GRANITE)
    assert found.answers == [frost.short or QUOTE]


def test_the_few_words_that_answer_are_marked_where_a_reader_found_them(
    stones: Workspace, tmp_path: Path
) -> None:
    answer = stones.ask("What is chalk made of?", "stones")
    assert answer.short
    assert answer.short != answer.citations[0].quote
    accept(stones, answer, good=True)
    assert [one.answers for one in questions(stones, tmp_path, 1)] == [[answer.short]]


def test_a_good_not_found_says_that_the_passages_do_not_answer(
    stones: Workspace, tmp_path: Path
) -> None:
    nothing = stones.ask("Who won the football cup?", "stones")
    accept(stones, nothing, good=True)
    found = questions(stones, tmp_path, 3)
    assert {one.text for one in found} == {nothing.question}
    assert [one.spans for one in found] == [(), (), ()]


def test_the_right_answer_is_marked_where_it_stands(stones: Workspace, tmp_path: Path) -> None:
    roof = stones.ask("Which roof cover is oldest?", "stones")
    accept(stones, roof, good=False, answer_text="with SLATE, since 1300")
    (found,) = questions(stones, tmp_path, 1)
    assert found.passage == STONES["slate.txt"].strip()
    assert found.answers == ["with slate since 1300"]


def test_the_right_answer_is_marked_where_it_was_found_later(
    stones: Workspace, sources: Path, tmp_path: Path
) -> None:
    roof = stones.ask("Which roof cover is oldest?", "stones")
    (sources / "thatch.txt").write_text("The oldest roof cover is thatch of reed.\n")
    stones.ingest(sources, "stones")
    accept(stones, roof, good=False, reason="outdated", answer_text="thatch of reed")
    (found,) = questions(stones, tmp_path, 1)
    assert (found.article, found.answers) == ("thatch.txt", ["thatch of reed"])


class Saying:
    """A generator that says one thing."""

    id = "saying"
    context_length = 4_096

    def __init__(self, text: str) -> None:
        self.text = text

    def count_tokens(self, prompt: Prompt) -> int:
        return len(prompt.text.split())

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[str]:  # noqa: ARG002
        yield self.text


SAID = "Of all stones granite resists frost best."


@pytest.fixture
def written(stones: Workspace, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """An answer in other words than its quote."""

    def opened(*_: object) -> Generator:
        return Saying(f"{SAID} [1]")

    monkeypatch.setattr("ragstone.asking.open_generator", opened)
    answer = stones.ask(FROST, "stones")
    assert [claim.text for claim in answer.claims] == [SAID]
    return answer


def claims(ws: Workspace, folder: Path, amount: int) -> list[Judged]:
    made = ws.export_feedback(folder / "claims.jsonl", "verifier")
    assert made.examples == amount
    return read_claims(Path(made.file))


def test_a_good_answer_is_supported_by_its_quotes(
    stones: Workspace, written: Answer, tmp_path: Path
) -> None:
    accept(stones, written, good=True)
    assert claims(stones, tmp_path, 1) == [Judged(SAID, QUOTE, SUPPORTED, "Granite")]


def test_quotes_of_an_unsupported_answer_are_not_enough(
    stones: Workspace, frost: Answer, written: Answer, tmp_path: Path
) -> None:
    accept(stones, written, good=False, reason="unsupported")
    accept(stones, frost, good=False, reason="unsupported")  # which says what its quote says
    accept(stones, written, good=False, reason="wrong")
    assert claims(stones, tmp_path, 1) == [Judged(SAID, QUOTE, NEITHER, "Granite")]


def test_only_what_was_accepted_is_written(
    stones: Workspace, frost: Answer, tmp_path: Path
) -> None:
    stones.reject_feedback(accept(stones, frost, good=True))
    stones.feedback(frost.answer_id, good=True)
    file = tmp_path / "questions.json"
    with pytest.raises(InvalidArgument, match="of 0, none does"):
        stones.export_feedback(file, "reader")
    assert not file.exists()
    accept(stones, frost, good=True)
    made = stones.export_feedback(file, "reader", dataset="stones")
    assert (made.file, made.use, made.feedback, made.examples) == (str(file), "reader", 1, 1)
    squad = json.loads(file.read_text(encoding="utf-8"))
    assert len(squad["data"][0]["paragraphs"][0]["qas"]) == 1


def test_a_file_that_is_there_and_other_uses_are_refused(
    stones: Workspace, frost: Answer, tmp_path: Path
) -> None:
    accept(stones, frost, good=True)
    file = tmp_path / "questions.json"
    with pytest.raises(InvalidArgument, match="a reranker learns from golden queries"):
        stones.export_feedback(file, "reranker")
    with pytest.raises(InvalidArgument, match="file is"):
        stones.export_feedback(tmp_path / "workspace" / "questions.json", "reader")
    file.write_text("mine")
    with pytest.raises(InvalidArgument, match="expected a new file"):
        stones.export_feedback(file, "reader")
    assert file.read_text() == "mine"
