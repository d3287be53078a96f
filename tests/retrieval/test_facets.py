"""Facets: counted by hand on a few rows, and against a plain count on random ones."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ragstone.errors import InvalidArgument, InvalidFilter, UnknownField
from ragstone.schemas.api import Bin, Facet, FacetValue
from ragstone.workspace import Workspace

ROWS: list[dict[str, Any]] = [
    {
        "id": 1,
        "text": "granite is hard",
        "kind": "igneous",
        "tags": ["old", "hard"],
        "at": {"x": 1},
    },
    {"id": 2, "text": "basalt is dark", "kind": "igneous", "tags": ["dark"], "at": {"x": 2}},
    {"id": 3, "text": "chalk is soft", "kind": "sedimentary", "tags": ["old"], "at": {"x": 2}},
    {"id": 4, "text": "slate splits well"},
]


def ingested(workspace: Workspace, folder: Path, rows: list[dict[str, Any]]) -> Workspace:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    workspace.ingest([path], "stones", text="text", id="id")
    return workspace


@pytest.fixture
def stones(workspace: Workspace, tmp_path: Path) -> Workspace:
    return ingested(workspace, tmp_path, ROWS)


def test_values_are_counted_the_most_frequent_first(stones: Workspace) -> None:
    (facet,) = stones.facets("stones", ["kind"])
    assert facet == Facet(
        "kind", [FacetValue("igneous", 2), FacetValue("sedimentary", 1)], [], 0, 1
    )
    (cut,) = stones.facets("stones", ["kind"], limit=1)
    assert (cut.values, cut.others, cut.missing) == ([FacetValue("igneous", 2)], 1, 1)


def test_entries_of_lists_and_inner_objects_count_by_themselves(stones: Workspace) -> None:
    tags, x = stones.facets("stones", ["tags", "at.x"])
    assert [(v.value, v.items) for v in tags.values] == [("old", 2), ("dark", 1), ("hard", 1)]
    assert [(v.value, v.items) for v in x.values] == [("2", 2), ("1", 1)]


def test_filters_and_versions_hold(stones: Workspace, tmp_path: Path) -> None:
    (facet,) = stones.facets("stones", ["tags"], where=["kind=igneous"])
    assert {v.value for v in facet.values} == {"old", "hard", "dark"}
    assert facet.missing == 0
    ingested(stones, tmp_path, [{**ROWS[0], "kind": "plutonic"}, *ROWS[1:]])
    assert {v.value for v in stones.facets("stones", ["kind"])[0].values} == {
        "plutonic", "igneous", "sedimentary",
    }  # fmt: skip
    assert {v.value for v in stones.facets("stones@1", ["kind"])[0].values} == {
        "igneous", "sedimentary",
    }  # fmt: skip


def test_many_numbers_are_bins_that_hold_them_all(workspace: Workspace, tmp_path: Path) -> None:
    years = [1900 + number * number % 101 for number in range(60)]
    rows = [{"id": n, "text": f"stone {n}", "year": year} for n, year in enumerate(years)]
    (facet,) = ingested(workspace, tmp_path, rows).facets("stones", ["year"])
    assert not facet.values
    assert sum(found.items for found in facet.bins) == len(years)
    for place, found in enumerate(facet.bins):
        last = place == len(facet.bins) - 1
        high = found.high + 1 if last else found.high
        inside = [year for year in years if found.low <= year < high]
        assert found == Bin(found.low, found.high, len(inside))
    (few,) = workspace.facets("stones", ["year"], limit=100)
    assert {v.value: v.items for v in few.values} == {
        str(year): count for year, count in Counter(years).items()
    }


def test_without_fields_the_usual_ones_are_shown(stones: Workspace) -> None:
    found = {facet.field: facet for facet in stones.facets("stones")}
    assert [v.value for v in found["modality"].values] == ["text"]
    assert {"kind", "tags", "at.x", "language"} <= found.keys()
    assert "at" not in found


def test_wrong_calls_say_what_there_is(stones: Workspace) -> None:
    with pytest.raises(UnknownField, match="colour") as caught:
        stones.facets("stones", ["colour"])
    assert "at.x" in caught.value.hint
    with pytest.raises(InvalidArgument, match="source"):
        stones.facets("stones", ["source"])
    with pytest.raises(InvalidArgument, match="limit"):
        stones.facets("stones", ["kind"], limit=0)
    with pytest.raises(InvalidFilter):
        stones.facets("stones", ["kind"], where=["nonsense"])
    with pytest.raises(UnknownField):
        stones.facets("stones", ["it's \"quoted\" ' OR 1=1"])


def test_no_item_passes(stones: Workspace) -> None:
    assert stones.facets("stones", ["modality"], where=["kind=none"]) == [
        Facet("modality", [], [], 0, 0)
    ]
