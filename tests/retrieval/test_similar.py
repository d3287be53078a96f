"""More like this: stored items and chunks as questions, on a real workspace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument, InvalidFilter, UnknownDataset, UnknownId
from ragstone.schemas.api import SearchResult
from ragstone.workspace import Workspace

SUBJECTS = ["granite quarries", "bread baking", "violin strings", "sailing boats", "bee hives"]
ENDINGS = ["in the north", "as a trade", "for beginners", "through the ages"]


def draw(path: Path, colour: str, number: int) -> None:
    """Draw stripes of a colour, at places of their own: alike, and no duplicates."""
    picture = Image.new("RGB", (96, 96), "white")
    pen = ImageDraw.Draw(picture)
    for step in range(4):
        left = (number * 37 + step * 29) % 80
        top = (number * 53 + step * 41) % 80
        pen.rectangle((left, top, left + 15, top + 30), fill=colour)
    picture.save(path)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    root = tmp_path_factory.mktemp("shelf")
    rows = [
        {"id": f"{subject}-{n}", "text": f"All about {subject} {end}.", "number": n}
        for subject in SUBJECTS
        for n, end in enumerate(ENDINGS)
    ]
    (root / "notes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (root / "twin.jsonl").write_text("\n".join(map(json.dumps, rows[:8])))
    (root / "pictures").mkdir()
    for n in range(3):
        draw(root / "pictures" / f"red-{n}.png", "red", n)
        draw(root / "pictures" / f"blue-{n}.png", "navy", n + 3)
    path = root / "workspace"
    with ragstone.open(path, create=True, encoder=encoder, ingestion={"workers": 0}) as opened:
        opened.ingest([root / "notes.jsonl"], "notes", text=["text"], id="id")
        opened.ingest([root / "pictures"], "pictures")
        opened.ingest([root / "twin.jsonl"], "twin", text=["text"], id="id")
        yield opened


def item(workspace: Workspace, name: str, dataset: str = "notes") -> str:
    return next(i.item_id for i in workspace.items(dataset) if i.name == name)


def kinds(result: SearchResult, most: int) -> set[str]:
    return {hit.name.rpartition("-")[0] for hit in result.hits[:most]}


def test_items_of_the_same_kind_come_first(shelf: Workspace) -> None:
    for subject in SUBJECTS:
        own = item(shelf, f"{subject}-1")
        result = shelf.similar(own, dataset="notes")
        assert kinds(result, 3) == {subject}
        assert own not in {hit.item_id for hit in result.hits}
        assert len(result.hits) == 10
        assert result.like is not None
        assert (result.like.id, result.like.kind) == (own, "item")
        assert result.like.terms[0][:3] in subject  # a stem


def test_hits_explain_themselves_as_those_of_a_search(shelf: Workspace) -> None:
    result = shelf.similar(item(shelf, "bee hives-0"), dataset="notes")
    assert result.fusion is not None
    best = result.hits[0]
    assert set(best.arms) == {"keyword", "vector"}
    for hit in result.hits:
        parts = [(arm.weight or 0) * (arm.normalised or 0) for arm in hit.arms.values()]
        assert hit.score == pytest.approx(sum(parts), abs=1e-5)
    assert {best.text[mark.start : mark.end] for mark in best.highlights} >= {"bee", "hives"}


def test_nothing_is_encoded(shelf: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    own = item(shelf, "bee hives-0")
    expected = shelf.similar(own, dataset="notes")  # with it the noise is known

    def fail(*_: object) -> None:
        pytest.fail("something was encoded")

    monkeypatch.setattr(shelf._retriever, "_encode", fail)
    monkeypatch.setattr(shelf._retriever, "_open_media", fail)
    assert shelf.similar(own, dataset="notes") == expected


def test_a_chunk_finds_chunks(shelf: Workspace) -> None:
    chunk = shelf.search("violin strings", "notes", k=1).hits[0].chunk_id
    result = shelf.similar(chunk[:12], dataset="notes", k=3)
    assert kinds(result, 3) == {"violin strings"}
    assert chunk not in {hit.chunk_id for hit in result.hits}
    assert result.like is not None
    assert (result.like.id, result.like.kind) == (chunk, "chunk")


def test_pictures_find_pictures_as_if_they_were_given(shelf: Workspace) -> None:
    own = item(shelf, "red-0.png", "pictures")
    itself, *others = shelf.search("", "pictures", image=shelf.original(own).content).hits
    assert itself.item_id == own
    found = shelf.similar(own).hits
    assert [hit.name for hit in found] == [hit.name for hit in others]
    assert len(found) == 5
    for hit, other in zip(found, others, strict=True):
        # stored vectors have half the digits
        assert hit.arms["image"].score == pytest.approx(other.arms["image"].score, abs=2e-3)


def test_in_another_dataset(shelf: Workspace) -> None:
    granite = item(shelf, "granite quarries-1")
    there = shelf.similar(granite, dataset="twin")
    assert granite not in {hit.item_id for hit in there.hits}  # it is in there as well
    assert kinds(there, 3) == {"granite quarries"}
    bees = shelf.similar(item(shelf, "bee hives-1"), dataset="twin@1")
    assert bees.datasets == ["twin@1"]
    assert len(bees.hits) == 8
    pictures = shelf.similar(item(shelf, "bee hives-1"), dataset="pictures")
    assert pictures.hits == []  # no words, and no space in common


def test_filters_and_k(shelf: Workspace) -> None:
    own = item(shelf, "bee hives-0")
    result = shelf.similar(own, k=2, where=["number>=2"], dataset="notes")
    assert [hit.metadata["number"] for hit in result.hits] in ([2, 3], [3, 2])
    with pytest.raises(InvalidArgument, match="k is 0"):
        shelf.similar(own, k=0, dataset="notes")
    with pytest.raises(InvalidFilter):
        shelf.similar(own, where=["number"], dataset="notes")


def test_what_is_in_several_datasets_needs_one_named(shelf: Workspace) -> None:
    with pytest.raises(InvalidArgument, match="notes, twin"):
        shelf.similar(item(shelf, "granite quarries-1"))
    with pytest.raises(UnknownDataset):
        shelf.similar(item(shelf, "granite quarries-1"), dataset="towns")


@pytest.mark.parametrize("id", ["", "abc", "0123456789"])
def test_unknown_ids(shelf: Workspace, id: str) -> None:  # noqa: A002
    with pytest.raises(UnknownId, match="item or chunk"):
        shelf.similar(id)


def test_an_item_that_was_deleted_can_still_be_asked(workspace: Workspace, tmp_path: Path) -> None:
    rows = [{"id": str(n), "text": f"granite is a hard stone, note {n}"} for n in range(4)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    workspace.ingest([tmp_path / "rows.jsonl"], "rows", text=["text"], id="id")
    gone = item(workspace, "0", "rows")
    workspace.delete("rows", [gone])
    assert {hit.name for hit in workspace.similar(gone).hits} == {"1", "2", "3"}
