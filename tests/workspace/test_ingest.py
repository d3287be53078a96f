"""Ingestion through the façade: what comes in, what is known already, what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import (
    InvalidArgument,
    SpaceMismatch,
    UnknownId,
    UnknownSource,
    UnknownWorkspace,
)
from ragstone.schemas.api import IngestProgress, ItemCounts, ItemDetail
from ragstone.storage import store
from ragstone.workspace import Workspace

TEXTS = {
    "granite.txt": "Granite is a coarse-grained rock. It is made of quartz and feldspar.",
    "slate.md": "# Slate\n\nSlate splits into thin plates.\n\n## Use\n\nRoofs are covered with it.",
    "sub/chalk.txt": "Chalk is a soft white limestone. It was laid down in the Cretaceous.",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "sources"
    for name, text in TEXTS.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_folder_becomes_a_version(workspace: Workspace, folder: Path) -> None:
    result = workspace.ingest([folder], "stones", message="first stones")
    assert result.items == ItemCounts(added=3)
    assert (result.version, result.quarantine) == (1, [])
    assert result.chunks >= 3
    (version,) = workspace.log("stones")
    assert (version.message, version.items, version.added) == ("first stones", 3, 3)
    names = {item.name for item in workspace.items("stones")}
    assert names == set(TEXTS)


def test_chunks_are_verbatim_and_sources_are_kept(workspace: Workspace, folder: Path) -> None:
    workspace.ingest([folder], "stones")
    for summary in workspace.items("stones"):
        item = workspace.show(summary.item_id)
        assert isinstance(item, ItemDetail)
        for chunk in item.chunks:
            assert item.text[chunk.start : chunk.end] == chunk.text
        original = Path(item.sources[0]).read_bytes()
        assert len(original) == item.size
        blobs = list((workspace.path / "blobs").rglob(item.item_id))
        assert [blob.read_bytes() for blob in blobs] == [original]


def test_second_time_nothing_happens(workspace: Workspace, folder: Path) -> None:
    workspace.ingest([folder], "stones")
    again = workspace.ingest([folder], "stones")
    assert again.items == ItemCounts(unchanged=3)
    assert (again.version, again.chunks) == (1, 0)
    assert len(workspace.log("stones")) == 1


def test_changed_file_costs_that_file(workspace: Workspace, folder: Path) -> None:
    workspace.ingest([folder], "stones")
    (folder / "granite.txt").write_text("Granite is hard. Basalt is dark.")
    (folder / "new.txt").write_text("Marble is metamorphosed limestone.")
    result = workspace.ingest([folder], "stones")
    assert result.items == ItemCounts(added=1, updated=1, unchanged=2)
    assert (result.version, result.chunks) == (2, 2)
    found = workspace.search("basalt", "stones", mode="keyword").hits
    assert [hit.name for hit in found] == ["granite.txt"]
    assert not workspace.search("feldspar", "stones", mode="keyword").hits
    old = workspace.search("feldspar", "stones@1", mode="keyword").hits
    assert [hit.name for hit in old] == ["granite.txt"]


def test_same_bytes_are_kept_once_and_named_by_both_sources(
    workspace: Workspace, folder: Path
) -> None:
    (folder / "copy.txt").write_bytes((folder / "granite.txt").read_bytes())
    first = workspace.ingest([folder], "stones")
    assert first.items == ItemCounts(added=3, duplicate=1)
    assert workspace.ingest([folder], "stones").items == ItemCounts(unchanged=4)
    (hit,) = workspace.search("feldspar", "stones", mode="keyword").hits
    item = workspace.show(hit.item_id)
    assert isinstance(item, ItemDetail)
    assert {Path(source).name for source in item.sources} == {"copy.txt", "granite.txt"}


def test_item_lives_while_one_source_holds_it(workspace: Workspace, folder: Path) -> None:
    (folder / "copy.txt").write_bytes((folder / "granite.txt").read_bytes())
    workspace.ingest([folder], "stones")
    (folder / "copy.txt").write_text("Something else entirely.")
    workspace.ingest([folder], "stones")
    (hit,) = workspace.search("feldspar", "stones", mode="keyword").hits
    assert hit.name == "granite.txt"
    (folder / "granite.txt").write_text("And this is new as well.")
    workspace.ingest([folder], "stones")
    assert not workspace.search("feldspar", "stones", mode="keyword").hits
    assert workspace.doctor().healthy


def test_moved_content_survives_the_change_of_its_old_source(
    workspace: Workspace, folder: Path
) -> None:
    workspace.ingest([folder], "stones")
    (folder / "zz.txt").write_bytes((folder / "granite.txt").read_bytes())
    (folder / "granite.txt").write_text("Basalt is dark and fine-grained.")
    result = workspace.ingest([folder], "stones")
    assert result.items == ItemCounts(updated=1, duplicate=1, unchanged=2)
    (hit,) = workspace.search("feldspar", "stones", mode="keyword").hits
    assert hit.name == "zz.txt"
    assert workspace.doctor().healthy


def test_rows_become_items(workspace: Workspace, tmp_path: Path) -> None:
    rows = [
        {"_id": 7, "title": "Granite", "text": "A coarse rock.", "year": 1999},
        {"_id": 8, "title": "Slate", "text": "Splits into plates.", "year": 2021},
    ]
    table = tmp_path / "stones.jsonl"
    table.write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n")
    result = workspace.ingest([table], "stones", text=["title", "text"], id="_id")
    assert result.items == ItemCounts(added=2, quarantined=1)
    first, second = workspace.items("stones")
    assert (first.name, first.title, second.name) == ("7", "Granite", "8")
    assert [hit.name for hit in workspace.search("rock", "stones", where=["year<2000"]).hits] == [
        "7"
    ]
    (entry,) = workspace.quarantine("stones")
    assert (entry.code, entry.stage) == ("malformed_input", "parse")
    assert entry.source.endswith("stones.jsonl#3")
    kept = list((workspace.path / "quarantine").rglob(entry.item_id))
    assert [path.read_bytes() for path in kept] == [b"{broken"]


def test_bad_input_goes_to_quarantine_and_comes_out_when_mended(
    workspace: Workspace, folder: Path
) -> None:
    (folder / "empty.txt").write_bytes(b"")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing more")
    (folder / "noise.txt").write_bytes(bytes(range(256)) * 40)
    result = workspace.ingest([folder], "stones")
    assert result.items == ItemCounts(added=3, quarantined=3)
    codes = {Path(entry.source).name: entry.code for entry in result.quarantine}
    assert codes == {
        "empty.txt": "empty_input",
        "broken.pdf": "malformed_input",
        "noise.txt": "not_text",
    }
    assert all(entry.reason and entry.hint for entry in result.quarantine)
    again = workspace.ingest([folder], "stones")
    assert again.items == ItemCounts(unchanged=3, quarantined=3)
    assert (again.version, len(workspace.quarantine("stones"))) == (1, 3)
    (folder / "empty.txt").write_text("Not empty any more.")
    workspace.ingest([folder], "stones")
    assert len(workspace.quarantine("stones")) == 2
    assert workspace.doctor().healthy


def test_refused_update_keeps_what_was_there(workspace: Workspace, folder: Path) -> None:
    workspace.ingest([folder], "stones")
    (folder / "granite.txt").write_bytes(b"")
    assert workspace.ingest([folder], "stones").items.quarantined == 1
    assert workspace.search("feldspar", "stones", mode="keyword").hits


def test_two_copies_of_bad_bytes_are_both_refused(workspace: Workspace, tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        (tmp_path / name).write_bytes(b"%PDF-1.7 nothing more")
    result = workspace.ingest([tmp_path / "a.pdf", tmp_path / "b.pdf"], "stones")
    assert result.items == ItemCounts(quarantined=2)
    assert result.version == 0
    assert workspace.datasets() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_named(workspace: Workspace, folder: Path) -> None:
    (folder / "granite.txt").chmod(0)
    assert workspace.ingest([folder], "stones").quarantine[0].code == "unreadable_input"


def test_pipe_in_a_folder_does_not_block(workspace: Workspace, folder: Path) -> None:
    os.mkfifo(folder / "pipe.txt")
    result = workspace.ingest([folder], "stones")
    assert [entry.code for entry in result.quarantine] == ["unreadable_input"]


def test_too_large_a_file_is_not_read(tmp_path: Path, folder: Path, encoder: TextEncoder) -> None:
    limits = {"bytes": 70}
    with ragstone.open(
        tmp_path / "small", create=True, encoder=encoder, limits=limits, ingestion={"workers": 0}
    ) as workspace:
        result = workspace.ingest([folder], "stones")
    assert {entry.code for entry in result.quarantine} == {"limit_exceeded"}
    assert "limits.bytes" in result.quarantine[0].hint


def test_same_source_named_twice_counts_once(workspace: Workspace, folder: Path) -> None:
    result = workspace.ingest([folder, folder / "granite.txt"], "stones")
    assert result.items == ItemCounts(added=3)


def test_one_source_needs_no_list(workspace: Workspace, folder: Path) -> None:
    assert workspace.ingest(folder, "stones").items.added == 3
    assert workspace.ingest(str(folder), "stones").items.unchanged == 3


def test_filters_on_sources_are_as_of_the_version(workspace: Workspace, folder: Path) -> None:
    def found(version: int) -> list[str]:
        hits = workspace.search("rock", f"stones@{version}", where=["name=b.txt"]).hits
        return [hit.name for hit in hits]

    workspace.ingest(folder, "stones")
    (folder / "b.txt").write_bytes((folder / "granite.txt").read_bytes())
    workspace.ingest(folder, "stones")
    (folder / "b.txt").write_text("Something else about rock.")
    (folder / "granite.txt").unlink()
    workspace.ingest(folder, "stones")
    assert found(1) == []
    assert len(found(2)) == 1
    assert found(3) == ["b.txt"]
    assert "Something" in workspace.search("rock", "stones", where=["name=b.txt"]).hits[0].text


def test_lost_jobs_are_ended_by_the_next_owner(workspace: Workspace, folder: Path) -> None:
    workspace.ingest(folder, "stones")
    catalog = workspace._store.catalog
    catalog.write("UPDATE jobs SET state = 'running', ended = NULL, result = NULL")
    workspace.close()
    with ragstone.open(workspace.path) as again:
        assert [job.state for job in again.jobs()] == ["interrupted"]


def test_encoder_is_opened_once_by_many_threads(tmp_path: Path) -> None:
    with ragstone.open(tmp_path / "w", create=True) as workspace, ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: workspace._encoders.chosen(), range(8)))
    assert len(set(map(id, opened))) == 1


def test_progress_is_reported(workspace: Workspace, folder: Path) -> None:
    reports: list[IngestProgress] = []
    workspace.ingest([folder], "stones", on_progress=reports.append)
    last = reports[-1]
    assert (last.stage, last.seen, last.total) == ("embedding", 3, 3)
    assert last.chunks >= 3


def test_processes_give_the_same_version_as_one(
    tmp_path: Path, folder: Path, encoder: TextEncoder
) -> None:
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing more")
    digests = []
    for workers in (0, 1, 2):
        path = tmp_path / f"workers-{workers}"
        with ragstone.open(
            path, create=True, encoder=encoder, ingestion={"workers": workers, "part_chunks": 2}
        ) as workspace:
            result = workspace.ingest([folder], "stones")
            assert result.items == ItemCounts(added=3, quarantined=1)
            digests.append(workspace.log("stones")[0].content)
    assert len(set(digests)) == 1


def test_plain_script_may_ingest_without_a_main_guard(tmp_path: Path, folder: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import ragstone\n"
        f"with ragstone.open({str(tmp_path / 'w')!r}, create=True) as ws:\n"
        f"    print(ws.ingest([{str(folder)!r}], 'stones').items.added)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("3", 0), done.stderr


# ---------------------------------------------------------------- delete and wrong calls


def test_delete_makes_a_version_without_the_item(workspace: Workspace, folder: Path) -> None:
    workspace.ingest([folder], "stones")
    (hit,) = workspace.search("feldspar", "stones", mode="keyword").hits
    version = workspace.delete("stones", [hit.item_id[:12]])
    assert (version.version, version.items, version.removed) == (2, 2, 1)
    assert not workspace.search("feldspar", "stones", mode="keyword").hits
    assert workspace.search("feldspar", "stones@1", mode="keyword").hits
    for mode in ("vector", "hybrid"):
        names = [h.name for h in workspace.search("granite", "stones", mode=mode).hits]
        assert names
        assert "granite.txt" not in names
    assert workspace.ingest([folder], "stones").items == ItemCounts(added=1, unchanged=2)
    with pytest.raises(UnknownId):
        workspace.delete("stones", ["0" * 64])
    assert workspace.doctor().healthy


@pytest.mark.parametrize("name", ["", "a b", "a@1", "../x", "-x", "é" * 101, "a/b"])
def test_dataset_names_are_checked(workspace: Workspace, folder: Path, name: str) -> None:
    with pytest.raises(InvalidArgument, match="dataset is"):
        workspace.ingest([folder], name)


def test_a_version_is_listed_only_once_it_can_be_read(
    workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.ingest([folder], "stones")
    apply = store.projection.apply
    seen: list[tuple[list[int], list[int]]] = []

    def look(*arguments: object) -> None:
        apply(*arguments)  # type: ignore[arg-type]
        listed = [version.version for version in workspace.log("stones")]
        seen.append((listed, [dataset.version for dataset in workspace.datasets()]))
        workspace.items(f"stones@{max(listed)}")

    monkeypatch.setattr(store.projection, "apply", look)
    (folder / "new.txt").write_text("Marble is metamorphosed limestone.")
    workspace.ingest([folder], "stones")
    assert seen == [([1], [1])]
    assert [version.version for version in workspace.log("stones")] == [2, 1]


def test_wrong_calls_change_nothing(workspace: Workspace, folder: Path) -> None:
    with pytest.raises(UnknownSource, match="nothing to read"):
        workspace.ingest([folder / "nowhere"], "stones")
    with pytest.raises(InvalidArgument, match="sources"):
        workspace.ingest([], "stones")
    with pytest.raises(InvalidArgument, match="together with the text columns"):
        workspace.ingest([folder], "stones", id="_id")
    assert workspace.datasets() == []


def test_no_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UnknownWorkspace) as caught:
        ragstone.open(tmp_path / "none")
    assert "ragstone init" in caught.value.hint


def test_another_encoder_is_refused(workspace: Workspace, folder: Path) -> None:
    workspace.ingest([folder], "stones")
    manifest = workspace._store.head("stones")

    class Other:
        def __getattr__(self, name: str) -> object:
            return getattr(workspace._encoders.chosen(), name)

        @property
        def identity(self) -> object:
            from dataclasses import replace

            return replace(workspace._encoders.chosen().identity, digest="f" * 64)

    workspace.close()
    with (
        ragstone.open(workspace.path, encoder=Other()) as other,  # type: ignore[arg-type]
        pytest.raises(SpaceMismatch, match=manifest.space),
    ):
        other.search("granite", "stones")
