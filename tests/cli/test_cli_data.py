"""Workspaces, ingestion, versions, looking, deleting and quarantine, on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_init_makes_a_workspace_once(run: Run, tmp_path: Path) -> None:
    first = run("init", tmp_path / "w", "--json")
    assert first.status == 0
    assert first.json == {"workspace": str(tmp_path / "w"), "created": True}
    again = run("init", tmp_path / "w", "--json")
    assert again.json == {"workspace": str(tmp_path / "w"), "created": False}
    assert "already" in run("init", tmp_path / "w").out


def test_init_goes_where_the_workspace_option_says(run: Run, tmp_path: Path) -> None:
    assert run("-w", tmp_path / "before", "init").status == 0
    assert run("init", "-w", tmp_path / "after").status == 0
    named = run("init", env={"RAGSTONE_WORKSPACE": str(tmp_path / "named")})
    assert named.status == 0
    assert f"--workspace {tmp_path / 'named'}" in named.out.replace("\n", "")
    for name in ("before", "after", "named"):
        assert (tmp_path / name / "ragstone.toml").is_file()


def test_ingest_prints_the_documented_result(run: Run, own_stones: Any) -> None:
    (own_stones.sources / "tuff.txt").write_text("Tuff is made of volcanic ash.", encoding="utf-8")
    done = run("ingest", own_stones.sources, "-d", "stones", "-w", own_stones.workspace, "--json")
    assert done.status == 0
    assert {"job", "dataset", "version", "items", "chunks", "seconds"} <= set(done.json)
    assert (done.json["dataset"], done.json["version"], done.json["chunks"]) == ("stones", 2, 1)
    assert done.json["items"] == {
        "added": 1,
        "updated": 0,
        "unchanged": 2,
        "duplicate": 0,
        "quarantined": 0,
        "removed": 0,
    }


def test_every_line_of_ingest_is_json(run: Run, own_stones: Any) -> None:
    done = run("ingest", own_stones.sources, "-d", "more", "-w", own_stones.workspace, "--json")
    *before, last = [json.loads(line) for line in done.out.splitlines()]
    assert all(list(line) == ["progress"] for line in before)
    assert last["dataset"] == "more"


def test_the_same_again_makes_no_version(run: Run, own_stones: Any) -> None:
    words = ["ingest", own_stones.sources, "-d", "stones", "-w", own_stones.workspace]
    assert "stones@1  2 unchanged; 0 chunks written" in run(*words).out
    assert len(run("log", "stones", "--json", "-w", own_stones.workspace).json) == 1


def test_ingest_needs_a_workspace(run: Run, tmp_path: Path) -> None:
    done = run("ingest", tmp_path, "-d", "x", "-w", tmp_path / "none", "--json")
    assert (done.status, done.error["code"]) == (1, "unknown_workspace")
    assert not (tmp_path / "none").exists()


def test_quarantine_gives_status_3_and_a_reason(run: Run, own_stones: Any) -> None:
    (own_stones.sources / "bad.pdf").write_bytes(b"%PDF-1.4\nbroken")
    words = ["ingest", own_stones.sources, "-d", "stones", "-w", own_stones.workspace]
    for_people = run(*words)
    assert for_people.status == 3
    assert "1 quarantined" in for_people.out
    assert "bad.pdf" in for_people.err
    done = run(*words, "--json")
    assert done.status == 3
    assert done.json["items"]["quarantined"] == 1
    assert done.json["quarantine"][0]["code"] == "malformed_input"
    listed = run("quarantine", "list", "stones", "--json", "-w", own_stones.workspace)
    assert listed.status == 0
    assert {entry["source"] for entry in listed.json} == {str(own_stones.sources / "bad.pdf")}
    shown = run("quarantine", "list", "-w", own_stones.workspace).out
    assert "bad.pdf" in shown
    assert "malformed_input" in shown


def test_nothing_in_quarantine(run: Run, stones: Any) -> None:
    assert run("quarantine", "list", "-w", stones.workspace).out == "Nothing is in quarantine.\n"
    assert run("quarantine", "list", "--json", "-w", stones.workspace).json == []


def test_rows_of_a_table_become_items(run: Run, own_stones: Any, tmp_path: Path) -> None:
    rows = [{"_id": "a", "title": "Tuff", "text": "Light.", "year": 1990}]
    rows.append({"_id": "b", "title": "Slate", "text": "Splits.", "year": 2020})
    table = tmp_path / "rows.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    place = ["-d", "rows", "-w", own_stones.workspace]
    done = run("ingest", table, *place, "--text", "title, text", "--id", "_id", "--json")
    assert done.json["items"]["added"] == 2
    words = ["search", "Slate", *place, "--mode", "keyword", "--where", "year>=2000", "--json"]
    found = run(*words).json["hits"]
    assert [hit["name"] for hit in found] == ["b"]
    narrowed = run(*words, "--where", "year<2010").json
    assert narrowed["hits"] == []


def test_datasets(run: Run, stones: Any) -> None:
    listed = run("datasets", "--json", "-w", stones.workspace).json
    assert [(d["name"], d["version"], d["items"], d["chunks"]) for d in listed] == [
        ("stones", 1, 2, 2)
    ]
    table = run("datasets", "-w", stones.workspace).out
    assert "changed (UTC)" in table
    assert "stones" in table


def test_no_datasets_yet(run: Run, tmp_path: Path) -> None:
    run("init", tmp_path / "w")
    assert "ragstone ingest" in run("datasets", "-w", tmp_path / "w").out


def test_log_is_newest_first(run: Run, own_stones: Any) -> None:
    (own_stones.sources / "granite.md").write_text("# Granite\n\nChanged.\n", encoding="utf-8")
    words = ["ingest", own_stones.sources, "-d", "stones", "-m", "second"]
    run(*words, "-w", own_stones.workspace)
    log = run("log", "stones", "--json", "-w", own_stones.workspace).json
    assert [(v["version"], v["message"], v["parent"]) for v in log] == [
        (2, "second", 1),
        (1, "first", None),
    ]
    table = run("log", "stones", "-w", own_stones.workspace).out
    assert table.index("second") < table.index("first")


def test_items_by_page_and_version(run: Run, stones: Any) -> None:
    place = ["--json", "-w", stones.workspace]
    assert [i["name"] for i in run("items", "stones@1", *place).json] == ["granite.md", "marble.md"]
    page = run("items", "stones", "--offset", "1", "--limit", "1", *place).json
    assert [i["name"] for i in page] == ["marble.md"]
    table = run("items", "stones", "-w", stones.workspace).out
    assert "text/markdown" in table
    assert "No items here." in run("items", "stones", "--offset", "9", "-w", stones.workspace).out


def test_show_an_item_and_a_chunk(run: Run, stones: Any) -> None:
    place = ["-w", stones.workspace]
    summary = run("items", "stones", "--json", *place).json[0]
    item = run("show", summary["item_id"][:12], "--json", *place).json
    assert item["text"].startswith("Granite") or "Granite resists frost" in item["text"]
    shown = run("show", summary["item_id"], *place).out
    assert str(stones.sources / "granite.md") in shown.replace("\n", "")
    assert "Granite resists frost" in shown
    chunk_id = item["chunks"][0]["chunk_id"]
    chunk = run("show", chunk_id, "--json", *place).json
    assert (chunk["item_id"], chunk["ordinal"]) == (summary["item_id"], 0)
    assert "Granite resists frost" in run("show", chunk_id[:10], *place).out


def test_delete_makes_a_version_and_keeps_the_old_one(run: Run, own_stones: Any) -> None:
    place = ["--json", "-w", own_stones.workspace]
    marble = run("items", "stones", *place).json[1]["item_id"]
    made = run("delete", "stones", marble[:8], "-m", "no marble", *place)
    assert made.status == 0
    assert (made.json["version"], made.json["removed"], made.json["items"]) == (2, 1, 1)
    assert made.json["message"] == "no marble"
    assert len(run("items", "stones", *place).json) == 1
    assert len(run("items", "stones@1", *place).json) == 2
    granite = run("items", "stones", *place).json[0]["item_id"]
    for_people = run("delete", "stones", granite, "-w", own_stones.workspace)
    assert for_people.out == "stones@3  1 item removed, 0 left\n"


def test_doctor_finds_a_changed_byte(run: Run, own_stones: Any) -> None:
    place = ["-w", own_stones.workspace]
    well = run("doctor", "--json", *place)
    assert well.status == 0
    assert well.json["findings"] == []
    assert "Everything is as it should be." in run("doctor", *place).out
    part = next(own_stones.workspace.glob("datasets/*/parts/*/chunks.parquet"))
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    ill = run("doctor", "--json", *place)
    assert ill.status == 1
    assert any("chunks.parquet" in finding["where"] for finding in ill.json["findings"])
    assert "chunks.parquet" in run("doctor", *place).out.replace("\n", "")


@pytest.mark.parametrize("as_json", [True, False])
def test_doctor_rebuilds(run: Run, own_stones: Any, as_json: bool) -> None:  # noqa: FBT001
    words = ["doctor", "--rebuild", "-w", own_stones.workspace]
    done = run(*words, *(["--json"] if as_json else []))
    assert done.status == 0
    if as_json:
        assert done.json["rebuilt"]
    else:
        assert "made anew" in done.out
    found = run("search", "frost", "-d", "stones", "--mode", "keyword", *words[-2:], "--json")
    assert len(found.json["hits"]) == 1


def test_an_entry_is_shown_retried_and_dropped(run: Run, own_stones: Any) -> None:
    broken = own_stones.sources / "broken.pdf"
    broken.write_bytes(b"%PDF-1.4 and no more")
    place = ("-w", own_stones.workspace)
    assert run("ingest", own_stones.sources, "-d", "stones", *place).status == 3
    (entry,) = run("quarantine", "list", "stones", "--json", *place).json
    shown = run("quarantine", "show", entry["id"][:12], *place).out
    assert str(broken) in shown
    assert "malformed_input" in shown
    assert (
        (own_stones.workspace / "quarantine")
        .joinpath(entry["item_id"][:2], entry["item_id"][2:4], entry["item_id"])
        .exists()
    )
    assert run("quarantine", "retry", "stones", *place).status == 3, "it is as broken as before"
    (entry,) = run("quarantine", "list", "stones", "--json", *place).json
    assert run("quarantine", "drop", "stones", entry["id"], *place).out == "1 input dropped.\n"
    assert run("quarantine", "list", "--json", *place).json == []
    assert not list((own_stones.workspace / "quarantine").rglob(entry["item_id"]))
    missing = run("quarantine", "drop", "stones", entry["id"], *place)
    assert "quarantine of stones" in missing.err


def test_sync_brings_in_and_lets_go(run: Run, own_stones: Any) -> None:
    place = ("-w", own_stones.workspace)
    gone = sorted(own_stones.sources.rglob("*.*"))[0]
    gone.unlink()
    (own_stones.sources / "tuff.txt").write_text("Tuff is made of volcanic ash.", encoding="utf-8")
    done = run("sync", "stones", "--json", *place)
    assert done.status == 0
    assert (done.json["items"]["added"], done.json["items"]["removed"]) == (1, 1)
    names = {item["name"] for item in run("items", "stones", "--json", *place).json}
    assert gone.name not in names
    assert "tuff.txt" in names
    again = run("sync", "stones", "--json", *place)
    assert again.json["version"] == done.json["version"]


def test_duplicates_are_reported_and_shown_again(run: Run, own_stones: Any) -> None:
    place = ("-w", own_stones.workspace)
    text = " ".join(f"word{number}" for number in range(60))
    for name in ("one.txt", "two.html"):
        content = text if name.endswith("txt") else f"<html><body><p>{text}</p></body></html>"
        (own_stones.sources / name).write_text(content, encoding="utf-8")
    done = run("ingest", own_stones.sources, "-d", "stones", *place)
    assert "2 new pairs of duplicates, 1 hidden" in done.out
    report = run("dedup", "report", "stones", "--json", *place).json
    (group,) = report["groups"]
    assert group["kind"] == "exact"
    assert "one.txt" in run("dedup", "show", "stones", group["group"], *place).out
    assert "first" in run("dedup", "policy", "stones", *place).out
    back = run("dedup", "policy", "stones", "--undo", "--json", *place).json
    assert (back["version"], back["kinds"][0]["hidden"]) == (report["version"] + 1, 0)
    wrong = run("dedup", "policy", "stones", "--keep", "exact", *place)
    assert (wrong.status, "KIND=VALUE" in wrong.err) == (2, True)
