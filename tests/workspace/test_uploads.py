"""Uploads: kept, read, synchronised, backed up, examined, and erased."""

from __future__ import annotations

import io
import os
import time
import zipfile
from pathlib import Path

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument, UnknownSource, UploadTooLarge
from ragstone.storage import uploads
from ragstone.storage.restoring import restore_backup
from ragstone.workspace import Workspace

GRANITE = b"Granite is a hard stone made of quartz, feldspar and mica."
CHALK = b"Chalk is soft and white, and made of shells."
DAY = 86_400.0


def send(workspace: Workspace, **files: bytes) -> str:
    """Upload files, `.` in their names written as `__`, and return the place."""
    upload = uploads.new_id()
    for name, content in files.items():
        incoming = workspace.receive(upload, name.replace("__", "."))
        incoming.write(content)
        incoming.keep()
    return f"upload:{upload}"


def folder(workspace: Workspace, place: str) -> Path:
    return workspace.path / "uploads" / place.removeprefix("upload:")


def names(workspace: Workspace, dataset: str = "stones") -> set[str]:
    return {item.name for item in workspace.items(dataset)}


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return buffer.getvalue()


def age(path: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("granite.md", "granite.md"),
        ("notes/2026/granite.md", "notes/2026/granite.md"),
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\Windows\\system.ini", "C_/Windows/system.ini"),
        ("a\x00b.md", "a_b.md"),
        ("..", "file"),
        ("", "file"),
        ("./.", "file"),
        (".env", "_env"),
        (".tmp-x", "_tmp-x"),
        ("NUL.txt", "_NUL.txt"),
        ("com1", "_com1"),
        ("name.  ", "name"),
        ("cod\u202egnp.exe", "cod_gnp.exe"),
        ("<script>.md", "_script_.md"),
        ("Ünïcode ☃.md", "Ünïcode ☃.md"),
    ],
)
def test_a_name_is_made_safe(workspace: Workspace, given: str, kept: str) -> None:
    upload = uploads.new_id()
    incoming = workspace.receive(upload, given)
    incoming.write(GRANITE)
    assert incoming.keep().name == kept
    assert (workspace.path / "uploads" / upload / kept).read_bytes() == GRANITE
    everything = [p for p in workspace.path.parent.rglob("*") if p.is_file()]
    assert [p for p in everything if p.read_bytes() == GRANITE] == [
        workspace.path / "uploads" / upload / kept
    ]


@pytest.mark.parametrize("name", ["x" * 5_000, "ü" * 300 + ".pdf", "a/" * 400 + "b.md"])
def test_a_long_name_is_cut(workspace: Workspace, name: str) -> None:
    incoming = workspace.receive(uploads.new_id(), name)
    kept = incoming.keep().name
    assert all(len(part.encode()) <= 200 for part in kept.split("/"))
    assert kept.rpartition(".")[2] == name.rpartition(".")[2] or "." not in name


def test_a_name_that_is_taken_gets_a_number(workspace: Workspace) -> None:
    upload = uploads.new_id()
    kept = [workspace.receive(upload, name).keep().name for name in ("a.md", "a.md", "a.md/b")]
    assert kept == ["a.md", "a~2.md", "a.md_b"]


@pytest.mark.parametrize("upload", ["", "..", "../blobs", "01ARZ3NDEKTSV4RRFFQ69G5FA", "x" * 26])
def test_an_upload_is_a_ulid(workspace: Workspace, upload: str) -> None:
    with pytest.raises(InvalidArgument, match="a ULID"):
        workspace.receive(upload, "a.md")


# ---------------------------------------------------------------- reading


def test_an_upload_is_read_and_read_again(workspace: Workspace) -> None:
    place = send(workspace, granite__md=GRANITE, broken__pdf=b"%PDF-1.7 no")
    result = workspace.ingest(place, "stones")
    assert (result.items.added, result.items.quarantined) == (1, 1)
    (item,) = workspace.items("stones")
    assert (item.source, item.name) == (f"{place}/granite.md", "granite.md")
    assert workspace.original(item.item_id).content == GRANITE
    assert workspace.quarantine("stones")[0].source == f"{place}/broken.pdf"
    again = workspace.sync("stones")
    assert (again.version, again.items.unchanged) == (1, 1)


