"""Replay: the same answer byte for byte, or what exactly is not as it was."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import GeneratorFailed, UnknownId
from ragstone.generation import generators, prompts
from ragstone.generation.extractive import ExtractiveReader
from ragstone.generation.prompts import Template
from ragstone.schemas.answers import Answer
from ragstone.schemas.tracing import Replay
from ragstone.workspace import Workspace

from .conftest import FROST, STONES

Change = Callable[[dict[str, Any]], None]


def kinds(replay: Replay) -> list[str]:
    return [found.kind for found in replay.differences]


def rewrite(ws: Workspace, answer: Answer, change: Change) -> None:
    """Change the record of an answer behind Ragstone's back."""
    sql = "SELECT record FROM answers WHERE answer_id = ?"
    ((body,),) = ws._store.catalog.rows(sql, [answer.answer_id])
    record = json.loads(body)
    change(record)
    ws._store.catalog.write(
        "UPDATE answers SET record = ? WHERE answer_id = ?", [json.dumps(record), answer.answer_id]
    )


# ---------------------------------------------------------------- the same


def test_an_answer_is_made_again_byte_for_byte(stones: Workspace, frost: Answer) -> None:
    replay = stones.replay(frost.answer_id[:12].lower())
    assert (replay.answer_id, replay.question) == (frost.answer_id, FROST)
    assert (replay.same, replay.differences, replay.missing) == (True, [], [])
    assert len(replay.seal) == 64


def test_nothing_found_is_made_again_as_well(stones: Workspace) -> None:
    answer = stones.ask("Who won the football cup?", "stones")
    assert not answer.found
    assert stones.replay(answer.answer_id).same


def test_a_replay_uses_the_filters_and_settings_of_the_answer(
    stones: Workspace, tmp_path: Path, encoder: TextEncoder
) -> None:
    answer = stones.ask("What is soft?", "stones", where=["name=chalk.txt"])
    stones.close()
    retrieval = {"vector_weight": 0.1, "candidates": 11}
    generation = {"passages": 1, "max_sentences": 1, "min_evidence": 1.0, "policy": "off"}
    with ragstone.open(
        tmp_path / "workspace", encoder=encoder, retrieval=retrieval, generation=generation
    ) as other:
        assert other.replay(answer.answer_id).differences == []


CHANGES = 40
ANSWERS = 25


def test_answers_are_the_same_after_many_changes(stones: Workspace, sources: Path) -> None:
    draw = random.Random(0)  # noqa: S311  # no secret
    questions = [
        FROST,
        "What is covered with slate?",
        "What eats marble?",
        "What is chalk made of?",
    ]
    asked = []
    for number in range(ANSWERS):
        if number % 5 == 0:
            change(stones, sources, draw, number)
        asked.append(stones.ask(draw.choice(questions), "stones"))
    assert {answer.version for answer in asked} > {2}
    for number in range(CHANGES):
        change(stones, sources, draw, ANSWERS + number)
    replays = [stones.replay(answer.answer_id) for answer in asked]
    assert [replay.differences for replay in replays] == [[]] * ANSWERS
    assert stones.doctor().findings == []


def change(ws: Workspace, sources: Path, draw: random.Random, number: int) -> None:
    """Add a stone, change one, delete one, or move a tag."""
    kind = draw.choice(["add", "change", "delete", "tag"])
    if kind == "tag":
        ws.tag(f"stones@{ws.log('stones')[-1].version}", "first", move=True)
    elif kind == "delete" and len(ws.items("stones")) > 2:
        ws.delete("stones", [draw.choice(ws.items("stones")).item_id])
    else:
        name = f"stone-{number}.txt" if kind == "add" else draw.choice(list(STONES))
        words = " ".join(draw.sample(["frost", "slate", "marble", "acid", "roof", "shell"], 3))
        text = f"Stone {number} knows {words}. Which stone resists frost number {number} best?\n"
        (sources / name).write_text(text, encoding="utf-8")
        ws.ingest(sources / name, "stones")


