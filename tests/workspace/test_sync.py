"""Synchronising: what is gone goes, and nothing that only could not be seen."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import tarfile
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from pyarrow import parquet

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument
from ragstone.schemas.api import ItemCounts
from ragstone.workspace import Workspace

from ..ingestion.website import Site, answer, html

STONES = ["granite", "gneiss", "basalt", "slate"]


def about(stone: str) -> str:
    return f"This is what is known about {stone}: it is a stone, and {stone} is its name."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder without anything in it."""
    made = tmp_path / "stones"
    made.mkdir()
    return made


def names(ws: Workspace) -> list[str]:
    return sorted(item.name for item in ws.items("stones"))


def hides(ws: Workspace) -> None:
    """Check that all four are still there after a synchronisation that could not see them."""
    items = ws.sync("stones").items
    assert items.quarantined
    assert not items.removed
    held = {item.item_id: item for item in ws.items("stones")}
    assert len(held) == len(STONES)
    texts = {ws.show(item).text for item in held}  # type: ignore[union-attr]
    assert all(any(about(stone) in text for text in texts) for stone in STONES)


# ---------------------------------------------------------------- files


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_files(folder: Path, stones: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    for stone in stones:
        (folder / f"{stone}.txt").write_text(about(stone))


def test_what_has_gone_goes(workspace: Workspace, folder: Path) -> None:
    write_files(folder, STONES)
    workspace.ingest(folder, "stones")
    (folder / "slate.txt").unlink()
    assert workspace.sync("stones").items == ItemCounts(unchanged=3, removed=1)


def test_a_folder_that_cannot_be_listed(
    workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(folder / "below", STONES)
    (folder / "other.md").write_text("Not taken in.")
    workspace.ingest(folder, "stones", options={"include": ["*.txt"]})
    listed = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path.name == "below":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", refuse)
        hides(workspace)
    shutil.rmtree(folder / "below")
    assert workspace.sync("stones").items == ItemCounts(removed=4)
    assert workspace.quarantine("stones") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_folder_whose_files_cannot_be_looked_at(workspace: Workspace, folder: Path) -> None:
    write_files(folder / "below", STONES)
    workspace.ingest(folder, "stones")
    (folder / "below").chmod(0o400)
    try:
        hides(workspace)
    finally:
        (folder / "below").chmod(0o700)


def write_zip(path: Path, stones: list[str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for stone in stones:
            archive.writestr(f"{stone}.txt", about(stone))


def write_tar(path: Path, stones: list[str]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for stone in stones:
            file = path.with_name(f"{stone}.part")
            file.write_text(about(stone) + os.urandom(30_000).hex())
            archive.add(file, f"{stone}.txt")
            file.unlink()


@pytest.mark.parametrize(("name", "write"), [("s.zip", write_zip), ("s.tar.gz", write_tar)])
def test_an_archive_that_is_damaged(
    workspace: Workspace, folder: Path, name: str, write: Callable[[Path, list[str]], None]
) -> None:
    write(folder / name, STONES)
    workspace.ingest(folder, "stones")
    cut(folder / name)
    hides(workspace)
    write(folder / name, STONES[:2])
    workspace.sync("stones")
    assert names(workspace) == [f"{name}/{stone}.txt" for stone in sorted(STONES[:2])]
    assert workspace.quarantine("stones") == []


def test_an_archive_that_cannot_be_opened(workspace: Workspace, folder: Path) -> None:
    write_zip(folder / "s.zip", STONES)
    workspace.ingest(folder, "stones", options={"include": ["*.txt"]})
    (folder / "s.zip").unlink()
    os.mkfifo(folder / "s.zip")
    hides(workspace)
    (folder / "s.zip").unlink()
    assert workspace.sync("stones").items == ItemCounts(removed=4)
    assert workspace.quarantine("stones") == []


def test_a_table_that_breaks_off(workspace: Workspace, folder: Path) -> None:
    def packed(stones: list[str]) -> bytes:
        rows = [{"id": s, "text": about(s), "noise": os.urandom(20_000).hex()} for s in stones]
        return gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())

    table = folder / "stones.jsonl.gz"
    table.write_bytes(packed(STONES))
    workspace.ingest(folder, "stones", text=["text"], id="id")
    assert names(workspace) == sorted(STONES)
    cut(table)
    hides(workspace)
    table.write_bytes(packed(STONES[:3]))
    assert workspace.sync("stones").items.removed == 1


# ---------------------------------------------------------------- databases


def test_a_database_that_breaks_off(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "stones.db"

    def execute(statement: str, *values: str) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(statement, values)

    execute("CREATE TABLE stones (name TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID")
    for stone in STONES:
        execute("INSERT INTO stones VALUES (?, ?)", stone, json.dumps(about(stone)))
    query = "SELECT name, json_extract(body, '$') AS body FROM stones"
    options = {"query": query, "key": "name"}
    workspace.ingest(f"sqlite:///{path}", "stones", text=["body"], options=options)
    execute("UPDATE stones SET body = '{broken' WHERE name = 'gneiss'")
    hides(workspace)
    execute("DELETE FROM stones WHERE name = 'gneiss'")
    assert workspace.sync("stones").items == ItemCounts(unchanged=3, removed=1)


# ---------------------------------------------------------------- folders of datasets


def rows(stones: list[str]) -> pa.Table:
    return pa.table({"text": [about(stone) for stone in stones]})


def write_saved(folder: Path) -> None:
    """Write what `save_to_disk` of Hugging Face `datasets` does, in two files."""
    files = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    for name, stones in zip(files, (STONES[:2], STONES[2:]), strict=True):
        table = rows(stones)
        with pa.ipc.new_stream(str(folder / name), table.schema) as stream:
            stream.write_table(table, max_chunksize=1)
    state = {"_data_files": [{"filename": name} for name in files], "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: cut(folder / "data-00000-of-00002.arrow"),
        lambda folder: (folder / "data-00000-of-00002.arrow").write_bytes(b"\0"),
        lambda folder: (folder / "data-00001-of-00002.arrow").unlink(),
        lambda folder: (folder / "state.json").write_text("{"),
        lambda folder: (folder / "state.json").unlink(),
    ],
)
def test_a_saved_dataset_that_is_damaged(
    workspace: Workspace, folder: Path, damage: Callable[[Path], object]
) -> None:
    write_saved(folder)
    workspace.ingest(folder, "stones")
    assert names(workspace) == [f"train/{number}" for number in range(4)]
    damage(folder)
    hides(workspace)


def test_parquet_files_of_the_hub(workspace: Workspace, folder: Path) -> None:
    (folder / "data").mkdir()
    shards = [folder / "data" / f"train-0000{number}-of-00002.parquet" for number in (0, 1)]
    for path, stones in zip(shards, (STONES[:2], STONES[2:]), strict=True):
        parquet.write_table(rows(stones), path)
    workspace.ingest(folder, "stones")
    cut(shards[0])
    hides(workspace)
    parquet.write_table(rows(STONES[:2]), shards[0])
    parquet.write_table(rows(STONES[2:3]), shards[1])
    assert workspace.sync("stones").items == ItemCounts(unchanged=3, removed=1)


def test_an_export_of_which_files_are_missing(
    workspace: Workspace, folder: Path, tmp_path: Path
) -> None:
    write_files(folder, STONES)
    workspace.ingest(folder, "origin")
    out = tmp_path / "out"
    workspace.export("origin", out)
    workspace.ingest(out, "stones")
    (data,) = (out / "data").glob("*.parquet")
    data.rename(tmp_path / data.name)
    hides(workspace)
    (tmp_path / data.name).rename(data)
    cut(out / "ragstone.json")
    with pytest.raises(InvalidArgument, match=r"whose ragstone\.json can be read"):
        workspace.sync("stones")
    assert len(names(workspace)) == 4


# ---------------------------------------------------------------- other machines


@pytest.fixture
def online(tmp_path: Path, encoder: TextEncoder, site: Site) -> Iterator[Workspace]:
    """A workspace that may fetch from the site of the test."""
    given: dict[str, Any] = {
        "ingestion": {"workers": 0},
        "fetch": {
            "allow_private": ["127.0.0.1/32"],
            "ports": [site.port],
            "delay_seconds": 0,
            "retries": 0,
        },
    }
    with ragstone.open(tmp_path / "online", create=True, encoder=encoder, **given) as opened:
        yield opened


@pytest.fixture
def site() -> Iterator[Site]:
    """A site with a page about each stone, and a list of them."""
    with Site() as running:
        running.pages |= {f"/{stone}": html(f"<p>{about(stone)}</p>") for stone in STONES}
        running.pages["/sitemap.xml"] = listed(running, STONES)
        yield running


def listed(site: Site, stones: list[str]) -> bytes:
    return answer("\n".join(f"{site.url}/{stone}" for stone in stones))


@pytest.mark.parametrize("place", ["sitemap:{}/", "{}/sitemap.xml"])
def test_a_sitemap_that_cannot_be_had(online: Workspace, site: Site, place: str) -> None:
    online.ingest(place.format(site.url), "stones")
    site.pages["/sitemap.xml"] = answer(b"", status="500 Internal Server Error")
    hides(online)
    site.pages["/sitemap.xml"] = listed(site, STONES[:3])
    assert online.sync("stones").items == ItemCounts(unchanged=3, removed=1)
    assert online.quarantine("stones") == []


def test_a_sitemap_does_not_speak_for_files(online: Workspace, site: Site, folder: Path) -> None:
    write_files(folder, STONES[:1])
    online.ingest([f"{site.url}/sitemap.xml", folder], "stones")
    site.pages["/sitemap.xml"] = answer(b"", status="500 Internal Server Error")
    (folder / "granite.txt").unlink()
    assert online.sync("stones").items == ItemCounts(removed=1, quarantined=1)


def test_a_bucket_that_cannot_be_listed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = f"bucket-{uuid.uuid4().hex}"
    store = fsspec.filesystem("memory")
    for stone in STONES:
        store.pipe_file(f"{bucket}/docs/{stone}.txt", about(stone).encode())

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    try:
        workspace.ingest(f"memory://{bucket}/**/*.txt", "stones")
        with monkeypatch.context() as patch:
            patch.setattr(MemoryFileSystem, "glob", refuse)
            hides(workspace)
        store.rm(f"{bucket}/docs/slate.txt")
        assert workspace.sync("stones").items == ItemCounts(unchanged=3, removed=1)
        assert workspace.quarantine("stones") == []
    finally:
        store.rm(bucket, recursive=True)


def test_pages_that_follow_on_each_other_are_asked_for_as_of_one_site(
    online: Workspace, site: Site, folder: Path
) -> None:
    write_files(folder, STONES[:1])
    first, second, third, fourth = (f"{site.url}/{stone}" for stone in STONES)
    result = online.ingest([first, second, third, folder, fourth], "stones")
    assert result.items == ItemCounts(added=5)
    assert site.requests.count("/robots.txt") == 2
    assert online.sync("stones").items == ItemCounts(unchanged=5)
    assert site.requests.count("/robots.txt") == 4
