"""Feedback on answers: kept, reviewed, and made into golden queries that remember it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument, UnknownDataset, UnknownId, UnplacedFeedback
from ragstone.generation.base import Generator, Prompt, Sampling
from ragstone.schemas.answers import Answer
from ragstone.schemas.api import GoldenQuery
from ragstone.schemas.feedback import LOCAL_OWNER
from ragstone.storage.restoring import restore_backup
from ragstone.workspace import Workspace

from .conftest import FROST

ROOF = "Which roof cover is oldest?"


def item(ws: Workspace, name: str) -> str:
    return next(i.item_id for i in ws.items("stones") if i.name == name)


@pytest.fixture
def roof(stones: Workspace) -> Answer:
    """An answer about roofs."""
    return stones.ask(ROOF, "stones")


# ---------------------------------------------------------------- given


def test_feedback_is_kept_as_it_was_given(stones: Workspace, frost: Answer, roof: Answer) -> None:
    good = stones.feedback(frost.answer_id[:12].lower(), good=True, comment=" Right. ")
    bad = stones.feedback(
        roof.answer_id,
        good=False,
        reason="incomplete",
        answer_text="slate",
        principal="a reader",
    )
    assert (good.answer_id, good.question, good.rating) == (frost.answer_id, FROST, "good")
    assert (good.dataset, good.version, good.comment) == ("stones", 1, "Right.")
    assert (good.principal, good.state, good.reviewer) == (LOCAL_OWNER, "open", "")
    assert (bad.rating, bad.reason, bad.answer_text) == ("bad", "incomplete", "slate")
    assert bad.principal == "a reader"
    assert stones.list_feedback() == [bad, good]
    assert stones.list_feedback("stones", state="open") == [bad, good]
    assert stones.list_feedback(state="accepted") == []
    assert stones.golden("stones") == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"good": False, "reason": "ugly"}, "reason is 'ugly', expected one of wrong, "),
        ({"good": True, "reason": "wrong"}, "expected nothing where the answer is good"),
        ({"good": True, "answer_text": "x"}, "expected nothing where the answer is good"),
        ({"good": True, "comment": "x" * 10_001}, "expected at most 10,000 characters"),
    ],
)
def test_what_makes_no_sense_is_refused(
    stones: Workspace, frost: Answer, call: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        stones.feedback(frost.answer_id, **call)  # type: ignore[arg-type]
    assert stones.list_feedback() == []


def test_what_is_not_there_is_said_so(stones: Workspace, frost: Answer) -> None:
    with pytest.raises(UnknownId, match="No answer has the id '01ARZ3NDEKTSV4RRFFQ69G5FAV'"):
        stones.feedback("01ARZ3NDEKTSV4RRFFQ69G5FAV", good=True)
    given = stones.feedback(frost.answer_id, good=True)
    for wrong in ("01ARZ3NDEKTSV4RRFFQ69G5FAV", given.id[:7], ""):
        with pytest.raises(UnknownId, match="No feedback has the id"):
            stones.accept_feedback(wrong)
        with pytest.raises(UnknownId, match="No feedback has the id"):
            stones.reject_feedback(wrong)
    with pytest.raises(UnknownDataset):
        stones.list_feedback("bones")
    with pytest.raises(InvalidArgument, match="one of open, accepted, rejected"):
        stones.list_feedback(state="done")


class Broken:
    """A generator that says something and is stopped."""

    id = "broken"
    context_length = 4_096

    def count_tokens(self, prompt: Prompt) -> int:
        return len(prompt.text.split())

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[str]:  # noqa: ARG002
        yield "Granite resists frost best of all stones. [1] "
        yield "It is hard to cut. [1] "


def test_an_answer_that_was_stopped_takes_none(
    stones: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object) -> Generator:
        return Broken()

    monkeypatch.setattr("ragstone.asking.open_generator", opened)
    stream = stones.ask_stream(FROST, "stones")
    next(stream)
    stream.close()
    sql = "SELECT answer_id FROM answers WHERE state = 'cancelled'"
    ((stopped,),) = stones._store.catalog.rows(sql)
    with pytest.raises(InvalidArgument, match="written to its end: this one cancelled"):
        stones.feedback(stopped, good=False)


# ---------------------------------------------------------------- accepted


def test_a_good_answer_becomes_a_golden_query(stones: Workspace, frost: Answer) -> None:
    given = stones.feedback(frost.answer_id, good=True)
    accepted = stones.accept_feedback(given.id[:10].lower(), principal="a reviewer")
    assert (accepted.state, accepted.reviewer, accepted.golden) == (
        "accepted",
        "a reviewer",
        given.id,
    )
    assert accepted.reviewed is not None
    assert accepted.reviewed >= accepted.created
    assert accepted.items == [item(stones, "granite.md")]
    expected = GoldenQuery(given.id, FROST, {"granite.md": 1}, [given.id])
    assert stones.golden("stones") == [expected]
    assert stones.list_feedback(state="accepted") == [accepted]
    measured = stones.evaluate_retrieval("stones", modes=["hybrid"])
    assert (measured.queries, measured.modes["hybrid"]["ndcg@10"]) == (1, 1.0)


def test_a_bad_answer_becomes_one_where_the_right_answer_stands(
    stones: Workspace, roof: Answer
) -> None:
    given = stones.feedback(roof.answer_id, good=False, answer_text="with SLATE, since 1300")
    accepted = stones.accept_feedback(given.id)
    assert accepted.items == [item(stones, "slate.txt")]
    assert [q.documents for q in stones.golden("stones")] == [{"slate.txt": 1}]


def test_the_right_answer_is_looked_for_again(stones: Workspace, sources: Path) -> None:
    roof = stones.ask(ROOF, "stones")
    (sources / "thatch.txt").write_text("The oldest roof cover is thatch of reed.\n")
    stones.ingest(sources, "stones")
    given = stones.feedback(roof.answer_id, good=False, reason="outdated", answer_text="reed")
    assert stones.accept_feedback(given.id).items == [item(stones, "thatch.txt")]


@pytest.mark.parametrize("text", ["copper", "130", "lat"])
def test_a_right_answer_that_is_nowhere_needs_the_item(
    stones: Workspace, roof: Answer, text: str
) -> None:
    given = stones.feedback(roof.answer_id, good=False, answer_text=text)
    with pytest.raises(UnplacedFeedback, match=f"has '{text}' word for word") as caught:
        stones.accept_feedback(given.id)
    assert f"ragstone feedback accept {given.id} --item ITEM" in caught.value.hint
    assert stones.list_feedback(state="open") == [given]
    slate = item(stones, "slate.txt")
    accepted = stones.accept_feedback(given.id, items=[slate[:8].upper()])
    assert accepted.items == [slate]
    assert [q.documents for q in stones.golden("stones")] == [{"slate.txt": 1}]
    with pytest.raises(UnknownId, match="item of this dataset"):
        stones.accept_feedback(given.id, items=["0123456789"])


def test_what_the_newest_version_lacks_is_no_golden_query(stones: Workspace, frost: Answer) -> None:
    given = stones.feedback(frost.answer_id, good=True)
    stones.delete("stones", [item(stones, "granite.md")])
    with pytest.raises(UnplacedFeedback, match="stones@2 has none of the items"):
        stones.accept_feedback(given.id)


def test_where_no_item_is_known_there_is_no_golden_query(stones: Workspace) -> None:
    nothing = stones.ask("Who won the football cup?", "stones")
    assert not nothing.found
    right = stones.accept_feedback(stones.feedback(nothing.answer_id, good=True).id)
    wrong = stones.accept_feedback(
        stones.feedback(nothing.answer_id, good=False, reason="off_topic").id
    )
    for accepted in (right, wrong):
        assert (accepted.state, accepted.items, accepted.golden) == ("accepted", [], "")
    assert stones.golden("stones") == []


def test_a_follow_up_is_golden_as_it_was_searched(stones: Workspace) -> None:
    stones.ask("What is chalk made of?", "stones", session="one")
    second = stones.ask("And marble?", "stones", session="one")
    assert second.rewritten
    given = stones.feedback(second.answer_id, good=False)
    accepted = stones.accept_feedback(given.id, items=[item(stones, "marble.md")])
    assert (accepted.question, accepted.golden) == ("And marble?", given.id)
    assert [q.query for q in stones.golden("stones")] == [second.rewritten]


# ---------------------------------------------------------------- decided again


def test_rejecting_takes_the_golden_query_back(stones: Workspace, frost: Answer) -> None:
    given = stones.feedback(frost.answer_id, good=True)
    stones.accept_feedback(given.id)
    rejected = stones.reject_feedback(given.id, principal="another")
    assert (rejected.state, rejected.reviewer) == ("rejected", "another")
    assert (rejected.items, rejected.golden) == ([], "")
    assert stones.golden("stones") == []
    assert stones.accept_feedback(given.id).golden == given.id


def test_accepting_again_with_another_item_replaces_it(stones: Workspace, frost: Answer) -> None:
    given = stones.feedback(frost.answer_id, good=True)
    stones.accept_feedback(given.id)
    stones.accept_feedback(given.id, items=[item(stones, "slate.txt")])
    assert [q.documents for q in stones.golden("stones")] == [{"slate.txt": 1}]


def test_a_question_that_is_golden_already_is_not_asked_twice(
    stones: Workspace, frost: Answer, tmp_path: Path
) -> None:
    (tmp_path / "q.jsonl").write_text(f'{{"_id": "q1", "text": "{FROST}"}}')
    (tmp_path / "r.tsv").write_text("q1\tgranite.md\t2\nq1\tslate.txt\t0\n")
    stones.add_golden("stones", tmp_path / "q.jsonl", tmp_path / "r.tsv")
    first = stones.feedback(frost.answer_id, good=True)
    assert stones.accept_feedback(first.id).golden == "q1"
    judged = {"granite.md": 2, "slate.txt": 0}
    assert stones.golden("stones") == [GoldenQuery("q1", FROST, judged, [first.id])]
    second = stones.feedback(frost.answer_id, good=False)
    stones.accept_feedback(second.id, items=[item(stones, n) for n in ("slate.txt", "chalk.txt")])
    documents = {"granite.md": 2, "chalk.txt": 1, "slate.txt": 1}
    assert stones.golden("stones") == [GoldenQuery("q1", FROST, documents, [second.id, first.id])]
    for given in (first, second):
        stones.reject_feedback(given.id)
    assert stones.golden("stones") == [GoldenQuery("q1", FROST, judged)]


def test_a_golden_query_stays_as_long_as_one_feedback_says_so(
    stones: Workspace, frost: Answer
) -> None:
    first, second = (stones.feedback(frost.answer_id, good=True) for _ in range(2))
    stones.accept_feedback(first.id)
    assert stones.accept_feedback(second.id).golden == first.id
    stones.reject_feedback(first.id)
    expected = GoldenQuery(first.id, FROST, {"granite.md": 1}, [second.id])
    assert stones.golden("stones") == [expected]
    stones.reject_feedback(second.id)
    assert stones.golden("stones") == []


# ---------------------------------------------------------------- as other operational data


@pytest.fixture
def accepted(stones: Workspace, frost: Answer) -> str:
    """The id of feedback that has become a golden query."""
    return stones.accept_feedback(stones.feedback(frost.answer_id, good=True).id).id


def test_what_is_forgotten_takes_its_feedback_along(
    stones: Workspace, accepted: str, roof: Answer
) -> None:
    slate = item(stones, "slate.txt")
    made = "What is chalk made of?"
    kept = stones.ask(made, "stones", where=["name=chalk.txt"])
    chalk = stones.accept_feedback(stones.feedback(kept.answer_id, good=True).id)
    named = stones.accept_feedback(stones.feedback(kept.answer_id, good=False).id, items=[slate])
    assert {q.query_id for q in stones.golden("stones")} == {accepted, chalk.id}
    stones.forget([slate], reason="asked to")
    assert roof.answer_id not in {row[0] for row in _rows(stones, "SELECT answer_id FROM answers")}
    assert [one.id for one in stones.list_feedback()] == [chalk.id]
    assert stones.golden("stones") == [GoldenQuery(chalk.id, made, {"chalk.txt": 1}, [chalk.id])]
    kept_ids = _rows(stones, "SELECT DISTINCT feedback FROM golden_queries")
    assert named.golden
    assert kept_ids == [(chalk.id,)]
    assert stones.doctor().findings == []


def _rows(ws: Workspace, sql: str) -> list[tuple[object, ...]]:
    return ws._store.catalog.rows(sql)


def test_feedback_outlives_collecting_rebuilding_and_opening(
    stones: Workspace, accepted: str, tmp_path: Path, encoder: TextEncoder
) -> None:
    before = stones.list_feedback()
    stones.delete("stones", [item(stones, "chalk.txt")])
    stones.gc(keep=1)
    stones._store.catalog.compact(fresh=True)
    assert stones.doctor(rebuild=True).findings == []
    assert stones.list_feedback() == before
    stones.close()
    with ragstone.open(tmp_path / "workspace", encoder=encoder) as again:
        assert again.list_feedback() == before
        assert [q.feedback for q in again.golden("stones")] == [[accepted]]


def test_a_backup_has_the_feedback(
    stones: Workspace, accepted: str, tmp_path: Path, encoder: TextEncoder
) -> None:
    made = stones.backup(tmp_path / "backups")
    stones.reject_feedback(accepted)
    restore_backup(Path(made.folder), tmp_path / "restored")
    with ragstone.open(tmp_path / "restored", encoder=encoder) as restored:
        assert [one.id for one in restored.list_feedback(state="accepted")] == [accepted]
        assert [q.feedback for q in restored.golden("stones")] == [[accepted]]
