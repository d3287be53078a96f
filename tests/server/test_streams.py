"""Answers while they are written: over a real server, by several at a time, and given up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from ragstone import errors
from ragstone.client import Client
from ragstone.schemas.answers import AnswerDone, AnswerEvent, AnswerText, StoredAnswer
from ragstone.workspace import Workspace

QUESTION = "What is granite made of?"
SENTENCE = "Granite is a hard stone made of quartz, feldspar and mica. [1] "


def stored(owned: Workspace, generator: str) -> list[StoredAnswer]:
    """Return what was kept of the answers of a generator, newest first."""
    rows = owned._store.catalog.rows(
        "SELECT answer_id FROM answers WHERE record->'answer'->>'generator' = ? "
        "ORDER BY answer_id DESC",
        [generator],
    )
    found = [owned.show(row[0]) for row in rows]
    assert all(isinstance(entry, StoredAnswer) for entry in found)
    return found  # type: ignore[return-value]


def joined(events: list[AnswerEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, AnswerText))


def until(true: Callable[[], bool]) -> None:
    """Wait for something that happens in the server."""
    while not true():
        time.sleep(0.02)


@pytest.mark.parametrize("question", [QUESTION, "Who won the football cup?"])
def test_a_streamed_answer_is_its_pieces_joined(
    client: Client, owned: Workspace, question: str
) -> None:
    *pieces, last = client.ask_stream(question, "rocks")
    assert isinstance(last, AnswerDone)
    assert joined(pieces) == last.answer.answer
    kept = owned.show(last.answer.answer_id)
    assert isinstance(kept, StoredAnswer)
    assert (kept.answer, kept.state) == (last.answer, "done")
    assert client.ask(question, "rocks").answer == last.answer.answer


def test_events_are_as_documented(http: httpx.Client) -> None:
    body = {"question": QUESTION, "dataset": "rocks", "stream": True}
    answer = http.post("/ask", json=body)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    blocks = [block.split("\n") for block in answer.text.strip().split("\n\n")]
    names = [block[0] for block in blocks]
    assert names == ["event: text"] * (len(blocks) - 1) + ["event: answer"]
    texts = [json.loads(block[1].removeprefix("data: ")) for block in blocks]
    assert "".join(each["text"] for each in texts[:-1]) == texts[-1]["answer"]["answer"]


def test_what_is_wrong_with_a_question_is_no_event(http: httpx.Client) -> None:
    body = {"question": QUESTION, "dataset": "nothing", "stream": True}
    answer = http.post("/ask", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_dataset")


def test_what_is_not_found_comes_with_the_nearest_passages(client: Client) -> None:
    answer = client.ask("Who won the football cup?", "rocks")
    assert not answer.found
    assert answer.nearest
    assert {near.title for near in answer.nearest} <= {"Granite", "Basalt"}
    assert all(near.text and near.chunk_id and near.source for near in answer.nearest)
    assert client.ask(QUESTION, "rocks").nearest == []


def test_eight_who_ask_at_a_time_get_their_own_answers(client: Client) -> None:
    questions = {
        "What is granite made of?": "quartz",
        "Where does granite form?": "magma",
        "What is basalt?": "volcanic",
        "Why are the crystals of basalt small?": "crystals",
    }
    asked = [*questions] * 4

    def ask(question: str) -> tuple[str, list[AnswerEvent]]:
        return question, list(client.ask_stream(question, "rocks"))

    alone = {question: client.ask(question, "rocks").answer for question in questions}
    with ThreadPoolExecutor(8) as pool:
        for question, events in pool.map(ask, asked):
            last = events[-1]
            assert isinstance(last, AnswerDone)
            assert last.answer.question == question
            assert joined(events) == last.answer.answer == alone[question]
            assert questions[question] in last.answer.answer


def test_a_client_that_goes_away_stops_the_generator(
    client: Client, owned: Workspace, endless: Callable[[str], Any]
) -> None:
    writer = endless(SENTENCE + "And ")
    stream = client.ask_stream(QUESTION, "rocks")
    assert next(stream) == AnswerText(SENTENCE.strip())
    assert not writer.stopped.is_set()
    stream.close()
    assert writer.stopped.wait(30)
    until(lambda: bool(stored(owned, "endless")))
    kept = stored(owned, "endless")[0]
    assert (kept.state, kept.error, kept.answer.answer) == ("cancelled", None, "")
    assert "quartz" in kept.prompt
    assert kept.hits


@pytest.mark.parametrize("stream", [True, False])
def test_one_who_leaves_before_the_first_sentence_stops_it_too(
    http: httpx.Client,
    endless: Callable[[str], Any],
    stream: bool,  # noqa: FBT001
) -> None:
    writer = endless("It ")
    body = {"question": QUESTION, "dataset": "rocks", "stream": stream}
    with pytest.raises(httpx.ReadTimeout):
        http.post("/ask", json=body, timeout=httpx.Timeout(30, read=0.5))
    assert writer.started.is_set()
    assert writer.stopped.wait(30)


def test_a_generator_that_fails_says_so_and_what_it_was_asked_is_kept(
    client: Client,
    owned: Workspace,
    endless: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endless(SENTENCE + "And ")
    settings = owned.settings.generation.model_copy(update={"timeout_seconds": 0.3})
    monkeypatch.setattr(
        owned, "settings", owned.settings.model_copy(update={"generation": settings})
    )
    events: list[AnswerEvent] = []
    with pytest.raises(errors.GeneratorTimeout, match=r"was not ready within 0\.3 s") as caught:
        events.extend(client.ask_stream(QUESTION, "rocks"))
    assert events == [AnswerText(SENTENCE.strip())]
    kept = stored(owned, "endless")[0]
    assert kept.answer.answer_id in caught.value.message
    assert f"ragstone show {kept.answer.answer_id}" in caught.value.hint
    assert (kept.state, kept.answer.found) == ("failed", False)
    assert kept.error is not None
    assert kept.error.code == "generator_timeout"
    assert "quartz" in kept.prompt


def test_closing_twice_and_closing_what_is_done_does_no_harm(owned: Workspace) -> None:
    stream = owned.ask_stream(QUESTION, "rocks")
    *_, last = stream
    stream.close()
    stream.close()
    assert isinstance(last, AnswerDone)
    assert list(stream) == []
