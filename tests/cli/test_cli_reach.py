"""How far a search reaches from the command line: pages, items, neighbours, several datasets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Run = Callable[..., Any]


def words(stones: Any, *more: str) -> list[str]:
    return ["search", "stone", "-d", "stones", "--mode", "vector", "-w", stones.workspace, *more]


def test_the_next_page(run: Run, stones: Any) -> None:
    whole = run(*words(stones, "--json")).json
    first = run(*words(stones, "-k", "1", "--json")).json
    assert first["next"]
    assert run(*words(stones, "-k", "1")).out.endswith("More: the same with --offset 1\n")
    second = run(*words(stones, "--after", first["next"], "--json")).json
    assert first["hits"] + second["hits"] == whole["hits"]
    assert second["next"] is whole["next"] is None
    passed = run(*words(stones, "--offset", "1", "--json")).json
    assert passed["hits"] == second["hits"]
    assert run(*words(stones, "--offset", "9")).out.startswith("Nothing more found in stones@1.")


def test_a_wrong_cursor(run: Run, stones: Any) -> None:
    done = run(*words(stones, "--after", "nonsense", "--json"))
    assert (done.status, done.error["code"]) == (2, "invalid_cursor")


def test_items_and_neighbours(run: Run, stones: Any) -> None:
    found = run(*words(stones, "--by-item", "--neighbours", "1", "--json")).json
    items = [hit["item_id"] for hit in found["hits"]]
    assert len(set(items)) == len(items) > 1
    chunk = found["hits"][0]["chunk_id"]
    shown = run("show", chunk, "--around", "1", "-w", stones.workspace, "--json").json
    assert [shown["before"], shown["after"]] == [found["hits"][0][s] for s in ("before", "after")]


def test_several_datasets(run: Run, own_stones: Any) -> None:
    place = ["-w", own_stones.workspace]
    assert run("ingest", own_stones.sources / "granite.md", "-d", "more", *place).status == 0
    asked = ["search", "granite", "-d", "stones", "-d", "more@1", *place]
    found = run(*asked, "--json").json
    assert found["datasets"] == ["stones@1", "more@1"]
    assert {hit["dataset"] for hit in found["hits"]} == {"stones", "more"}
    out = run(*asked).out
    assert "in stones@1, more@1, hybrid" in out
    assert "more@1  " in out


def test_more_like_this(run: Run, stones: Any) -> None:
    item = run(*words(stones, "--json")).json["hits"][0]["item_id"]
    asked = ["similar", item[:12], "-k", "1", "-w", stones.workspace]
    (hit,) = run(*asked, "--json").json["hits"]
    assert hit["item_id"] != item
    out = run(*asked, "--explain").out
    assert out.startswith("1 hit in stones@1, hybrid\n")
    unknown = run("similar", "0123456789", "-w", stones.workspace, "--json")
    assert unknown.error["code"] == "unknown_id"
