"""Pages of items: filtered, sorted, counted, with the beginning of their texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragstone.errors import InvalidArgument, InvalidFilter, UnknownField
from ragstone.workspace import Workspace

ROWS: list[dict[str, Any]] = [
    {"id": "c", "text": "Granite is hard.", "kind": "igneous", "weight": 9, "tags": ["old"]},
    {"id": "b", "text": "Basalt is dark.", "kind": "igneous", "weight": 10},
    {"id": "a", "text": "Chalk is soft.", "kind": "sedimentary", "weight": "light"},
    {"id": "d", "text": "Slate splits well."},
]


@pytest.fixture
def stones(workspace: Workspace, tmp_path: Path) -> Workspace:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    workspace.ingest([path], "stones", text="text", id="id")
    return workspace


def names(ws: Workspace, dataset: str = "stones", **how: Any) -> str:
    """The ids of the rows on a page."""
    return "".join(item.name[-1] for item in ws.items(dataset, **how))


def test_filters_leave_items_out(stones: Workspace) -> None:
    assert names(stones) == "cbad"
    assert names(stones, where=["kind=igneous"]) == "cb"
    assert names(stones, where=["kind=igneous", "weight>=10"]) == "b"
    assert names(stones, where=["kind missing"]) == "d"
    assert names(stones, where=["tags=old"]) == "c"
    assert names(stones, where=["kind=none"]) == ""


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("", "cbad"),
        ("weight", "cbad"),  # numbers, then words, then those without
        ("-weight", "bcad"),
        ("kind", "cbad"),
        ("-kind", "acbd"),
        ("name", "abcd"),
        ("-name", "dcba"),
        ("title", "cbad"),
    ],
)
def test_fields_sort_and_equals_stay_as_they_came(
    stones: Workspace, order: str, expected: str
) -> None:
    assert names(stones, order=order) == expected


def test_a_page_is_a_stretch_of_what_is_left(stones: Workspace) -> None:
    pages = [
        names(stones, where=["kind exists"], order="name", offset=at, limit=2) for at in (0, 2, 4)
    ]
    assert pages == ["ab", "c", ""]


def test_how_many_are_left(stones: Workspace) -> None:
    assert stones.count_items("stones") == 4
    assert stones.count_items("stones", where=["kind=igneous"]) == 2
    assert stones.count_items("stones", where=["kind=none"]) == 0


def test_an_old_version_has_its_own_items(stones: Workspace) -> None:
    gone = stones.items("stones", where=["kind=sedimentary"])[0]
    stones.delete("stones", [gone.item_id])
    assert names(stones, order="name") == "bcd"
    assert names(stones, "stones@1", order="name") == "abcd"
    assert (stones.count_items("stones"), stones.count_items("stones@1")) == (3, 4)
    with pytest.raises(UnknownField):
        stones.items("stones", where=["colour=red"])


def test_the_beginning_of_a_text_comes_along_when_it_is_asked_for(stones: Workspace) -> None:
    assert [item.snippet for item in stones.items("stones", snippet=7)] == [
        row["text"][:7] for row in ROWS
    ]
    assert {item.snippet for item in stones.items("stones")} == {""}


def test_tags_of_the_source_are_listed(stones: Workspace) -> None:
    assert [item.tags for item in stones.items("stones")] == [["old"], [], [], []]


def test_fields_have_a_kind(workspace: Workspace, tmp_path: Path) -> None:
    rows = [
        {
            "id": n,
            "text": f"stone {n}",
            "kind": "igneous" if n % 2 else "sedimentary",
            "year": 1990 + n,
            "grade": n % 3,
            "day": f"2024-05-{n + 1:02d}",
            "note": f"found by {n}",
            "tags": ["old"],
            "at": {"x": n / 7},
        }
        for n in range(30)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    workspace.ingest([path], "many", text="text", id="id")
    kinds = {field.name: field.kind for field in workspace.fields("many")}
    assert kinds["modality"] == kinds["kind"] == kinds["grade"] == kinds["tags"] == "value"
    assert kinds["year"] == kinds["at.x"] == kinds["size"] == "number"
    assert (kinds["day"], kinds["note"]) == ("time", "text")
    names = list(kinds)
    assert names.index("kind") < min(names.index(n) for n in names if n.startswith("quality."))
    for name in names:  # each can be asked for
        workspace.count_items("many", where=[f"{name} exists"])
        workspace.items("many", order=name)


def test_wrong_calls_say_what_is_wrong(stones: Workspace) -> None:
    for how in ({"limit": 0}, {"limit": 1_001}, {"offset": -1}, {"snippet": 1_001}):
        with pytest.raises(InvalidArgument):
            stones.items("stones", **how)
    with pytest.raises(InvalidArgument, match="a list of filters"):
        stones.items("stones", where="kind=igneous")
    with pytest.raises(InvalidFilter):
        stones.count_items("stones", where=["nonsense"])
    for order in ("colour", "-colour", "it's \"quoted\" ' OR 1=1"):
        with pytest.raises(UnknownField):
            stones.items("stones", order=order)
