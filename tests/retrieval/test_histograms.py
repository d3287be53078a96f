"""Histograms: counted by hand, with edges that are round and that a filter understands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ragstone.errors import InvalidArgument, UnknownField
from ragstone.workspace import Workspace


def ingested(workspace: Workspace, folder: Path, rows: list[dict[str, Any]]) -> Workspace:
    path = folder / "rows.jsonl"
    lines = [{"id": n, "text": f"stone {n}", **row} for n, row in enumerate(rows)]
    path.write_text("".join(json.dumps(row) + "\n" for row in lines))
    workspace.ingest([path], "stones", text="text", id="id")
    return workspace


def bars(ws: Workspace, field: str, **how: Any) -> list[tuple[str, str, int]]:
    found = ws.histogram("stones", field, **how)
    return [(one.low, one.high, one.items) for one in found.bins]


def check(ws: Workspace, field: str, bins: int) -> None:
    """Each bar says how many items its own filter lets through, and they follow on each other."""
    found = ws.histogram("stones", field, bins=bins)
    assert 1 <= len(found.bins) <= bins + 1
    assert sum(one.items for one in found.bins) + found.missing == ws.count_items("stones")
    for one, after in zip(found.bins, [*found.bins[1:], None], strict=True):
        where = [f"{field}>={one.low}", f"{field}<{one.high}"]
        assert ws.count_items("stones", where=where) == one.items, where
        assert after is None or one.high == after.low


def test_years_have_round_edges(workspace: Workspace, tmp_path: Path) -> None:
    years = [1991, 1992, 1999, 2000, 2004, 2020, None]
    ws = ingested(workspace, tmp_path, [{"year": year} if year else {} for year in years])
    assert bars(ws, "year", bins=3) == [
        ("1990", "2000", 3),
        ("2000", "2010", 2),
        ("2010", "2020", 0),
        ("2020", "2030", 1),
    ]
    found = ws.histogram("stones", "year", bins=3)
    assert (found.field, found.kind, found.missing) == ("year", "number", 1)
    assert bars(ws, "year", bins=3, where=["year>=2004"]) == [
        ("2000", "2010", 1),
        ("2010", "2020", 0),
        ("2020", "2030", 1),
    ]


@pytest.mark.parametrize("bins", [1, 3, 20, 200])
def test_each_bar_is_a_filter(workspace: Workspace, tmp_path: Path, bins: int) -> None:
    rows = [
        {
            "x": (n * 7919 % 1000) / 7 - 40,
            "tiny": n * 1e-7,
            "when": f"20{n % 30:02d}-{n % 12 + 1:02d}-{n % 28 + 1:02d}T{n % 24:02d}:00:07Z",
            "day": f"2024-{n % 12 + 1:02d}-{n % 28 + 1:02d}",
            "minute": f"2024-05-03T10:{n % 60:02d}:{n % 59:02d}+02:00",
        }
        for n in range(200)
    ]
    ws = ingested(workspace, tmp_path, rows)
    for field in ("x", "tiny", "when", "day", "minute", "size"):
        check(ws, field, bins)


def test_months_and_years_are_those_of_the_calendar(workspace: Workspace, tmp_path: Path) -> None:
    days = ["2023-11-30", "2024-01-31", "2024-02-01", "2024-02-29", "2024-04-01"]
    ws = ingested(workspace, tmp_path, [{"day": day} for day in days])
    assert bars(ws, "day", bins=5) == [
        ("2023-11", "2023-12", 1),
        ("2023-12", "2024-01", 0),
        ("2024-01", "2024-02", 1),
        ("2024-02", "2024-03", 2),
        ("2024-03", "2024-04", 0),
        ("2024-04", "2024-05", 1),
    ]
    assert ws.histogram("stones", "day").kind == "time"


def test_one_value_has_one_bar(workspace: Workspace, tmp_path: Path) -> None:
    ws = ingested(workspace, tmp_path, [{"x": 3, "day": "2024-05-03"}, {"x": 3}])
    assert bars(ws, "x") == [("3", "4", 2)]
    assert bars(ws, "day") == [("2024-05-03", "2024-05-03T00:00:01Z", 1)]


def test_an_item_with_several_numbers_counts_once_in_a_bar(
    workspace: Workspace, tmp_path: Path
) -> None:
    ws = ingested(workspace, tmp_path, [{"x": [1, 1, 2]}, {"x": [2]}])
    assert bars(ws, "x") == [("1", "2", 1), ("2", "3", 2)]


def test_what_is_no_number_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    ws = ingested(workspace, tmp_path, [{"kind": "igneous", "x": 1}])
    with pytest.raises(InvalidArgument, match="numbers or times"):
        ws.histogram("stones", "kind")
    with pytest.raises(UnknownField):
        ws.histogram("stones", "colour")
    with pytest.raises(InvalidArgument):
        ws.histogram("stones", "source")
    for bins in (0, 201):
        with pytest.raises(InvalidArgument):
            ws.histogram("stones", "x", bins=bins)
    assert ws.histogram("stones", "kind", where=["kind=none"]).bins == []
