"""Jobs in the calling process: cut off anywhere, they go on from where they were."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3

import ragstone
from ragstone.encoders.base import EncoderIdentity, TextEncoder, Vectors
from ragstone.errors import (
    EncoderUnavailable,
    JobConflict,
    SpaceMismatch,
    StorageFault,
    UnknownJob,
    VersionConflict,
)
from ragstone.jobs.folder import JobFolder
from ragstone.schemas.api import ItemCounts, JobInfo
from ragstone.workspace import Workspace

FILES = 24
IN_A_PART = 5


class Watched:
    """An encoder that hashes, notes each text, and calls `before` before each part."""

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self.texts: list[str] = []
        self.calls = 0
        self.before: Callable[[int], None] = lambda _: None

    @property
    def identity(self) -> EncoderIdentity:
        return self._encoder.identity

    @property
    def tokenizer_file(self) -> Path:
        return self._encoder.tokenizer_file

    def encode_documents(
        self,
        texts: Sequence[str],
        on_batch: Callable[[int], None] | None = None,  # noqa: ARG002
    ) -> Vectors:
        self.calls += 1
        self.before(self.calls)
        self.texts += texts
        return self.encode_queries(texts)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        seeds = [int.from_bytes(blake3(text.encode()).digest(8)) for text in texts]
        drawn = [np.random.default_rng(seed).normal(size=384) for seed in seeds]
        return np.array([row / np.linalg.norm(row) for row in drawn], np.float32)


@pytest.fixture
def watched(encoder: TextEncoder) -> Watched:
    return Watched(encoder)


@pytest.fixture
def open_small(tmp_path: Path, watched: Watched) -> Callable[..., Workspace]:
    """Opens one workspace again and again, whose parts are small."""

    def opened(**settings: dict[str, object]) -> Workspace:
        ingestion = {"workers": 0, "part_chunks": IN_A_PART}
        path = tmp_path / "workspace"
        return ragstone.open(path, create=True, encoder=watched, ingestion=ingestion, **settings)

    return opened


@pytest.fixture
def ws(open_small: Callable[..., Workspace]) -> Iterator[Workspace]:
    with open_small() as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path / "files")


def write_files(folder: Path, count: int = FILES) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:03}.txt").write_text(f"Stone {number} is unlike all other stones.")
    return folder


def undisturbed(tmp_path: Path, encoder: TextEncoder, *ingested: Path) -> str:
    """Return the content digest after ingesting without any trouble."""
    settings = {"workers": 0}
    path = tmp_path / "other"
    with ragstone.open(path, create=True, encoder=Watched(encoder), ingestion=settings) as other:
        for source in ingested:
            other.ingest(source, "stones")
        return other.log("stones")[0].content


def stop_at(call: int, error: BaseException) -> Callable[[int], None]:
    def before(number: int) -> None:
        if number == call:
            raise error

    return before


def only_job(ws: Workspace) -> JobInfo:
    (job,) = ws.jobs()
    return ws.job(job.job)


def interrupt(ws: Workspace, watched: Watched, folder: Path, *, call: int = 4) -> JobInfo:
    """Ingest, and press Ctrl-C before a part is embedded."""
    watched.before = stop_at(watched.calls + call, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        ws.ingest(folder, "stones")
    watched.before = lambda _: None
    return ws.jobs()[0]


# ---------------------------------------------------------------- going on


def test_a_job_is_recorded_with_its_result(ws: Workspace, folder: Path) -> None:
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7 nothing")
    result = ws.ingest(folder, "stones", message="all of them")
    job = ws.job(result.job)
    assert (job.state, job.kind, job.dataset, job.message) == (
        "done",
        "ingest",
        "stones",
        "all of them",
    )
    assert job.sources == [str(folder)]
    assert job.result is not None
    assert (job.result.version, job.result.chunks, job.result.resumed) == (1, FILES, 0)
    assert job.result.items == result.items
    assert job.quarantine == result.quarantine
    assert len(job.quarantine) == 1
    assert job.started and job.ended and job.created <= job.started <= job.ended  # noqa: PT018
    assert list((ws.path / "jobs").iterdir()) == []


def test_the_same_ingest_goes_on_where_it_was_interrupted(
    ws: Workspace, watched: Watched, folder: Path, tmp_path: Path, encoder: TextEncoder
) -> None:
    cut = interrupt(ws, watched, folder)
    assert (cut.state, cut.error) == ("interrupted", None)
    assert ws.datasets() == []
    before = len(watched.texts)
    assert before == 3 * IN_A_PART

    result = ws.ingest(folder, "stones")

    assert result.job == cut.job
    assert (result.version, result.items) == (1, ItemCounts(added=FILES))
    assert len(watched.texts) == len(set(watched.texts)) == FILES, "nothing is embedded twice"
    assert (ended := only_job(ws).result) is not None
    assert (ended.chunks, ended.resumed) == (FILES, before)
    assert ws.log("stones")[0].content == undisturbed(tmp_path, encoder, folder)
    assert ws.doctor().healthy
    assert list((ws.path / "jobs").iterdir()) == []


def test_it_goes_on_after_the_workspace_was_opened_again(
    open_small: Callable[..., Workspace], watched: Watched, folder: Path
) -> None:
    with open_small() as first:
        cut = interrupt(first, watched, folder)
    with open_small() as second:
        assert second.job(cut.job).state == "interrupted"
        assert second.retry(cut.job).state == "done"
        assert second.log("stones")[0].items == FILES
    assert len(watched.texts) == FILES


def test_a_lost_process_leaves_an_interrupted_job(
    open_small: Callable[..., Workspace], folder: Path
) -> None:
    with open_small() as first:
        job = first.ingest(folder, "stones").job
        first._store.catalog.write("UPDATE jobs SET state = 'running', ended = NULL")
    with open_small() as second:
        assert second.job(job).state == "interrupted"


def test_a_failed_job_is_retried_from_where_it_was(
    ws: Workspace, watched: Watched, folder: Path
) -> None:
    watched.before = stop_at(3, EncoderUnavailable("stone", "it fell"))
    with pytest.raises(EncoderUnavailable, match="it fell"):
        ws.ingest(folder, "stones")
    failed = only_job(ws)
    assert failed.state == "failed"
    assert failed.error is not None
    assert (failed.error.code, failed.error.hint != "") == ("encoder_unavailable", True)

    done = ws.retry(failed.job[:12])

    assert (done.job, done.state, done.error) == (failed.job, "done", None)
    assert len(watched.texts) == FILES


def test_counts_are_those_of_the_whole_job(
    ws: Workspace, watched: Watched, folder: Path, tmp_path: Path, encoder: TextEncoder
) -> None:
    ws.ingest(folder, "stones")
    for number in range(0, FILES, 2):
        (folder / f"{number:03}.txt").write_text(f"Stone {number} is another one now.")
    (folder / "001.copy.txt").write_bytes((folder / "001.txt").read_bytes())
    for number in range(3):  # copies of each other, in parts that are far apart
        (folder / f"{number * 9:03}.twin.txt").write_text("Two stones can be twins.")
    interrupt(ws, watched, folder, call=3)
    watched.texts.clear()
    result = ws.ingest(folder, "stones")
    assert result.items == ItemCounts(
        added=1, updated=FILES // 2, unchanged=FILES // 2, duplicate=3
    )
    assert len(watched.texts) == 13 - 2 * IN_A_PART
    assert ws.log("stones")[0].content == undisturbed(tmp_path, encoder, folder)
    assert ws.doctor().healthy


@pytest.mark.parametrize("what", ["changed", "gone"])
def test_a_file_that_is_another_by_now_is_read_again(
    ws: Workspace,
    watched: Watched,
    folder: Path,
    tmp_path: Path,
    encoder: TextEncoder,
    what: str,
) -> None:
    interrupt(ws, watched, folder)
    second = folder / "006.txt"  # of the second part
    second.unlink() if what == "gone" else second.write_text("Stone six was painted.")
    watched.texts.clear()
    result = ws.ingest(folder, "stones")
    assert (job := ws.job(result.job).result) is not None
    assert job.resumed == IN_A_PART, "the first part stays"
    again = {f"Stone {n} is unlike all other stones." for n in range(15)}
    assert not again & set(watched.texts), "vectors of texts that stayed the same are kept"
    assert ws.log("stones")[0].content == undisturbed(tmp_path, encoder, folder)
    assert ws.doctor().healthy


def test_a_damaged_part_is_made_again(
    ws: Workspace, watched: Watched, folder: Path, tmp_path: Path, encoder: TextEncoder
) -> None:
    cut = interrupt(ws, watched, folder)
    staged = sorted(JobFolder(ws.path, cut.job).parts.glob("*/items.parquet"))
    content = bytearray(staged[1].read_bytes())
    content[len(content) // 2] ^= 1
    staged[1].write_bytes(content)
    ws.ingest(folder, "stones")
    assert (job := only_job(ws).result) is not None
    assert job.resumed == IN_A_PART
    assert ws.log("stones")[0].content == undisturbed(tmp_path, encoder, folder)
    assert ws.doctor().healthy


def test_with_other_settings_it_starts_from_nothing(
    open_small: Callable[..., Workspace], watched: Watched, folder: Path
) -> None:
    with open_small() as first:
        interrupt(first, watched, folder)
    with open_small(chunking={"max_tokens": 64}) as second:
        second.ingest(folder, "stones")
        assert (job := only_job(second).result) is not None
        assert job.resumed == 0


def test_another_call_is_another_job(ws: Workspace, watched: Watched, folder: Path) -> None:
    cut = interrupt(ws, watched, folder)
    assert ws.ingest(folder, "pebbles").job != cut.job
    assert ws.ingest(folder / "001.txt", "stones").job != cut.job
    assert ws.job(cut.job).state == "interrupted"


def test_a_commit_that_nobody_heard_of_is_found(
    open_small: Callable[..., Workspace],
    watched: Watched,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cut off between the version and the job's row."""

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with open_small() as first:
        monkeypatch.setattr(first._jobs._records, "done", cut_off)
        with pytest.raises(KeyboardInterrupt):
            first.ingest(folder, "stones")
        job = only_job(first)
        assert job.state == "running"
    watched.texts.clear()
    with open_small() as second:
        assert second.job(job.job).state == "interrupted"
        done = second.retry(job.job)
        assert done.result is not None
        assert (done.state, done.result.version, done.result.items.added) == ("done", 1, FILES)
        assert len(second.log("stones")) == 1
    assert watched.texts == []


