"""Follow-up questions that a language model makes whole, in a real workspace; their receipts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import RagstoneError
from ragstone.generation.prompts import FOLLOWUP
from ragstone.schemas.answers import Answer, Receipt, StoredAnswer
from ragstone.workspace import Workspace

from ..generation.chat_servers import Script, never_ends, refuses, says, serving

GRANITE = (
    "Granite is a hard stone made of quartz, feldspar and mica. Granite forms where magma cools."
)
FIRST, THEN = "What is granite made of?", "Where does it form?"
MADE_OF = says("Granite is a hard stone made of quartz, feldspar and mica. [1]")
WHOLE = says("Where does the stone granite form?")
FORMS = says("Granite forms where magma cools. [1]")
BY_RULES = "Where does granite form?"


@pytest.fixture
def stones(workspace: Workspace, tmp_path: Path) -> Workspace:
    (tmp_path / "granite.txt").write_text(GRANITE, encoding="utf-8")
    workspace.ingest([tmp_path / "granite.txt"], "stones")
    return workspace


def asked(ws: Workspace, script: Script, *questions: str) -> Iterator[Answer]:
    name = f"openai:pebble@{script.url}"
    for question in questions:
        yield ws.ask(question, "stones", generator=name, session="rocks")


def receipt(ws: Workspace, answer: Answer) -> Receipt:
    kept = ws.show(answer.answer_id)
    assert isinstance(kept, StoredAnswer)
    assert kept.receipt is not None
    return kept.receipt


def test_a_model_makes_a_follow_up_whole_and_the_receipt_says_so(stones: Workspace) -> None:
    with serving(MADE_OF, WHOLE, FORMS, WHOLE, FORMS) as script:
        first, then = asked(stones, script, FIRST, THEN)
        assert (then.question, then.rewritten) == (THEN, "Where does the stone granite form?")
        assert then.answer.startswith("Granite forms where magma cools.")
        assert receipt(stones, first).rewriting is None
        made = receipt(stones, then).rewriting
        assert made is not None
        assert (made.by, made.problem, made.follows) == ("model", "", [first.answer_id])
        assert (made.template, made.raw.strip()) == (FOLLOWUP.digest, then.rewritten)
        assert "feldspar and mica." in made.prompt
        sent = script.requests[1]["messages"]
        assert made.prompt == "\n\n".join(message["content"] for message in sent)
        assert script.requests[1]["temperature"] == 0
        replay = stones.replay(then.answer_id)
        assert (replay.differences, replay.missing) == ([], [])
        assert script.requests[3] == script.requests[1]
    names = stones._store.catalog.rows("SELECT name FROM prompts ORDER BY name")
    assert names == [("followup@1",), ("grounded@1",)]


def test_a_model_that_writes_another_question_now_is_told(stones: Workspace) -> None:
    other = says("Where does granite itself form?")
    with serving(MADE_OF, WHOLE, FORMS, other, FORMS) as script:
        _, then = asked(stones, script, FIRST, THEN)
        found = stones.replay(then.answer_id).differences
    assert [(d.kind, d.after) for d in found] == [
        ("rewriting", "granite itself form? "),
        ("rewriting", "granite itself form?"),
    ]


@pytest.mark.parametrize(
    ("reply", "seconds", "problem"),
    [
        (refuses(401, "who are you"), 60, "who are you"),
        (says("Where does the Himalaya form?"), 60, "brings in himalaya"),
        (never_ends("<think>"), 0.5, "was not ready within 0.5 s"),
    ],
)
def test_where_the_model_does_not_help_the_rules_do_and_the_receipt_tells(
    tmp_path: Path, encoder: TextEncoder, reply: object, seconds: float, problem: str
) -> None:
    (tmp_path / "granite.txt").write_text(GRANITE, encoding="utf-8")
    settings = {"rewrite_seconds": seconds}
    with (
        ragstone.open(
            tmp_path / "ws",
            create=True,
            encoder=encoder,
            ingestion={"workers": 0},
            generation=settings,
        ) as ws,
        serving(MADE_OF, reply, FORMS) as script,  # type: ignore[arg-type]
    ):
        ws.ingest([tmp_path / "granite.txt"], "stones")
        _, then = asked(ws, script, FIRST, THEN)
        assert then.rewritten == BY_RULES
        made = receipt(ws, then).rewriting
        assert made is not None
        assert made.by == "rules"
        assert problem in made.problem
        # What failed then is not tried again: the rules are, and the answer.
        before = len(script.requests)
        assert ws.replay(then.answer_id).differences == []
        assert len(script.requests) == before + 1


@pytest.mark.parametrize(("choice", "searched"), [("rules", BY_RULES), ("off", "")])
def test_the_settings_say_who_may(
    tmp_path: Path, encoder: TextEncoder, choice: str, searched: str
) -> None:
    (tmp_path / "granite.txt").write_text(GRANITE, encoding="utf-8")
    with (
        ragstone.open(
            tmp_path / "ws",
            create=True,
            encoder=encoder,
            ingestion={"workers": 0},
            generation={"rewrite": choice},
        ) as ws,
        serving(MADE_OF, FORMS) as script,
    ):
        ws.ingest([tmp_path / "granite.txt"], "stones")
        _, then = asked(ws, script, FIRST, THEN)
        assert then.rewritten == searched
        assert "Rewrite this question" not in str(script.requests)
        made = receipt(ws, then).rewriting
        assert (made.by if made else "") == ("rules" if choice == "rules" else "")
        assert ws.replay(then.answer_id).differences == []


def test_rules_are_repeated_as_well(stones: Workspace) -> None:
    stones.ask(FIRST, "stones", session="rocks")
    then = stones.ask(THEN, "stones", session="rocks")
    made = receipt(stones, then).rewriting
    assert made is not None
    assert (made.by, made.template, made.problem) == ("rules", "", "")
    assert stones.replay(then.answer_id).same


def test_of_a_conversation_that_somebody_else_keeps_no_word_is_kept(stones: Workspace) -> None:
    history = [(FIRST, "Quartz, feldspar and mica. [1]")]
    with serving(WHOLE, FORMS) as script:
        name = f"openai:pebble@{script.url}"
        stream = stones.ask_stream(THEN, "stones", generator=name, history=history)
        answer = [*stream][-1].answer  # type: ignore[union-attr]
        made = receipt(stones, answer).rewriting
        assert made is not None
        assert (made.by, made.follows, made.prompt, made.raw) == ("model", [], "", "")
        replay = stones.replay(answer.answer_id)
    assert replay.differences == []
    assert replay.missing == ["the conversation that the question followed on"]


def test_forget_takes_what_a_model_read_of_the_item(stones: Workspace, tmp_path: Path) -> None:
    """Also where the question stayed as it was, and nothing of the item was found for it."""
    (tmp_path / "slate.txt").write_text("Slate covers roofs.", encoding="utf-8")
    stones.ingest([tmp_path / "slate.txt"], "stones")
    unchanged = says("What covers roofs?")
    with serving(MADE_OF, unchanged, says("Slate covers roofs. [1]")) as script:
        name = f"openai:pebble@{script.url}"
        granite = ["name=granite.txt"]
        stones.ask(FIRST, "stones", generator=name, session="rocks", where=granite)
        slate = ["name=slate.txt"]
        then = stones.ask(
            "What covers roofs?", "stones", generator=name, session="rocks", where=slate
        )
    assert then.rewritten == ""
    item = next(item for item in stones.items("stones") if item.name == "granite.txt")
    assert then.answer_id in stones.forget([item.item_id]).answers


def test_a_generator_that_is_none_is_refused_before_anything(stones: Workspace) -> None:
    with pytest.raises(RagstoneError, match="generator is 'nobody'"):
        stones.ask(FIRST, "stones", generator="nobody")
    assert stones._store.catalog.rows("SELECT count(*) FROM answers") == [(0,)]
