"""Feedback over HTTP: what the workspace gives, in the name of whoever called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ragstone import errors
from ragstone.client import Client
from ragstone.schemas.api import to_json
from ragstone.schemas.feedback import LOCAL_OWNER, Feedback
from ragstone.workspace import Workspace

QUESTION = "What is granite made of?"


@pytest.fixture
def given(client: Client, owned: Workspace) -> Iterator[Feedback]:
    """Feedback on a good answer; what is made of it goes at the end."""
    made = client.feedback(owned.ask(QUESTION, "rocks").answer_id, good=True, comment="so it is")
    yield made
    owned.reject_feedback(made.id)


def test_feedback_is_given_in_the_name_of_the_caller(
    client: Client, owned: Workspace, given: Feedback
) -> None:
    assert (given.question, given.principal, given.state) == (QUESTION, LOCAL_OWNER, "open")
    assert client.list_feedback("rocks", state="open")[0] == given
    assert client.list_feedback() == owned.list_feedback()


def test_a_review_makes_a_golden_query_and_takes_it_back(
    client: Client, owned: Workspace, given: Feedback
) -> None:
    accepted = client.accept_feedback(given.id[:12])
    assert (accepted.reviewer, accepted.golden) == (LOCAL_OWNER, given.id)
    assert client.golden("rocks") == owned.golden("rocks")
    assert client.golden("rocks")[0].feedback == [given.id]
    basalt = next(i.item_id for i in owned.items("rocks") if i.name == "basalt.md")
    assert client.accept_feedback(given.id, items=[basalt]).items == [basalt]
    assert client.reject_feedback(given.id).state == "rejected"
    assert client.golden("rocks") == []


def test_a_file_for_training_is_written_on_the_servers_machine(
    client: Client, given: Feedback, tmp_path: Path
) -> None:
    client.accept_feedback(given.id)
    made = client.export_feedback(tmp_path / "questions.json", "reader", dataset="rocks")
    assert (made.file, made.feedback) == (str(tmp_path / "questions.json"), 1)
    assert QUESTION in (tmp_path / "questions.json").read_text(encoding="utf-8")


def test_routes(http: httpx.Client, owned: Workspace) -> None:
    answer = owned.ask(QUESTION, "rocks").answer_id
    body = {"good": False, "reason": "wrong", "answer_text": "basalt tuff"}
    made = http.post(f"/answers/{answer}/feedback", json=body).json()
    assert made["principal"] == LOCAL_OWNER
    query = {"dataset": "rocks", "state": "open"}
    found = http.get("/feedback", params=query).json()
    assert found == to_json(owned.list_feedback("rocks", state="open"))
    refused = http.post(f"/feedback/{made['id']}/accept", json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unplaced_feedback")
    rejected = http.post(f"/feedback/{made['id']}/reject").json()
    assert rejected["state"] == "rejected"
    relative = http.post("/feedback/export", json={"file": "x", "use": "reader"})
    assert (relative.status_code, relative.json()["error"]["code"]) == (400, "invalid_argument")
    named = http.post(f"/answers/{answer}/feedback", json={"good": True, "principal": "me"})
    assert named.json()["error"]["code"] == "invalid_argument"  # nobody names somebody else


def test_errors_are_those_of_the_workspace(
    client: Client, owned: Workspace, given: Feedback
) -> None:
    for call in (
        lambda ws: ws.feedback("0123456789", good=True),
        lambda ws: ws.feedback(given.answer_id, good=False, reason="ugly"),
        lambda ws: ws.list_feedback("nothing"),
        lambda ws: ws.list_feedback(state="done"),
        lambda ws: ws.accept_feedback("0123456789"),
        lambda ws: ws.accept_feedback(given.id, items=["0123456789"]),
        lambda ws: ws.reject_feedback("0123456789"),
        lambda ws: ws.export_feedback(Path("/x"), "reranker"),
    ):
        with pytest.raises(errors.RagstoneError) as here:
            call(owned)
        with pytest.raises(errors.RagstoneError) as there:
            call(client)
        assert there.value.as_dict() == here.value.as_dict()