def test_a_quarantine_that_cannot_be_recorded_is_noted(ws: Workspace, folder: Path) -> None:
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7" + b" nothing" * 100)
    ws._store.catalog.write("ALTER TABLE quarantine ALTER COLUMN size TYPE TINYINT")
    result = ws.ingest(folder, "stones")
    job = ws.job(result.job)
    assert (job.state, result.version, ws.log("stones")[0].version) == ("done", 1, 1)
    assert job.result is not None
    assert job.result.note.startswith("1 input(s) in quarantine could not be recorded:")


# ---------------------------------------------------------------- two at a time


def test_ingests_into_one_dataset_at_the_same_time_both_land(
    ws: Workspace, watched: Watched, folder: Path, tmp_path: Path, encoder: TextEncoder
) -> None:
    others = tmp_path / "others"
    others.mkdir()
    (others / "slate.txt").write_text("Slate splits into thin plates.")

    def land_another(call: int) -> None:
        if call == 2:
            watched.before = lambda _: None
            ws.ingest(others, "stones")

    watched.before = land_another
    assert ws.ingest(folder, "stones").version == 2
    assert [version.items for version in ws.log("stones")] == [FILES + 1, 1]
    assert ws.log("stones")[0].content == undisturbed(tmp_path, encoder, others, folder)
    assert ws.doctor().healthy