def test_archives_and_folders_are_opened(workspace: Workspace) -> None:
    place = send(workspace, **{"more/slate.md": b"Slate splits."}, stones__zip=zipped(a__md=CHALK))
    workspace.ingest(place, "stones")
    assert names(workspace) == {"more/slate.md", "stones.zip/a.md"}
    assert f"{place}/stones.zip!a.md" in {item.source for item in workspace.items("stones")}


def test_an_upload_that_is_not_there(workspace: Workspace) -> None:
    for place in (f"upload:{uploads.new_id()}", "upload:../..", "upload:"):
        with pytest.raises(UnknownSource, match="upload:"):
            workspace.ingest(place, "stones")
        with pytest.raises(UnknownSource, match="upload:"):
            workspace.submit(place, "stones")
    assert workspace.jobs() == []


def test_a_folder_around_the_workspace_is_read_without_its_uploads(workspace: Workspace) -> None:
    send(workspace, granite__md=GRANITE)
    (workspace.path.parent / "chalk.txt").write_bytes(CHALK)
    workspace.ingest(workspace.path.parent, "stones")
    assert names(workspace) == {"chalk.txt"}


def test_upload_takes_bytes_files_and_paths(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "slate.md").write_bytes(b"Slate splits.")
    given = {"a.md": GRANITE, "b.md": io.BytesIO(CHALK), "c.md": tmp_path / "slate.md"}
    job = workspace.upload(given, "stones", message="by hand")
    assert (job.state, job.message, job.kind) == ("queued", "by hand", "ingest")
    place = folder(workspace, job.sources[0])
    assert {path.name for path in place.iterdir()} == {"a.md", "b.md", "c.md"}
    with pytest.raises(InvalidArgument, match="files"):
        workspace.upload({}, "stones")
    with pytest.raises(UnknownSource, match="nowhere"):
        workspace.upload({"a": tmp_path / "nowhere"}, "stones")


def test_too_large(tmp_path: Path, encoder: TextEncoder) -> None:
    with ragstone.open(
        tmp_path / "small", create=True, encoder=encoder, server={"upload_bytes": 10}
    ) as small:
        incoming = small.receive(uploads.new_id(), "granite.md")
        incoming.write(GRANITE)
        with pytest.raises(UploadTooLarge, match=r"server\.upload_bytes|58 bytes"):
            incoming.keep()
        assert list(uploads.files_in(small.path)) == []
        assert [p for p in (small.path / "uploads").rglob("*") if p.is_file()] == []


# ---------------------------------------------------------------- keeping


def test_what_nobody_reads_goes_after_a_day(workspace: Workspace, encoder: TextEncoder) -> None:
    read, fresh, old = (send(workspace, a__md=text) for text in (GRANITE, CHALK, b"old"))
    workspace.ingest(read, "stones")
    age(folder(workspace, read), 30)
    age(folder(workspace, old), 1.1)
    assert workspace.gc(dry_run=True).files == 1
    workspace.close()
    with ragstone.open(workspace.path, encoder=encoder) as again:
        left = [folder(again, place).exists() for place in (read, fresh, old)]
    assert left == [True, True, False]


def test_gc_takes_what_nobody_reads(workspace: Workspace) -> None:
    place = send(workspace, a__md=GRANITE)
    workspace.gc()
    assert folder(workspace, place).exists()
    age(folder(workspace, place), 2)
    assert workspace.gc().bytes == len(GRANITE)
    assert not folder(workspace, place).exists()


