"""Explain and trace: from a sentence to the bytes of its source, and from a source to answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ragstone.errors import InvalidArgument, UnknownId
from ragstone.schemas.answers import Answer
from ragstone.schemas.tracing import ExplainedCitation, SourceBytes
from ragstone.workspace import Workspace

from .conftest import FROST


def only(ws: Workspace, answer: Answer) -> ExplainedCitation:
    """Return the only citation of an answer's first sentence."""
    (explained,) = ws.explain(answer.answer_id).claims[0].citations
    return explained


def read(ws: Workspace, kept: SourceBytes | None) -> bytes:
    """Return the bytes that an explanation points to."""
    assert kept is not None
    assert kept.whole
    return (ws.path / kept.path).read_bytes()[kept.start : kept.end]


def test_a_sentence_leads_to_the_bytes_of_its_source(stones: Workspace, frost: Answer) -> None:
    explanation = stones.explain(frost.answer_id[:10])
    assert [claim.text for claim in explanation.claims] == [claim.text for claim in frost.claims]
    explained = only(stones, frost)
    assert (explained.citation, explained.verbatim) == (frost.citations[0], True)
    assert (explained.name, explained.media_type) == ("granite.md", "text/markdown")
    assert explained.chunk is not None
    assert explained.chunk.chunk_id == frost.citations[0].chunk_id
    assert explained.chunk.rank == 1
    assert set(explained.chunk.arms) == {"keyword", "vector"}
    assert explained.chunk.start <= frost.citations[0].start < explained.chunk.end
    assert read(stones, explained.bytes).decode() == frost.citations[0].quote


def test_bytes_are_counted_in_bytes_and_not_in_characters(stones: Workspace, sources: Path) -> None:
    text = "Café stones – ‘gneiss’ – are grey.\nDüsseldorf is built on gravel of the Rhine.\n"
    (sources / "rhine.txt").write_text(text, encoding="utf-8")
    stones.ingest(sources, "stones")
    answer = stones.ask("What is Düsseldorf built on?", "stones")
    explained = only(stones, answer)
    assert explained.bytes is not None
    assert explained.bytes.start == len(text[: explained.citation.start].encode())
    assert read(stones, explained.bytes).decode() == explained.citation.quote


def test_a_row_of_a_table_leads_to_its_part(stones: Workspace, sources: Path) -> None:
    rows = [{"id": n, "text": f"The quarry {n} is {n} metres deep."} for n in (31, 47)]
    (sources / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    stones.ingest(sources / "rows.jsonl", "quarries", text="text", id="id")
    answer = stones.ask("How deep is quarry 47?", "quarries")
    explained = only(stones, answer)
    assert explained.bytes is not None
    assert explained.bytes.path.endswith("items.parquet")
    assert explained.bytes.whole


def test_damaged_and_missing_bytes_are_told(stones: Workspace, frost: Answer) -> None:
    kept = only(stones, frost).bytes
    assert kept is not None
    blob = stones.path / kept.path
    blob.write_bytes(blob.read_bytes().replace(b"hard", b"soft"))
    damaged = only(stones, frost).bytes
    assert damaged is not None
    assert not damaged.whole
    blob.unlink()
    missing = only(stones, frost).bytes
    assert missing is not None
    assert (missing.whole, missing.size, missing.start) == (False, 0, None)


def test_an_answer_whose_version_was_given_up_is_explained_as_far_as_it_goes(
    stones: Workspace, frost: Answer
) -> None:
    granite = frost.citations[0].item_id
    stones.delete("stones", [granite])
    assert only(stones, frost).verbatim
    stones.gc(keep=1)
    explained = only(stones, frost)
    assert explained.citation == frost.citations[0]
    assert (explained.verbatim, explained.chunk, explained.bytes) == (False, None, None)


def test_an_item_that_another_version_keeps_is_still_explained(
    stones: Workspace, frost: Answer, sources: Path
) -> None:
    (sources / "new.txt").write_text("Basalt is dark.\n", encoding="utf-8")
    stones.ingest(sources / "new.txt", "stones")
    stones.gc(keep=1)
    explained = only(stones, frost)
    assert explained.verbatim
    assert read(stones, explained.bytes).decode() == frost.citations[0].quote


# ---------------------------------------------------------------- trace


def test_an_item_leads_to_the_answers_that_used_it(stones: Workspace, frost: Answer) -> None:
    again = stones.ask(FROST, "stones", where=["name=granite.md"])
    other = stones.ask("What is covered with slate?", "stones", where=["name=slate.txt"])
    stones.delete("stones", [other.citations[0].item_id])
    later = stones.ask("What eats marble?", "stones")
    traced = stones.trace(frost.citations[0].item_id[:8].upper())
    assert traced.name == "granite.md"
    assert [(a.answer_id, a.version, a.cited) for a in traced.answers] == [
        (later.answer_id, 2, False),
        (again.answer_id, 1, True),
        (frost.answer_id, 1, True),
    ]
    assert (traced.total, traced.cited) == (3, 2)
    assert traced.answers[1].question == FROST
    assert traced.answers[1].chunks == [again.citations[0].chunk_id]
    slate = stones.trace(other.citations[0].item_id, limit=1, offset=1)
    assert [a.answer_id for a in slate.answers] == [frost.answer_id]
    assert slate.total == 2


def test_an_item_whose_versions_were_given_up_can_still_be_traced(
    stones: Workspace, frost: Answer
) -> None:
    granite = frost.citations[0].item_id
    stones.delete("stones", [granite])
    stones.gc(keep=1)
    assert [a.answer_id for a in stones.trace(granite).answers] == [frost.answer_id]


def test_what_is_no_item_is_refused(stones: Workspace, frost: Answer) -> None:
    for identity in ("", "0123456789", frost.answer_id):
        with pytest.raises(UnknownId, match="No item has the id"):
            stones.trace(identity)
    with pytest.raises(InvalidArgument, match="limit is 0"):
        stones.trace(frost.citations[0].item_id, limit=0)