# ---------------------------------------------------------------- what differs


def test_a_changed_record_is_told_with_what_was_changed(stones: Workspace, frost: Answer) -> None:
    rewrite(stones, frost, lambda record: record["answer"].update(answer="Marble does. [1]"))
    replay = stones.replay(frost.answer_id)
    assert kinds(replay) == ["tampered", "text"]
    text = replay.differences[1]
    assert (text.place, text.before) == (1, "Marble does. [1]")
    assert text.after.startswith("Granite resists frost")


def test_a_record_that_is_none_is_told(stones: Workspace, frost: Answer) -> None:
    sql = "UPDATE answers SET record = '{}' WHERE answer_id = ?"
    stones._store.catalog.write(sql, [frost.answer_id])
    replay = stones.replay(frost.answer_id)
    assert (replay.same, kinds(replay)) == (False, ["tampered"])


def test_the_first_other_character_is_told(stones: Workspace, frost: Answer) -> None:
    changed = frost.answer.replace("best", "worst")
    rewrite(stones, frost, lambda record: record["answer"].update(answer=changed))
    text = next(d for d in stones.replay(frost.answer_id).differences if d.kind == "text")
    assert text.place == frost.answer.index("best") + 1
    assert (text.before[:5], text.after[:4]) == ("worst", "best")


def test_hits_that_differ_are_told_by_their_rank(stones: Workspace, frost: Answer) -> None:
    def change(record: dict[str, Any]) -> None:
        record["hits"][0]["score"] = 0.123
        record["hits"][1]["chunk_id"] = "another"
        record["hits"].pop()

    rewrite(stones, frost, change)
    hits = [d for d in stones.replay(frost.answer_id).differences if d.kind == "hits"]
    assert [(d.place, d.problem) for d in hits] == [
        (1, "hit 1 has another score"),
        (2, "hit 2 is another chunk"),
        (4, "3 hits then, 4 now"),
    ]
    assert hits[0].before == "0.123"


def test_a_quote_that_is_not_in_its_source_is_told(stones: Workspace, frost: Answer) -> None:
    rewrite(stones, frost, lambda r: r["answer"]["citations"][0].update(quote="Marble"))
    assert kinds(stones.replay(frost.answer_id)) == ["tampered", "quote", "citations"]


def test_a_version_given_up_is_told_and_the_rest_compared(
    stones: Workspace, frost: Answer, sources: Path
) -> None:
    (sources / "new.txt").write_text("Basalt is dark.\n", encoding="utf-8")
    stones.ingest(sources, "stones")
    stones.gc(keep=1)
    replay = stones.replay(frost.answer_id)
    assert [d.problem for d in replay.differences] == ["version 1 of 'stones' was given up by gc"]


def test_erased_items_are_told(stones: Workspace, frost: Answer) -> None:
    unused = stones.ask("What is soft?", "stones", where=["name=chalk.txt"])
    slate = next(item for item in stones.items("stones") if item.name == "slate.txt")
    receipt = stones.forget([slate.item_id], reason="asked to")
    assert frost.answer_id in receipt.answers
    with pytest.raises(UnknownId):
        stones.replay(frost.answer_id)
    replay = stones.replay(unused.answer_id)
    assert replay.differences[0].problem == f"1 items were erased from it, see {receipt.id}"
    assert {"text", "claims", "citations"}.isdisjoint(kinds(replay))