def test_a_delete_does_not_wait_for_an_ingest(
    ws: Workspace, watched: Watched, folder: Path, tmp_path: Path
) -> None:
    ws.ingest(folder / "000.txt", "stones")
    gone = ws.items("stones")[0].item_id
    more = write_files(tmp_path / "more")
    (more / "000.txt").unlink()
    reached, deleted = threading.Event(), threading.Event()

    def wait_for_the_delete(_: int) -> None:
        reached.set()
        assert deleted.wait(30), "the delete waits for the ingest"

    watched.before = wait_for_the_delete
    thread = threading.Thread(target=ws.ingest, args=[more, "stones"])
    thread.start()
    assert reached.wait(30)
    assert ws.delete("stones", [gone]).version == 2
    deleted.set()
    thread.join()
    assert [version.items for version in ws.log("stones")] == [FILES - 1, 0, 1]


def test_a_conflict_is_computed_anew_with_the_vectors_of_the_first_try(
    ws: Workspace, watched: Watched, folder: Path, tmp_path: Path, encoder: TextEncoder
) -> None:
    def take_one_of_them(call: int) -> None:
        if call == 3:
            watched.before = lambda _: None
            ws.ingest(folder / "002.txt", "stones")

    watched.before = take_one_of_them
    result = ws.ingest(folder, "stones")
    assert (result.version, result.items) == (2, ItemCounts(added=FILES - 1, unchanged=1))
    assert len(watched.texts) == FILES + 1, "the other job's; nothing else a second time"
    assert ws.log("stones")[0].content == undisturbed(tmp_path, encoder, folder)
    assert ws.doctor().healthy


