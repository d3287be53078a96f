"""Tags of items: a version with other metadata, and all else as it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument, UnknownId
from ragstone.schemas.api import ItemDetail
from ragstone.workspace import Workspace

TEXTS = {
    "granite.md": "# Granite\n\nGranite is hard and made of quartz.",
    "basalt.md": "# Basalt\n\nBasalt is a dark volcanic rock.",
    "chalk.md": "# Chalk\n\nChalk is soft, white and made of shells.",
}


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def stones(workspace: Workspace, sources: Path) -> Workspace:
    workspace.ingest([sources], "stones")
    return workspace


def ids(ws: Workspace, dataset: str = "stones", **how: Any) -> dict[str, str]:
    return {item.name: item.item_id for item in ws.items(dataset, **how)}


def found(ws: Workspace, where: Sequence[str]) -> list[str]:
    return sorted(ids(ws, where=where))


def test_tags_are_found_by_filters(stones: Workspace) -> None:
    known = ids(stones)
    version = stones.tag_items(
        "stones", [known["granite.md"], known["chalk.md"][:10]], add=["checked", "for later"]
    )
    assert (version.version, version.items, version.added, version.removed) == (2, 3, 2, 2)
    assert version.message == "tag 2 item(s): +checked +for later"
    assert found(stones, ["tags=checked"]) == ["chalk.md", "granite.md"]
    assert found(stones, ["tags missing"]) == ["basalt.md"]
    assert found(stones, ['tags="for later"']) == ["chalk.md", "granite.md"]
    (facet,) = stones.facets("stones", ["tags"])
    assert [(v.value, v.items) for v in facet.values] == [("checked", 2), ("for later", 2)]
    hits = stones.search("stone", "stones", where=["tags=checked"]).hits
    assert {hit.name for hit in hits} == {"chalk.md", "granite.md"}
    assert hits[0].metadata["tags"] == ["checked", "for later"]


def test_tags_come_and_go_in_order(stones: Workspace) -> None:
    item = ids(stones)["basalt.md"]
    stones.tag_items("stones", [item], add=["b", "a"])
    stones.tag_items("stones", [item], add=["c", "a"], remove=["b"], message="sorted out")
    (basalt,) = stones.items("stones", where=["tags=c"])
    assert basalt.tags == ["a", "c"]
    assert stones.log("stones")[0].message == "sorted out"
    content = stones.log("stones")[-1].content
    last = stones.tag_items("stones", [item], remove=["a", "c"])
    assert last.content == content  # all is as it was read
    shown = stones.show(item)
    assert isinstance(shown, ItemDetail)
    assert "tags" not in shown.metadata


def test_nothing_to_change_makes_no_version(stones: Workspace) -> None:
    item = ids(stones)["basalt.md"]
    stones.tag_items("stones", [item], add=["a"])
    assert stones.tag_items("stones", [item], add=["a"], remove=["z"]).version == 2
    assert len(stones.log("stones")) == 2


def test_nothing_is_embedded_again_and_searches_find_the_same(
    stones: Workspace, encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stones.search("dark rock", "stones", mode="vector").hits
    monkeypatch.setattr(type(encoder), "encode_documents", None)
    stones.tag_items("stones", list(ids(stones).values()), add=["all"])
    after = stones.search("dark rock", "stones", mode="vector").hits
    assert [(hit.chunk_id, hit.score) for hit in after] == [
        (hit.chunk_id, hit.score) for hit in before
    ]
    assert stones.search("dark rock", "stones@1", mode="vector").hits == before
    assert [hit.chunk_id for hit in stones.search("granite", "stones", mode="keyword").hits] == [
        hit.chunk_id for hit in stones.search("granite", "stones@1", mode="keyword").hits
    ]


def test_restoring_the_version_before_takes_them_away(stones: Workspace) -> None:
    stones.tag_items("stones", list(ids(stones).values()), add=["checked"])
    stones.restore("stones@1")
    assert [item.tags for item in stones.items("stones")] == [[], [], []]
    assert [item.tags for item in stones.items("stones@2")] == [["checked"]] * 3
    assert stones.doctor().healthy


def test_a_diff_shows_the_field(stones: Workspace) -> None:
    stones.tag_items("stones", [ids(stones)["granite.md"]], add=["checked"])
    change = stones.diff("stones@1", "stones@2")
    assert (change.counts.changed, change.counts.same) == (1, 2)
    (item,) = change.items
    assert (item.name, item.text) == ("granite.md", None)
    assert [(f.field, f.before, f.after) for f in item.fields] == [
        ("metadata.tags", None, ["checked"])
    ]
    assert (change.counts.chunks_added, change.counts.chunks_removed) == (0, 0)


def test_what_is_read_again_keeps_its_tags_until_it_changes(
    stones: Workspace, sources: Path
) -> None:
    stones.tag_items("stones", list(ids(stones).values()), add=["checked"])
    result = stones.ingest([sources], "stones")
    assert (result.version, result.items.unchanged) == (2, 3)
    (sources / "granite.md").write_text("# Granite\n\nGranite is another stone now.")
    (sources / "copy.md").write_text(TEXTS["chalk.md"])
    result = stones.sync("stones")
    assert (result.items.updated, result.items.duplicate, result.items.unchanged) == (1, 1, 2)
    tags = {item.name: item.tags for item in stones.items("stones")}
    assert tags["granite.md"] == []
    assert tags["basalt.md"] == tags["chalk.md"] == ["checked"]
    assert stones.doctor().healthy


def test_what_the_source_says_is_kept(workspace: Workspace, tmp_path: Path) -> None:
    rows = [{"id": 1, "text": "granite", "tags": ["old"]}, {"id": 2, "text": "chalk", "tags": "x"}]
    rows.append({"id": 3, "text": "slate", "tags": {"a": 1}})
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    workspace.ingest([path], "rows", text="text", id="id")
    every = [item.item_id for item in workspace.items("rows")]
    with pytest.raises(InvalidArgument, match="a list of texts"):
        workspace.tag_items("rows", every, add=["new"])
    workspace.tag_items("rows", every[:2], add=["new"])
    assert sorted(item.tags for item in workspace.items("rows", where=["tags=new"])) == [
        ["old", "new"],
        ["x", "new"],
    ]


def test_pictures_keep_their_vectors_and_their_duplicates(
    workspace: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture = Image.fromarray(
        np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    ).resize((200, 200))
    picture.save(folder / "a.png")
    picture.resize((190, 190)).save(folder / "b.png")
    Image.linear_gradient("L").save(folder / "c.png")
    workspace.ingest([folder], "pictures")
    before = workspace.duplicates("pictures")
    shown = ids(workspace, "pictures")
    workspace.tag_items("pictures", list(shown.values()), add=["seen"])
    assert ids(workspace, "pictures", where=["tags=seen"]) == shown
    after = workspace.duplicates("pictures")
    assert [[m.item_id for m in g.members] for g in after.groups] == [
        [m.item_id for m in g.members] for g in before.groups
    ]
    assert len(workspace.search("", "pictures", image=folder / "c.png", k=1).hits) == 1
    assert workspace.doctor().healthy


def test_the_storage_is_sound_and_an_erased_item_is_gone(stones: Workspace) -> None:
    item = ids(stones)["granite.md"]
    stones.tag_items("stones", [item], add=["checked"])
    stones.fork("stones", "other")
    stones.tag_items("other", [item], add=["more"])
    assert stones.doctor().healthy
    stones.forget([item])
    assert "granite.md" not in ids(stones) | ids(stones, "stones@1") | ids(stones, "other")
    assert stones.doctor().healthy


def test_wrong_calls_say_what_is_wrong(stones: Workspace) -> None:
    item = ids(stones)["granite.md"]
    for how in (
        {},
        {"add": [""]},
        {"add": [" a"]},
        {"add": ["a\nb"]},
        {"add": ["x" * 101]},
        {"add": ["a"], "remove": ["a"]},
    ):
        with pytest.raises(InvalidArgument):
            stones.tag_items("stones", [item], **how)
    with pytest.raises(InvalidArgument):
        stones.tag_items("stones", [], add=["a"])
    with pytest.raises(UnknownId):
        stones.tag_items("stones", [item, "0" * 64], add=["a"])
    assert len(stones.log("stones")) == 1
