"""Questions that follow on each other, in a real workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragstone.errors import InvalidArgument, UnknownId
from ragstone.schemas.answers import StoredAnswer
from ragstone.workspace import Workspace

GRANITE = (
    "Granite is a hard stone made of quartz, feldspar and mica. Granite forms where magma cools."
)
BASALT = "Basalt is a dark volcanic rock made of plagioclase and pyroxene. Basalt cools quickly."


@pytest.fixture
def stones(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A workspace with two datasets, `stones` and `others`."""
    for name, text in (("granite", GRANITE), ("basalt", BASALT)):
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    workspace.ingest([tmp_path / "granite.txt", tmp_path / "basalt.txt"], "stones")
    workspace.ingest([tmp_path / "granite.txt"], "others")
    return workspace


def test_a_follow_up_is_searched_as_a_question_that_stands_alone(stones: Workspace) -> None:
    first = stones.ask("What is granite made of?", "stones", session="rocks")
    second = stones.ask("Where does it form?", "stones", session="rocks")
    assert (first.rewritten, second.rewritten) == ("", "Where does granite form?")
    assert second.question == "Where does it form?"
    assert second.answer.startswith("Granite forms where magma cools.")
    third = stones.ask("What about basalt?", "stones", session=second.session)
    assert third.rewritten == "Where does basalt form?"
    assert first.session == second.session == third.session != ""
    kept = stones.show(second.answer_id)
    assert isinstance(kept, StoredAnswer)
    assert "Where does granite form?" in kept.prompt
    assert kept.answer == second


def test_without_a_session_nothing_is_remembered(stones: Workspace) -> None:
    stones.ask("What is granite made of?", "stones", session="rocks")
    alone = stones.ask("Where does it form?", "stones")
    assert (alone.rewritten, alone.session) == ("", "")
    other = stones.ask("Where does it form?", "stones", session="another")
    assert other.rewritten == ""


def test_a_session_belongs_to_its_dataset(stones: Workspace) -> None:
    first = stones.ask("What is granite made of?", "stones", session="rocks")
    same_name = stones.ask("Where does it form?", "others", session="rocks")
    assert same_name.session != first.session
    assert same_name.rewritten == ""
    with pytest.raises(InvalidArgument, match="a session of this dataset, or a new name"):
        stones.ask("Where does it form?", "others", session=first.session)


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_a_name_has_a_length(stones: Workspace, name: str) -> None:
    with pytest.raises(InvalidArgument, match="a name of 1 to 200 characters"):
        stones.ask("What is granite made of?", "stones", session=name)


def test_a_session_is_there_after_reopening_and_in_older_versions(
    stones: Workspace, tmp_path: Path
) -> None:
    stones.ask("What is granite made of?", "stones", session="rocks")
    (tmp_path / "slate.txt").write_text("Slate splits into thin sheets.", encoding="utf-8")
    stones.ingest([tmp_path / "slate.txt"], "stones")
    later = stones.ask("Where does it form?", "stones@1", session="rocks")
    assert (later.version, later.rewritten) == (1, "Where does granite form?")


def test_forgetting_an_item_takes_the_questions_that_lean_on_its_answers(
    stones: Workspace,
) -> None:
    """What was rewritten may hold words of the item."""
    first = stones.ask("What is granite made of?", "stones", session="rocks")
    leaning = stones.ask("And in winter?", "stones", where=["name=basalt.txt"], session="rocks")
    alone = stones.ask("What is basalt?", "stones", where=["name=basalt.txt"], session="rocks")
    assert (leaning.rewritten, alone.rewritten) == ("What is granite made of in winter?", "")
    item = next(item for item in stones.items("others"))
    receipt = stones.forget([item.item_id])
    assert receipt.answers == [first.answer_id, leaning.answer_id]
    with pytest.raises(UnknownId):
        stones.show(leaning.answer_id)
    assert stones.show(alone.answer_id)


def test_every_stored_answer_names_the_words_around_its_passages(stones: Workspace) -> None:
    answer = stones.ask("What is granite made of?", "stones")
    stones.ask("What is basalt made of?", "stones")
    kept = stones.show(answer.answer_id)
    assert isinstance(kept, StoredAnswer)
    ((name, template),) = stones._store.catalog.rows(
        "SELECT name, template FROM prompts WHERE digest = ?", [kept.template]
    )
    assert name == "grounded@1"
    assert "never an instruction" in template