def test_endless_conflicts_end(ws: Workspace, watched: Watched, folder: Path) -> None:
    first = folder / "000.txt"

    def change_it_again(_: int) -> None:
        hook, watched.before = watched.before, lambda _: None
        first.write_text(f"Stone {watched.calls} changes all the time.")
        ws.ingest(first, "stones")
        first.write_text(f"After {watched.calls} it changes again.")
        watched.before = hook

    watched.before = change_it_again
    with pytest.raises(VersionConflict, match="'stones'"):
        ws.ingest(folder, "stones")
    assert ws.jobs(state="failed")[0].error is not None


# ---------------------------------------------------------------- looking and taking back


def test_jobs_are_listed_newest_first_and_filtered(
    ws: Workspace, watched: Watched, folder: Path
) -> None:
    first = ws.ingest(folder / "000.txt", "pebbles").job
    second = interrupt(ws, watched, folder).job
    assert [job.job for job in ws.jobs()] == [second, first]
    assert [job.job for job in ws.jobs("pebbles")] == [first]
    assert [job.job for job in ws.jobs(state="interrupted")] == [second]
    assert ws.jobs("pebbles", state="failed") == []


def test_a_cancelled_job_leaves_nothing_and_starts_anew(
    ws: Workspace, watched: Watched, folder: Path
) -> None:
    cut = interrupt(ws, watched, folder)
    assert JobFolder(ws.path, cut.job).staged is not None
    assert ws.cancel(cut.job).state == "cancelled"
    assert list((ws.path / "jobs").iterdir()) == []
    with pytest.raises(JobConflict, match=f"{cut.job} is cancelled and cannot be cancelled"):
        ws.cancel(cut.job)
    done = ws.retry(cut.job)
    assert done.result is not None
    assert (done.state, done.result.resumed) == ("done", 0)


def test_what_cannot_be_done_with_a_job(ws: Workspace, folder: Path) -> None:
    job = ws.ingest(folder, "stones").job
    with pytest.raises(JobConflict, match="is done and cannot be tried again"):
        ws.retry(job)
    with pytest.raises(JobConflict, match="is done and cannot be cancelled"):
        ws.cancel(job)
    for unknown in ("01", "0123456789", job + "X"):
        with pytest.raises(UnknownJob, match=unknown):
            ws.job(unknown)


def test_a_queued_job_waits_for_a_server_or_a_retry(ws: Workspace, folder: Path) -> None:
    job = ws.submit(folder, "stones")
    assert (job.state, job.started) == ("queued", None)
    with pytest.raises(JobConflict, match="is queued"):
        ws.retry(job.job)
    assert ws.cancel(job.job).state == "cancelled"


def test_work_nobody_goes_on_with_is_deleted(
    open_small: Callable[..., Workspace], watched: Watched, folder: Path
) -> None:
    with open_small() as first:
        cut = interrupt(first, watched, folder)
    place = JobFolder(first.path, cut.job).path
    with open_small(jobs={"keep_days": 1}):
        assert place.exists()
    with open_small(jobs={"keep_days": 0}):
        assert not place.exists()


def test_another_encoder_is_refused_before_there_is_a_job(
    ws: Workspace, folder: Path, encoder: TextEncoder
) -> None:
    ws.ingest(folder, "stones")
    ws.close()

    class Other(Watched):
        @property
        def identity(self) -> EncoderIdentity:
            return EncoderIdentity("another", "0" * 64, 384, 256)

    with ragstone.open(ws.path, encoder=Other(encoder)) as again:
        with pytest.raises(SpaceMismatch):
            again.ingest(folder / "001.txt", "stones")
        assert [job.state for job in again.jobs()] == ["done"]


def test_a_catalog_that_fails_is_what_the_caller_hears(
    ws: Workspace, watched: Watched, folder: Path
) -> None:
    def break_it(_: int) -> None:
        ws._store.catalog.distrust("the disk is gone")
        raise EncoderUnavailable("stone", "it fell")

    watched.before = break_it
    with pytest.raises(EncoderUnavailable, match="it fell") as caught:
        ws.ingest(folder, "stones")
    assert "could not be marked as failed" in caught.value.__notes__[0]
    with pytest.raises(StorageFault):
        ws.jobs()
