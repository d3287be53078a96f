"""Pages, items and neighbours: how much of what was found is shown, and what stands around it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import CollectedVersion, InvalidArgument, InvalidCursor
from ragstone.schemas.api import ChunkDetail, Hit, SearchResult
from ragstone.workspace import Workspace

SUBJECTS = ["granite", "bread", "violins", "sailing", "taxes", "bees", "tulips", "engines"]
QUERY = "granite in a note"


def rows(subjects: list[str], count: int = 6) -> str:
    texts = (
        {"id": f"{subject}-{n}", "text": f"Note {n} is about {subject}, as people write them."}
        for subject in subjects
        for n in range(count)
    )
    return "\n".join(map(json.dumps, texts))


def book(words: str) -> str:
    """Return a document of many chunks, each about `words`, told apart by its number."""
    paragraphs = [f"Part {n}. " + f"Here {words} are told of at length. " * 40 for n in range(5)]
    return "\n\n".join(paragraphs)


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    root = tmp_path_factory.mktemp("notes")
    (root / "notes.jsonl").write_text(rows(SUBJECTS))
    (root / "books").mkdir()
    (root / "books" / "violins.md").write_text("# Violins\n\n" + book("violins and their strings"))
    (root / "books" / "bees.md").write_text("# Bees\n\n" + book("bees and their hives"))
    settings = {"ingestion": {"workers": 0}, "retrieval": {"candidates": 10}}
    path = root / "workspace"
    with ragstone.open(path, create=True, encoder=encoder, **settings) as opened:
        opened.ingest([root / "notes.jsonl"], "notes", text=["text"], id="id")
        opened.ingest([root / "books"], "books")
        yield opened


def ids(result: SearchResult) -> list[str]:
    return [hit.chunk_id for hit in result.hits]


def pages(workspace: Workspace, k: int, **options: object) -> list[SearchResult]:
    """Return all pages of one search, each by the cursor of the one before."""
    found = [workspace.search(QUERY, "notes", k=k, **options)]  # type: ignore[arg-type]
    while found[-1].next:
        options["after"] = found[-1].next
        found.append(workspace.search(QUERY, "notes", k=k, **options))  # type: ignore[arg-type]
    return found


# ---------------------------------------------------------------- one order


@pytest.mark.parametrize("mode", ["keyword", "vector", "hybrid"])
def test_pages_of_every_size_are_stretches_of_one_order(notes: Workspace, mode: str) -> None:
    whole = notes.search(QUERY, "notes", k=100, mode=mode).hits  # type: ignore[arg-type]
    assert len(whole) == (6 * len(SUBJECTS))
    assert [hit.rank for hit in whole] == list(range(1, len(whole) + 1))
    for k in (1, 7, 10, 11, 25):
        joined = [hit for page in pages(notes, k, mode=mode) for hit in page.hits]
        assert joined == whole
    for offset in (0, 3, 9, 10, 30, 47):
        page = notes.search(QUERY, "notes", k=4, mode=mode, offset=offset)  # type: ignore[arg-type]
        assert page.hits == whole[offset : offset + 4]
        assert page.offset == offset


@pytest.mark.parametrize("fusion", ["minmax", "rrf"])
def test_scores_fall_and_are_explained_beyond_the_candidates(
    notes: Workspace, monkeypatch: pytest.MonkeyPatch, fusion: str
) -> None:
    retriever = notes._retriever
    changed = retriever._settings.model_copy(update={"fusion": fusion})
    monkeypatch.setattr(retriever, "_settings", changed)
    hits = notes.search(QUERY, "notes", k=100).hits
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] == 0
    for hit in hits:
        parts = [(arm.weight or 0) * (arm.normalised or 0) for arm in hit.arms.values()]
        assert hit.score == pytest.approx(sum(parts), abs=1e-5)
        assert hit.arms


def test_the_candidates_are_ranked_as_they_are_alone(notes: Workspace) -> None:
    """The first round is what a search without pages gives, to the last digit."""
    few, many = (notes.search(QUERY, "notes", k=k).hits for k in (5, 100))
    assert few == many[:5]


def test_the_last_page_has_no_next_one(notes: Workspace) -> None:
    assert notes.search(QUERY, "notes", k=47).next
    assert notes.search(QUERY, "notes", k=48).next is None
    beyond = notes.search(QUERY, "notes", offset=48)
    assert (beyond.hits, beyond.next) == ([], None)


# ---------------------------------------------------------------- cursors


@pytest.fixture
def growing(workspace: Workspace, tmp_path: Path) -> Workspace:
    (tmp_path / "notes.jsonl").write_text(rows(SUBJECTS[:3]))
    workspace.ingest([tmp_path / "notes.jsonl"], "notes", text=["text"], id="id")
    return workspace


def add(workspace: Workspace, folder: Path) -> None:
    (folder / "more.jsonl").write_text(rows(["granite again", "granite too"]))
    workspace.ingest([folder / "more.jsonl"], "notes", text=["text"], id="id")


def test_a_cursor_stays_in_its_version(growing: Workspace, tmp_path: Path) -> None:
    before = growing.search(QUERY, "notes", k=100)
    first = growing.search(QUERY, "notes", k=5)
    add(growing, tmp_path)
    second = growing.search(QUERY, "notes", k=100, after=first.next)
    assert (second.version, second.datasets) == (1, ["notes@1"])
    assert first.hits + second.hits == before.hits
    assert growing.search(QUERY, "notes", k=5).version == 2


def test_a_cursor_of_a_version_that_was_given_up(growing: Workspace, tmp_path: Path) -> None:
    cursor = growing.search(QUERY, "notes", k=5).next
    add(growing, tmp_path)
    growing.gc(["notes"], keep=1)
    with pytest.raises(CollectedVersion):
        growing.search(QUERY, "notes", after=cursor)


def test_a_cursor_of_a_version_that_items_were_erased_from(growing: Workspace) -> None:
    first = growing.search(QUERY, "notes", k=5)
    growing.forget([growing.items("notes")[0].item_id])
    with pytest.raises(InvalidCursor, match="notes@1 as it was before items were erased"):
        growing.search(QUERY, "notes", after=first.next)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"query": "granite"}, "another query"),
        ({"mode": "vector"}, "another mode"),
        ({"where": ["modality=text"]}, "another filters"),
        ({"group": True}, "another grouping"),
        ({"dataset": "notes@1"}, "in notes"),
        ({"dataset": ["notes", "books"]}, "in notes"),
    ],
)
def test_a_cursor_is_of_one_search(
    notes: Workspace, changed: dict[str, object], problem: str
) -> None:
    cursor = notes.search(QUERY, "notes", k=5).next
    asked = {"query": QUERY, "dataset": "notes"} | changed
    with pytest.raises(InvalidCursor, match=problem) as caught:
        notes.search(**asked, after=cursor)  # type: ignore[arg-type]
    assert "begin again" in caught.value.hint


def test_a_cursor_of_other_settings(notes: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = notes.search(QUERY, "notes", k=5).next
    retriever = notes._retriever
    changed = retriever._settings.model_copy(update={"candidates": 20})
    monkeypatch.setattr(retriever, "_settings", changed)
    with pytest.raises(InvalidCursor, match="retrieval settings"):
        notes.search(QUERY, "notes", after=cursor)


@pytest.mark.parametrize(
    "text",
    ["", "x", "é", "!!!", "W10", base64.b64encode(b'[1,-5,["a"],[]]').decode(), "A" * 20_000],
)
def test_what_is_no_cursor(notes: Workspace, text: str) -> None:
    with pytest.raises(InvalidCursor, match="cannot be read"):
        notes.search(QUERY, "notes", after=text)


def test_offsets_out_of_bounds(notes: Workspace) -> None:
    for offset in (-1, 10_001):
        with pytest.raises(InvalidArgument, match="offset is"):
            notes.search(QUERY, "notes", offset=offset)
    cursor = notes.search(QUERY, "notes", k=5).next
    with pytest.raises(InvalidArgument, match="where a cursor says"):
        notes.search(QUERY, "notes", after=cursor, offset=5)


# ---------------------------------------------------------------- items


@pytest.mark.parametrize("mode", ["keyword", "vector", "hybrid"])
def test_by_item_each_has_its_best_chunk(notes: Workspace, mode: str) -> None:
    chunks = notes.search("violins and bees", "books", k=100, mode=mode).hits  # type: ignore[arg-type]
    found = notes.search("violins and bees", "books", k=10, mode=mode, group=True)  # type: ignore[arg-type]
    assert [hit.item_id for hit in found.hits] == list(dict.fromkeys(h.item_id for h in chunks))
    assert len(found.hits) == 2
    for hit in found.hits:
        own = [chunk.chunk_id for chunk in chunks if chunk.item_id == hit.item_id]
        assert hit.chunk_id == own[0]
        assert hit.more == own[1 : len(hit.more) + 1]
    assert any(hit.more for hit in found.hits)


def test_items_are_counted_and_paged(notes: Workspace) -> None:
    whole = notes.search("violins and bees", "books", group=True).hits
    first = notes.search("violins and bees", "books", k=1, group=True)
    second = notes.search("violins and bees", "books", k=1, group=True, after=first.next)
    assert [*first.hits, *second.hits] == whole
    assert [hit.rank for hit in whole] == [1, 2]
    assert second.next is None


def test_without_groups_a_hit_has_no_more(notes: Workspace) -> None:
    assert all(hit.more == [] for hit in notes.search("violins", "books", k=50).hits)


# ---------------------------------------------------------------- neighbours


def chain(hit: Hit | ChunkDetail) -> list[str]:
    return [*(n.chunk_id for n in hit.before), hit.chunk_id, *(n.chunk_id for n in hit.after)]


def test_neighbours_are_those_of_the_item_in_reading_order(notes: Workspace) -> None:
    for hit in notes.search("violins", "books", k=50, neighbours=2).hits:
        item = notes.show(hit.item_id)
        order = [chunk.chunk_id for chunk in item.chunks]  # type: ignore[union-attr]
        place = order.index(hit.chunk_id)
        assert chain(hit) == order[max(0, place - 2) : place + 3]
        for near in (*hit.before, *hit.after):
            assert near.text == item.text[near.start : near.end]  # type: ignore[union-attr]


def test_show_gives_a_chunk_with_its_neighbours(notes: Workspace) -> None:
    for hit in notes.search("bees", "books", k=50, neighbours=1).hits:
        shown = notes.show(hit.chunk_id, around=1)
        assert isinstance(shown, ChunkDetail)
        assert (shown.before, shown.after) == (hit.before, hit.after)
    alone = notes.show(hit.chunk_id)
    assert isinstance(alone, ChunkDetail)
    assert (alone.before, alone.after) == ([], [])


def test_neighbours_out_of_bounds(notes: Workspace) -> None:
    with pytest.raises(InvalidArgument, match="neighbours is 11"):
        notes.search("bees", "books", neighbours=11)
    with pytest.raises(InvalidArgument, match="around is -1"):
        notes.show("0123456789", around=-1)
    with pytest.raises(InvalidArgument, match="no chunk"):
        notes.show(notes.items("books")[0].item_id, around=1)
