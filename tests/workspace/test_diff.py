"""What changed between two versions: counts, items, fields and lines of text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragstone.cli.versions import show_diff
from ragstone.comparison import text_change
from ragstone.config import StorageSettings
from ragstone.diff import MAX_LISTED, diff
from ragstone.errors import CollectedVersion, InvalidArgument, UnknownDataset, UnknownVersion
from ragstone.schemas.api import DiffCounts, FieldChange, ItemChange, TextHunk, VersionDiff
from ragstone.storage.branches import fork, restore
from ragstone.storage.changes import Change
from ragstone.storage.files import digest_bytes
from ragstone.storage.manifests import Manifest
from ragstone.storage.parts import PartRows
from ragstone.storage.retention import Policy, collect
from ragstone.storage.store import Store

SPACE = "seeded-00000000"


@dataclass(frozen=True)
class Doc:
    """What a source holds; one chunk per line."""

    text: str
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    settings: str = "s"  # a part of the work key


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path, StorageSettings(lock_seconds=0))
    yield opened
    opened.close()


def commit(
    store: Store,
    documents: Mapping[str, Doc | None],
    dataset: str = "docs",
    *,
    space: str = SPACE,
    settings: str = "settings",
) -> Manifest:
    """Commit a version in which the sources `documents` are as given, gone when None."""
    with store.change(dataset, space) as change:
        held = {row["source"]: row for row in store.live_sources(change.head).to_pylist()}
        kept = {r["item_key"] for s, r in held.items() if s not in documents}
        for source in documents:
            if source in held:
                change.removed_sources.add(held[source]["source_key"])
                if held[source]["item_key"] not in kept:
                    change.removed_items.add(held[source]["item_key"])
        rows = PartRows()
        for source, doc in documents.items():
            if doc is not None:
                add_item(change, rows, source, doc)
        if rows.items:
            vectors = np.random.default_rng(0).normal(size=(len(rows.chunks), 8))
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            change.add_part(rows, vectors.astype(np.float32))
        return store.commit(change, "test", settings)


def add_item(change: Change, rows: PartRows, source: str, doc: Doc) -> None:
    content = doc.text.encode()
    item_id = digest_bytes(content)  # nobody asks for the bytes
    lines = [line for line in doc.text.split("\n") if line]
    key = change.next_item
    rows.items.append(
        {
            "item_key": key, "item_id": item_id, "media_type": "text/plain", "modality": "text",
            "title": doc.title, "size": len(content), "metadata": json.dumps(doc.metadata),
            "work_key": digest_bytes(content + doc.settings.encode()), "chunks": len(lines),
            "text": doc.text, "content": None,
        }
    )  # fmt: skip
    name = Path(source).name
    rows.sources.append(
        {"source_key": change.next_source, "source": source, "name": name, "item_key": key}
    )
    start = 0
    for ordinal, line in enumerate(lines):
        start = doc.text.index(line, start)
        identity = digest_bytes(f"{item_id}{start}".encode())
        rows.chunks.append(
            {
                "chunk_key": change.next_chunk, "chunk_id": identity,
                "item_key": key, "ordinal": ordinal, "start": start, "end": start + len(line),
                "page": None, "heading": "", "tokens": 1, "text": line, "modality": "text",
            }
        )  # fmt: skip
        change.next_chunk += 1
    change.next_item += 1
    change.next_source += 1


def by_source(found: VersionDiff) -> dict[str, ItemChange]:
    assert len({item.source for item in found.items}) == len(found.items)
    return {item.source: item for item in found.items}


GRANITE = Doc("Granite is hard.\nIt has quartz.", "Granite", {"year": 1999, "by": {"name": "Ann"}})
SLATE = Doc("Slate splits.", "Slate")
CHALK = Doc("Chalk is soft.\nIt is white.\nIt is young.", "Chalk")


def test_each_kind_is_found_with_exact_counts(store: Store) -> None:
    commit(store, {"/a": GRANITE, "/b": SLATE, "/c": CHALK, "/d": Doc("Same.")})
    new = Doc("Granite is hard.\nIt has feldspar.", "Granite", {"year": 1999})
    commit(store, {"/a": new, "/b": None, "/c": None, "/e/moved": CHALK, "/f": Doc("New.\nTwo.")})
    found = diff(store, "docs@1", "docs@2")
    # Chunks: two of /a and one of /b go; two of /a and two of /f come; those of /c stay.
    assert found.counts == DiffCounts(
        added=1, removed=1, moved=1, changed=1, same=1, chunks_added=4, chunks_removed=3
    )
    assert [(item.kind, item.source, item.was) for item in found.items] == [
        ("added", "/f", None),
        ("removed", "/b", None),
        ("moved", "/e/moved", "/c"),
        ("changed", "/a", None),
    ]
    assert (found.before.version, found.after.version) == (1, 2)
    assert not found.reembedded
    assert not found.resettled


def test_the_other_way_round_is_the_mirror_image(store: Store) -> None:
    commit(store, {"/a": GRANITE, "/b": SLATE, "/c": CHALK})
    commit(store, {"/a": SLATE, "/b": None, "/d": CHALK, "/c": None, "/x": Doc("X.")})
    there, back = diff(store, "docs@1", "docs@2"), diff(store, "docs@2", "docs@1")
    assert (there.counts.added, there.counts.removed) == (back.counts.removed, back.counts.added)
    assert (there.counts.chunks_added, there.counts.chunks_removed) == (
        back.counts.chunks_removed,
        back.counts.chunks_added,
    )
    assert (by_source(back)["/c"].kind, by_source(back)["/c"].was) == ("moved", "/d")
    forward, backward = by_source(there)["/a"], by_source(back)["/a"]
    assert (forward.before, forward.after) == (backward.after, backward.before)


def test_fields_before_and_after(store: Store) -> None:
    commit(store, {"/a": GRANITE})
    metadata = {"year": 2001, "by": {"name": "Bo", "of": ["x"]}, "new": False}
    commit(store, {"/a": Doc("Granite is hard.", "Granit", metadata)})
    (item,) = diff(store, "docs@1", "docs@2").items
    assert item.fields == [
        FieldChange("title", "Granite", "Granit"),
        FieldChange("size", 31, 16),
        FieldChange("chunks", 2, 1),
        FieldChange("metadata.by.name", "Ann", "Bo"),
        FieldChange("metadata.by.of", None, ["x"]),
        FieldChange("metadata.new", None, False),
        FieldChange("metadata.year", 1999, 2001),
    ]


def test_one_and_true_are_not_the_same_value(store: Store) -> None:
    commit(store, {"/a": Doc("A", metadata={"n": 1})})
    commit(store, {"/a": Doc("A", metadata={"n": True}, settings="other")})
    (item,) = diff(store, "docs@1", "docs@2").items
    assert item.fields == [FieldChange("metadata.n", 1, True)]
    assert item.text is None


def test_text_as_lines_with_numbers_and_context(store: Store) -> None:
    lines = [f"line {number}" for number in range(1, 21)]
    commit(store, {"/a": Doc("\n".join(lines))})
    lines[9] = "another line"
    del lines[18]
    commit(store, {"/a": Doc("\n".join(lines))})
    (item,) = diff(store, "docs@1", "docs@2").items
    assert item.text is not None
    assert item.text.hunks == [
        TextHunk(8, 8, [" line 8", " line 9", "-line 10", "+another line", " line 11", " line 12"]),
        TextHunk(17, 17, [" line 17", " line 18", "-line 19", " line 20"]),
    ]
    assert not item.text.cut


def test_texts_are_left_out_when_not_wanted(store: Store) -> None:
    commit(store, {"/a": GRANITE})
    commit(store, {"/a": SLATE})
    (item,) = diff(store, "docs@1", "docs@2", text=False).items
    assert item.text is None
    assert [change.field for change in item.fields][:2] == ["title", "size"]


def test_same_bytes_read_with_other_settings_are_changed(store: Store) -> None:
    commit(store, {"/a": SLATE, "/b": CHALK})
    commit(store, {"/a": Doc(SLATE.text, SLATE.title, settings="new")}, settings="others")
    found = diff(store, "docs@1", "docs@2")
    assert found.counts == DiffCounts(0, 0, 0, 1, 1, 0, 0)
    (item,) = found.items
    assert (item.kind, item.before == item.after, item.fields, item.text) == (
        "changed", True, [], None,
    )  # fmt: skip
    assert found.resettled


def test_moved_item_that_was_read_anew_shows_both(store: Store) -> None:
    commit(store, {"/old/a.txt": SLATE})
    commit(store, {"/old/a.txt": None, "/new/b.txt": Doc(SLATE.text, "Other", settings="new")})
    (item,) = diff(store, "docs@1", "docs@2").items
    assert (item.kind, item.was, item.name) == ("moved", "/old/a.txt", "b.txt")
    assert item.fields == [
        FieldChange("name", "a.txt", "b.txt"),
        FieldChange("title", "Slate", "Other"),
    ]
    assert item.text is None


def test_of_several_with_the_same_bytes_each_moves_once(store: Store) -> None:
    commit(store, {"/a1": SLATE, "/a2": SLATE, "/a3": SLATE, "/stays": SLATE})
    commit(store, {"/a1": None, "/a2": None, "/a3": None, "/b1": SLATE, "/b2": SLATE})
    found = diff(store, "docs@1", "docs@2")
    kinds = [(item.kind, item.was, item.source) for item in found.items]
    assert kinds == [("removed", None, "/a3"), ("moved", "/a1", "/b1"), ("moved", "/a2", "/b2")]
    assert found.counts.same == 1
    assert (found.counts.chunks_added, found.counts.chunks_removed) == (0, 0)


def test_a_version_is_like_itself(store: Store) -> None:
    commit(store, {"/a": GRANITE, "/b": SLATE})
    found = diff(store, "docs", "docs@1")
    assert found.counts == DiffCounts(0, 0, 0, 0, 2, 0, 0)
    assert found.items == []


def test_two_datasets_are_compared_by_their_sources(store: Store) -> None:
    commit(store, {"/z": Doc("Filler, so that keys differ.")}, "fork")
    commit(store, {"/z": None, "/a": GRANITE, "/b": CHALK}, "fork", space=SPACE)
    commit(store, {"/a": GRANITE, "/b": SLATE})
    found = diff(store, "docs", "fork@2")
    assert found.counts == DiffCounts(0, 0, 0, 1, 1, 3, 1)
    (item,) = found.items
    assert item.text is not None
    assert item.text.hunks[0].lines[0] == "-Slate splits."
    assert (found.before.dataset, found.after.dataset) == ("docs", "fork")


def test_another_space_is_told(store: Store) -> None:
    commit(store, {"/a": GRANITE})
    commit(store, {"/a": GRANITE}, "other", space="other-00000000")
    found = diff(store, "docs", "other")
    assert found.reembedded
    assert (found.before.space, found.after.space) == (SPACE, "other-00000000")


def test_alone_a_version_is_compared_with_the_one_it_followed(store: Store) -> None:
    commit(store, {"/a": GRANITE})
    commit(store, {"/b": SLATE})
    commit(store, {"/c": CHALK})
    found = diff(store, "docs")
    assert (found.before.version, found.after.version) == (2, 3)
    assert [item.source for item in found.items] == ["/c"]
    assert [item.source for item in diff(store, "docs@2").items] == ["/b"]


def test_a_first_version_adds_everything(store: Store) -> None:
    commit(store, {"/a": GRANITE, "/b": SLATE})
    found = diff(store, "docs@1")
    assert found.before.version == 0
    assert found.counts == DiffCounts(2, 0, 0, 0, 0, 3, 0)
    assert not found.reembedded
    assert not found.resettled


def test_pages_follow_each_other_and_counts_stay(store: Store) -> None:
    commit(store, {f"/old/{n:03}": Doc(f"Old {n}.") for n in range(25)})
    changes: dict[str, Doc | None] = {f"/old/{n:03}": None for n in range(25)}
    commit(store, changes | {f"/new/{n:03}": Doc(f"New {n}.") for n in range(12)})
    whole = diff(store, "docs")
    seen = []
    for offset in range(0, 30, 10):
        page = diff(store, "docs", limit=10, offset=offset)
        assert page.counts == whole.counts
        seen += page.items
    assert {item.source for item in seen} == {item.source for item in whole.items}
    assert len(seen) == len(whole.items) == 37
    gone = [item.source for item in seen if item.kind == "removed"]
    assert gone == sorted(gone)
    assert diff(store, "docs", limit=0).items == []


@pytest.mark.parametrize(
    ("limit", "offset", "named"),
    [(-1, 0, "limit"), (MAX_LISTED + 1, 0, "limit"), (1, -1, "offset"), (1, 2**63, "offset")],
)
def test_bounds(store: Store, limit: int, offset: int, named: str) -> None:
    commit(store, {"/a": GRANITE})
    with pytest.raises(InvalidArgument, match=f"{named} is -?[0-9]+, expected a number from 0"):
        diff(store, "docs", limit=limit, offset=offset)


def test_what_is_not_there_is_named(store: Store) -> None:
    commit(store, {"/a": GRANITE})
    with pytest.raises(UnknownVersion, match="'docs' has no version '7'"):
        diff(store, "docs@1", "docs@7")
    with pytest.raises(UnknownDataset, match="'rocks'"):
        diff(store, "rocks", "docs@1")


def test_item_that_comes_back_is_the_same_again(store: Store) -> None:
    commit(store, {"/a": GRANITE, "/b": SLATE})
    commit(store, {"/a": CHALK, "/b": None})
    commit(store, {"/a": GRANITE, "/b": SLATE})
    assert diff(store, "docs@1", "docs@3").counts == DiffCounts(0, 0, 0, 0, 2, 0, 0)
    assert diff(store, "docs@2", "docs@3").counts == DiffCounts(1, 0, 0, 1, 0, 3, 3)


def test_fork_is_like_its_origin_until_it_goes_its_own_way(store: Store) -> None:
    commit(store, {"/a": GRANITE, "/b": SLATE})
    commit(store, {"/b": None})
    fork(store, "docs@1", "own", "")
    assert diff(store, "docs@1", "own").counts == DiffCounts(0, 0, 0, 0, 2, 0, 0)
    commit(store, {"/a": CHALK}, "own")
    found = diff(store, "docs", "own")
    assert found.counts == DiffCounts(1, 0, 0, 1, 0, 4, 2)
    (change,) = (item for item in found.items if item.kind == "changed")
    assert change.text is not None  # the old text lies in a part of the origin
    assert change.text.hunks[0].lines[0] == "-Granite is hard."


def test_restored_version_is_the_same_and_what_it_undid_is_told(store: Store) -> None:
    commit(store, {"/a": GRANITE, "/b": SLATE})
    commit(store, {"/a": CHALK, "/b": None, "/c": SLATE})
    restore(store, "docs@1", "")
    commit(store, {"/d": Doc("Later.")})
    assert diff(store, "docs@1", "docs@3").counts == DiffCounts(0, 0, 0, 0, 2, 0, 0)
    undone = diff(store, "docs@3")
    assert undone.before.version == 2
    assert undone.counts == DiffCounts(0, 0, 1, 1, 0, 2, 3)
    (moved,) = (item for item in undone.items if item.kind == "moved")
    assert (moved.was, moved.source) == ("/c", "/b")
    assert diff(store, "docs@2", "docs@4").counts.added == 1


def test_collected_versions_are_stepped_over_or_named(store: Store) -> None:
    for number in range(5):
        commit(store, {f"/{number}": Doc(f"Text {number}.")})
    store.tags.set(store.resolve("docs@2"), "kept", "", move=False)
    collect(store, Policy(newest=1), dry_run=False)
    found = diff(store, "docs")
    assert (found.before.version, found.after.version, found.counts.added) == (2, 5, 3)
    with pytest.raises(CollectedVersion, match="Version 1 of 'docs'"):
        diff(store, "docs@2")
    with pytest.raises(CollectedVersion, match="Version 3 of 'docs'"):
        diff(store, "docs@3", "docs@5")


def test_ten_thousand_items_are_compared_without_reading_them(store: Store) -> None:
    commit(store, {f"/{n:05}": Doc(f"Item {n}.") for n in range(10_000)})
    commit(store, {f"/{n:05}": Doc(f"Item {n} is new.") for n in range(0, 10_000, 100)})
    for part in store.head("docs").parts:  # texts are in there; counting must not need them
        (store.root / part.path / "items.parquet").unlink()
    found = diff(store, "docs@1", "docs@2", text=False)
    assert found.counts == DiffCounts(0, 0, 0, 100, 9_900, 100, 100)
    assert len(found.items) == 50


# ---------------------------------------------------------------- texts alone


def applied(old: str, hunks: list[TextHunk]) -> str:
    """Return what `hunks` make of `old`; they must fit."""
    source, result, at = old.split("\n"), [], 0
    for hunk in hunks:
        result += source[at : hunk.before - 1]
        at = hunk.before - 1
        assert len(result) == hunk.after - 1
        for line in hunk.lines:
            if line[0] != "+":
                assert source[at] == line[1:]
                at += 1
            if line[0] != "-":
                result.append(line[1:])
    return "\n".join([*result, *source[at:]])


def test_hunks_turn_the_old_text_into_the_new() -> None:
    rng = np.random.default_rng(5)
    for _ in range(300):
        old = [str(word) for word in rng.integers(0, 8, size=rng.integers(0, 30))]
        new = list(old)
        for _ in range(int(rng.integers(1, 5))):
            place = int(rng.integers(0, len(new) + 1))
            new[place : place + int(rng.integers(0, 3))] = ["x"] * int(rng.integers(0, 3))
        before, after = "\n".join(old), "\n".join(new)
        change = text_change(before, after)
        if before == after:
            assert change is None
            continue
        assert change is not None
        assert not change.cut
        assert applied(before, change.hunks) == after


def test_only_a_newline_at_the_end_differs() -> None:
    change = text_change("a\nb", "a\nb\n")
    assert change is not None
    assert change.hunks == [TextHunk(1, 1, [" a", " b", "+"])]


def test_long_line_is_shown_where_it_differs() -> None:
    line = "quartz " * 200
    change = text_change(line + "old" + line, line + "new" + line)
    assert change is not None
    gone, come = change.hunks[0].lines
    assert "old" in gone
    assert "new" in come
    assert max(len(gone), len(come)) < 310
    assert change.cut  # there is more in these lines than is shown


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n".join(f"a{n}" for n in range(50_000)), "\n".join(f"b{n}" for n in range(50_000))),
        ("x\n" * 40_000, "y\n" * 40_000),
        ("\n".join("ab" * 2_500), "\n".join("bba" * 2_500)),
        ("word " * 1_000_000, "Word " * 1_000_000),
    ],
    ids=["all lines", "one line repeated", "two lines mixed", "no newline"],
)  # fmt: skip
def test_huge_texts_give_little_and_say_so(old: str, new: str) -> None:
    change = text_change(old, new)
    assert change is not None
    assert change.cut
    lines = [line for hunk in change.hunks for line in hunk.lines]
    assert 1 < len(lines) <= 120
    assert max(map(len, lines)) < 310


def test_difference_beyond_the_compared_part_is_not_denied() -> None:
    begin = "same line\n" * 300_000
    change = text_change(begin + "old", begin + "new")
    assert change is not None
    assert (change.hunks, change.cut) == ([], True)


def test_long_value_is_the_piece_that_differs(store: Store) -> None:
    abstract = "basalt " * 100
    commit(store, {"/a": Doc("A", metadata={"abstract": abstract + "one" + abstract})})
    commit(store, {"/a": Doc("B", metadata={"abstract": abstract + "two" + abstract})})
    (item,) = diff(store, "docs").items
    (change,) = (change for change in item.fields if change.field == "metadata.abstract")
    assert "one" in change.before
    assert "two" in change.after
    assert len(change.before) < 310


# ---------------------------------------------------------------- as printed


def test_printed_for_people(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    commit(store, {"/a": GRANITE, "/b": SLATE, "/c": CHALK})
    new = Doc("Granite is hard.\nIt has \x1b[31mfeldspar.", "Granite", {"year": 2001})
    changes = {"/a": new, "/b": None, "/c": None, "/d": CHALK}
    commit(store, changes | {f"/n{n}": Doc(f"New {n}.") for n in range(3)})
    show_diff(diff(store, "docs@1", "docs@2", limit=1))
    assert capsys.readouterr().out.splitlines() == [
        "docs@1 → docs@2",
        "3 added, 1 removed, 1 moved, 1 changed, 0 the same; chunks +5 -3",
        "+ /n0",
        "- /b  Slate",
        "> /c → /d  Chalk",
        '    name: "c" → "d"',
        "~ /a  Granite",
        "    size: 31 → 38",
        '    metadata.by.name: "Ann" → none',
        "    metadata.year: 1999 → 2001",
        "    @@ -1,2 +1,2 @@",
        "     Granite is hard.",
        "    -It has quartz.",
        "    +It has �[31mfeldspar.",
        "… and 2 added more; --limit and --offset list them",
    ]


def test_printed_page_counts_what_went_before(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(store, {f"/{n}": Doc(f"Text {n}.") for n in range(5)}, space=SPACE)
    show_diff(diff(store, "docs", limit=2, offset=2), offset=2)
    out = capsys.readouterr().out
    assert out.startswith("nothing → docs@1\n5 added")
    assert out.endswith("+ /2\n+ /3\n… and 1 added more; --limit and --offset list them\n")
    show_diff(diff(store, "docs", limit=2, offset=4), offset=4)
    assert capsys.readouterr().out.endswith("+ /4\n")