def test_a_changed_template_is_told(
    stones: Workspace, frost: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = prompts.GROUNDED
    changed = Template("grounded@9", old.system.upper(), old.user, old.passage)
    monkeypatch.setattr(prompts, "GROUNDED", changed)
    monkeypatch.setattr("ragstone.receipts.replaying.GROUNDED", changed)
    monkeypatch.setattr(prompts._render, "__defaults__", (changed,))
    replay = stones.replay(frost.answer_id)
    assert kinds(replay) == ["template", "prompt"]
    assert (replay.differences[0].before, replay.differences[0].after) == (
        old.digest,
        changed.digest,
    )


def test_an_encoder_with_another_digest_is_told(stones: Workspace, frost: Answer) -> None:
    rewrite(stones, frost, lambda record: record["receipt"]["digests"].update(encoder="0" * 64))
    replay = stones.replay(frost.answer_id)
    assert kinds(replay) == ["tampered", "encoder"]
    assert replay.differences[1].before == "0" * 64


def test_a_file_of_synonyms_that_changed_is_told(
    tmp_path: Path, encoder: TextEncoder, sources: Path
) -> None:
    path = tmp_path / "workspace"
    settings = {"synonyms": "words.txt"}
    with ragstone.open(path, create=True, encoder=encoder, retrieval=settings) as ws:
        (path / "words.txt").write_text("frost, ice\n", encoding="utf-8")
        ws.ingest(sources, "stones")
        answer = ws.ask(FROST, "stones")
        assert ws.replay(answer.answer_id).same
        (path / "words.txt").write_text("frost, ice, snow\n", encoding="utf-8")
        assert kinds(ws.replay(answer.answer_id)) == ["synonyms"]


class _Fickle(ExtractiveReader):
    """Says something else each time, from weights that change."""

    times = 0
    weights = "0" * 64

    @property
    def digest(self) -> str:
        return self.weights

    def stream(self, prompt: Any, sampling: Any) -> Any:  # noqa: ARG002
        type(self).times += 1
        if self.times == 3:
            raise GeneratorFailed("extractive", "it is tired")
        yield prompt.passages[0].text.splitlines()[-1] if self.times == 1 else "Granite resists."


def test_a_generator_that_changed_or_fails_is_told(
    stones: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generators, "ExtractiveReader", _Fickle)
    monkeypatch.setattr(_Fickle, "times", 0)
    answer = stones.ask(FROST, "stones")
    monkeypatch.setattr(_Fickle, "weights", "1" * 64)
    replay = stones.replay(answer.answer_id)
    assert replay.differences[0].kind == "generator"
    assert replay.differences[0].after == "1" * 64
    assert {"raw", "text", "claims"} <= set(kinds(replay))
    failed = stones.replay(answer.answer_id)
    assert "it is tired" in failed.differences[-1].problem


def test_settings_that_cannot_be_read_are_told(stones: Workspace, frost: Answer) -> None:
    rewrite(stones, frost, lambda record: record["settings"].update(colour="red"))
    replay = stones.replay(frost.answer_id)
    assert kinds(replay) == ["tampered", "settings"]
    assert "colour" in replay.differences[1].problem


# ---------------------------------------------------------------- old and unfinished records


def test_an_answer_without_a_receipt_is_made_again_as_far_as_it_tells(
    stones: Workspace, frost: Answer
) -> None:
    def old(record: dict[str, Any]) -> None:
        del record["receipt"], record["state"], record["template"]
        for hit in record["hits"]:
            del hit["modality"], hit["before"], hit["after"]
        del record["settings"]["policy"], record["settings"]["timeout_seconds"]
        record["settings"]["unsupported"] = "drop"

    rewrite(stones, frost, old)
    stones._store.catalog.write("DELETE FROM seals")
    replay = stones.replay(frost.answer_id)
    assert replay.differences == []
    assert (len(replay.missing), replay.seal) == (2, "")
    assert "filters" in replay.missing[0]


def test_a_failed_answer_is_compared_up_to_its_prompt(
    stones: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(_Fickle, "times", 2)
        patch.setattr(generators, "ExtractiveReader", _Fickle)
        with pytest.raises(GeneratorFailed) as failure:
            stones.ask(FROST, "stones")
    answer_id = failure.value.message.split("(answer ")[1].rstrip(")")
    replay = stones.replay(answer_id)
    assert replay.missing == ["the answer: it failed"]


def test_an_unknown_answer_is_refused(stones: Workspace, frost: Answer) -> None:
    for identity in ("", frost.answer_id[:7], "0123456789"):
        with pytest.raises(UnknownId, match="No answer has the id"):
            stones.replay(identity)