def test_a_backup_holds_uploads_and_reads_them_elsewhere(
    workspace: Workspace, tmp_path: Path, encoder: TextEncoder
) -> None:
    place = send(workspace, granite__md=GRANITE)
    workspace.ingest(place, "stones")
    backup = workspace.backup(tmp_path / "backups")
    workspace.close()
    restored = tmp_path / "restored"
    restore_backup(Path(backup.folder), restored)
    workspace.path.rename(tmp_path / "gone")
    with ragstone.open(restored, encoder=encoder, ingestion={"workers": 0}) as opened:
        assert opened.sync("stones").items.unchanged == 1
        assert opened.doctor().healthy


def test_the_doctor_misses_an_upload(workspace: Workspace) -> None:
    place = send(workspace, granite__md=GRANITE)
    workspace.ingest(place, "stones")
    report = workspace.doctor()
    assert report.healthy
    assert report.checks["uploads"] == 1
    folder(workspace, place).rename(workspace.path.parent / "elsewhere")
    (finding,) = workspace.doctor().findings
    assert (finding.check, finding.where.startswith("uploads/")) == ("uploads", True)
    with pytest.raises(UnknownSource):
        workspace.sync("stones")


# ---------------------------------------------------------------- forgetting


def test_forget_erases_the_uploaded_bytes(workspace: Workspace) -> None:
    place = send(workspace, granite__md=GRANITE, chalk__md=CHALK)
    again = send(workspace, **{"other/name.md": GRANITE})  # not even read yet
    workspace.ingest(place, "stones")
    item = next(i for i in workspace.items("stones") if i.name == "granite.md")
    workspace.forget([item.item_id])
    left = [path for path in workspace.path.rglob("*") if path.is_file()]
    assert not [path for path in left if GRANITE in path.read_bytes()]
    assert folder(workspace, again).is_dir()
    assert workspace.doctor().healthy
    workspace.sync("stones")
    assert names(workspace) == {"chalk.md"}


def test_forget_erases_the_archive_that_an_item_was_in(workspace: Workspace) -> None:
    stones = zipped(granite__md=GRANITE, chalk__md=CHALK)
    place = send(workspace, stones__zip=stones, slate__md=b"Slate splits.")
    workspace.ingest(place, "stones")
    item = next(i for i in workspace.items("stones") if i.name.endswith("granite.md"))
    workspace.forget([item.item_id])
    assert [path.name for path in uploads.files_in(workspace.path)] == ["slate.md"]
    workspace.sync("stones")  # and what else was in the archive stays
    assert names(workspace) == {"slate.md", "stones.zip/chalk.md"}


def test_an_upload_with_nothing_left_can_still_be_synchronised(
    workspace: Workspace, tmp_path: Path, encoder: TextEncoder
) -> None:
    place = send(workspace, granite__md=GRANITE)
    workspace.ingest(place, "stones")
    workspace.forget([workspace.items("stones")[0].item_id])
    workspace.sync("stones")
    backup = workspace.backup(tmp_path / "backups")
    workspace.close()
    restore_backup(Path(backup.folder), tmp_path / "restored")
    with ragstone.open(tmp_path / "restored", encoder=encoder, ingestion={"workers": 0}) as opened:
        opened.sync("stones")
        assert opened.doctor().healthy


def test_forget_erases_what_is_in_quarantine(workspace: Workspace) -> None:
    broken = b"%PDF-1.7 this is no document"
    place = send(workspace, broken__pdf=broken)
    workspace.ingest(place, "stones")
    workspace.forget([workspace.quarantine("stones")[0].item_id])
    assert list(uploads.files_in(workspace.path)) == []


def test_the_doctor_finds_erased_bytes_that_are_left(workspace: Workspace) -> None:
    place = send(workspace, granite__md=GRANITE)
    workspace.ingest(place, "stones")
    workspace.forget([workspace.items("stones")[0].item_id])
    left = folder(workspace, place) / "left.md"
    left.write_bytes(GRANITE)
    assert workspace.doctor().healthy  # it is younger than the erasure: uploaded again
    age(left, 1)
    (finding,) = workspace.doctor().findings
    assert (finding.check, finding.where.endswith("left.md")) == ("erasures", True)
