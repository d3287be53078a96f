"""Jobs of a real server in a process of its own: killed, stopped, cancelled, retried."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import ragstone
from ragstone.client import Client, connect
from ragstone.encoders.base import TextEncoder
from ragstone.errors import (
    InvalidArgument,
    JobCancelled,
    JobConflict,
    JobDied,
    ServerUnavailable,
    UnknownJob,
    UnknownSource,
)
from ragstone.schemas.api import IngestProgress, ItemCounts, JobInfo

FILES, MANY = 60, 200
SETTINGS = "[ingestion]\nworkers = 0\npart_chunks = 10\n"
SERVE = "import sys; from ragstone.server import serve; serve(sys.argv[1], port=0)"
PATIENCE = 120.0  # seconds
HASHING = Path(__file__).parents[1] / "hashing"  # see sitecustomize.py there


class Server:
    """A server process that can be killed, stopped and started again.

    While the file `gate` is there, its working process makes no more than 30 vectors.
    """

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.gate = workspace.with_name("gate")
        self.gate.touch()
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Client:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", SERVE, str(self.workspace)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(HASHING), "HASHING_GATE": str(self.gate)},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("Ragstone listens on"), self.process.communicate()
        return connect(self.workspace)

    def open_gate(self) -> None:
        self.gate.unlink()

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        if number is signal.SIGTERM:
            assert (self.process.returncode, errors) == (0, "")
        self.process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    workspace = tmp_path / "workspace"
    ragstone.open(workspace, create=True).close()
    (workspace / "ragstone.toml").write_text(SETTINGS, encoding="utf-8")
    made = Server(workspace)
    yield made
    made.end(signal.SIGKILL)


def write_files(folder: Path, count: int = FILES, kind: str = "Stone") -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:03}.txt").write_text(f"{kind} {number} is unlike all others")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_files(tmp_path / "files")


def wait_until(client: Client, job: str, holds: Callable[[JobInfo], bool]) -> JobInfo:
    """Return the job as soon as something is true of it, which must be before it ends."""
    end = time.monotonic() + PATIENCE
    while not holds(info := client.job(job)):
        assert not info.ended_for_good, info
        assert time.monotonic() < end, info
        time.sleep(0.01)
    return info


def under_way(info: JobInfo) -> bool:
    return info.progress is not None and info.progress.chunks >= 30


def expected(server: Server, folder: Path) -> str:
    """Return the content digest of an undisturbed ingest, into another dataset."""
    with connect(server.workspace) as client:
        client.ingest(folder, "undisturbed")
        return client.log("undisturbed")[0].content


def staging(server: Server) -> list[Path]:
    return list((server.workspace / "jobs").glob("*/parts/*"))


# ---------------------------------------------------------------- resuming


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_survives_the_end_of_its_server(
    server: Server, tmp_path: Path, number: signal.Signals
) -> None:
    folder = write_files(tmp_path / "many", MANY)
    with server.start() as client:
        job = client.submit(folder, "stones", message="all of them").job
        wait_until(client, job, under_way)
    server.end(number)
    assert len(staging(server)) >= 3
    server.open_gate()
    with server.start() as client:
        done = client.follow(job)
        assert (done.state, done.message) == ("done", "all of them")
        assert done.result is not None
        assert done.result.items == ItemCounts(added=MANY)
        assert 30 <= done.result.resumed < done.result.chunks == MANY
        (version,) = client.log("stones")
        assert version.content == expected(server, folder)
        assert client.doctor().healthy
    assert list((server.workspace / "jobs").iterdir()) == []


def test_a_queued_job_survives_too(server: Server, folder: Path, tmp_path: Path) -> None:
    more = write_files(tmp_path / "more", 3, "Pebble")
    with server.start() as client:
        first = client.submit(folder, "stones").job
        second = client.submit(more, "pebbles").job
        wait_until(client, first, under_way)
        assert client.job(second).state == "queued"
    server.end(signal.SIGKILL)
    server.open_gate()
    with server.start() as client:
        assert [job.job for job in client.jobs()] == [second, first]
        assert client.follow(second).state == "done"
        assert client.follow(first).state == "done"
        assert [info.name for info in client.datasets()] == ["pebbles", "stones"]


def test_the_library_can_go_on_with_it(server: Server, folder: Path, encoder: TextEncoder) -> None:
    with server.start() as client:
        job = client.submit(folder, "stones").job
        wait_until(client, job, under_way)
    server.end()
    with ragstone.open(server.workspace, encoder=encoder) as ws:
        assert ws.job(job).state == "interrupted"
        done = ws.retry(job)
        assert done.result is not None
        assert (done.state, done.result.items.added) == ("done", FILES)
        assert done.result.resumed >= 30


# ---------------------------------------------------------------- taking back, trying again


def test_a_cancelled_job_leaves_no_version_and_no_staging(server: Server, folder: Path) -> None:
    with server.start() as client:
        job = client.submit(folder, "stones").job
        wait_until(client, job, under_way)
        assert client.cancel(job).state == "cancelled"
        assert client.datasets() == []
        assert not (server.workspace / "jobs" / job).exists()
        with pytest.raises(JobCancelled, match=job):
            client.ingested(job)
        with pytest.raises(JobConflict, match="is cancelled and cannot be cancelled"):
            client.cancel(job)
        server.open_gate()
        done = client.retry(job)
        assert done.result is not None
        assert (done.state, done.result.resumed) == ("done", 0)


def test_a_job_that_waits_is_cancelled_at_once(server: Server, folder: Path) -> None:
    with server.start() as client:
        first = client.submit(folder, "stones").job
        second = client.submit(folder, "pebbles").job
        assert client.cancel(second).state == "cancelled"
        assert client.job(first).state in {"queued", "running"}
        assert client.cancel(first).state == "cancelled"


def worker_of(server: Server) -> int:
    assert server.process is not None
    children = Path(f"/proc/{server.process.pid}/task")
    pids = [pid for task in children.iterdir() for pid in (task / "children").read_text().split()]
    (pid,) = [p for p in pids if "jobs.worker" in Path(f"/proc/{p}/cmdline").read_text()]
    return int(pid)


def test_a_job_whose_process_died_is_retried(server: Server, folder: Path) -> None:
    with server.start() as client:
        job = client.submit(folder, "stones").job
        wait_until(client, job, under_way)
        os.kill(worker_of(server), signal.SIGKILL)
        with pytest.raises(JobDied, match="got the signal SIGKILL"):
            client.ingested(job)
        assert client.job(job).state == "failed"
        server.open_gate()
        done = client.retry(job)
        assert done.result is not None
        assert (done.state, done.error, done.result.items.added) == ("done", None, FILES)
        assert done.result.resumed >= 30


def test_a_process_ends_with_its_server(server: Server, folder: Path) -> None:
    with server.start() as client:
        wait_until(client, client.submit(folder, "stones").job, under_way)
        pid = worker_of(server)
    server.end(signal.SIGKILL)
    end = time.monotonic() + PATIENCE
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_went_wrong_in_the_process_is_what_the_client_hears(
    server: Server, folder: Path
) -> None:
    with server.start() as client:
        first = client.submit(folder, "stones").job
        late = write_files(folder.parent / "late", 3)
        second = client.submit(late, "stones").job
        for file in late.iterdir():
            file.unlink()
        late.rmdir()
        server.open_gate()
        with pytest.raises(UnknownSource, match="late"):
            client.ingested(second)
        failed = client.job(second)
        assert failed.error is not None
        assert (failed.state, failed.error.code) == ("failed", "unknown_source")
        assert client.job(first).state == "done"


# ---------------------------------------------------------------- several at a time


def test_two_jobs_and_a_delete_all_land(server: Server, folder: Path, tmp_path: Path) -> None:
    more = write_files(tmp_path / "more", 60, "Pebble")
    (server.workspace / "ragstone.toml").write_text(SETTINGS + "[jobs]\nworkers = 2\n")
    first = write_files(tmp_path / "first", 2, "Boulder")
    with server.start() as client:
        client.ingest(first, "stones")
        gone = client.items("stones")[0]
        jobs = [client.submit(source, "stones").job for source in (folder, more)]
        wait_until(client, jobs[0], under_way)
        assert client.delete("stones", [gone.item_id]).removed == 1
        assert client.job(jobs[0]).state == "running", "the delete did not wait"
        server.open_gate()
        assert [client.follow(job).state for job in jobs] == ["done", "done"]
        head = client.log("stones")[0]
        assert (head.version, head.items) == (4, 1 + FILES + 60)
        assert gone.name not in {item.name for item in client.items("stones", limit=1)}
        assert client.doctor().healthy


# ---------------------------------------------------------------- the client


def test_a_client_ingests_as_the_library_does(server: Server, tmp_path: Path) -> None:
    folder = write_files(tmp_path / "files", 30)
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7 nothing")
    heard: list[IngestProgress] = []
    server.open_gate()
    with server.start() as client:
        result = client.ingest(folder, "stones", message="mine", on_progress=heard.append)
        assert (result.version, result.chunks) == (1, 30)
        assert result.items == ItemCounts(added=30, quarantined=1)
        assert [entry.source for entry in result.quarantine] == [str(folder / "bad.pdf")]
        assert result.quarantine == client.quarantine("stones")
        assert client.log("stones")[0].message == "mine"
        assert [event.chunks for event in heard] == sorted(event.chunks for event in heard)
        assert heard[-1].seen == 31
        again = client.ingest(folder, "stones")
        assert (again.version, again.items.unchanged) == (1, 30)
        assert [job.job for job in client.jobs("stones", state="done")] == [again.job, result.job]
        assert client.jobs("pebbles") == []


def test_rows_of_tables_through_a_server(server: Server, tmp_path: Path) -> None:
    table = tmp_path / "stones.csv"
    table.write_text("key,what\na,granite is hard\nb,marble bows\n")
    with server.start() as client:
        result = client.ingest(table, "stones", text=["what"], id="key")
        assert result.items.added == 2
        assert [item.name for item in client.items("stones")] == ["a", "b"]
        with pytest.raises(InvalidArgument, match="columns of the table: key, what"):
            client.ingest(table, "stones", text=["who"])


def test_wrong_calls_make_no_job(server: Server, folder: Path) -> None:
    with server.start() as client:
        with pytest.raises(UnknownSource, match="nowhere"):
            client.ingest(folder / "nowhere", "stones")
        with pytest.raises(InvalidArgument, match="dataset"):
            client.ingest(folder, "a@b")
        with pytest.raises(UnknownJob, match="0123456789"):
            client.follow("0123456789")
        for body in ({"sources": ["files"]}, {"sources": []}):
            answer = client_post(server, "/datasets/stones/ingest", body)
            assert answer.status_code == 400
            assert answer.json()["error"]["code"] == "invalid_argument"
        assert client.jobs() == []


def client_post(server: Server, path: str, body: dict[str, object]) -> httpx.Response:
    from ragstone.client import find_server

    address = find_server(server.workspace)
    assert address is not None
    headers = {"Authorization": f"Bearer {address.token}"}
    return httpx.post(f"{address.url}/v1{path}", json=body, headers=headers, trust_env=False)


def test_asking_is_answered_before_the_work_is_done(server: Server, folder: Path) -> None:
    with server.start() as client:
        answer = client_post(server, "/datasets/stones/ingest", {"sources": [str(folder)]})
        assert answer.status_code == 202
        assert answer.json()["state"] in {"queued", "running"}
        client.cancel(answer.json()["job"])


def test_a_follower_learns_that_the_server_ends(server: Server, folder: Path) -> None:
    with server.start() as client:
        job = client.submit(folder, "stones").job
        wait_until(client, job, under_way)
        assert server.process is not None
        server.process.terminate()
        with pytest.raises(ServerUnavailable):
            client.ingested(job)
    server.process.communicate(timeout=60)
    server.process = None
