"""Jobs on the command line, with a server that has the workspace and without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ragstone
from ragstone.server.run import running
from ragstone.workspace import Workspace

Run = Callable[..., Any]
HASHING = Path(__file__).parents[1] / "hashing"  # see sitecustomize.py there
TABLE = "key,what\na,granite is hard\nb,marble bows\n"


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """While this file is there, a working process makes no more than 30 vectors."""
    monkeypatch.setenv("PYTHONPATH", str(HASHING))
    monkeypatch.setenv("HASHING_GATE", str(tmp_path / "gate"))
    return tmp_path / "gate"


@pytest.fixture
def served(own_stones: Any, gate: Path) -> Iterator[Workspace]:
    del gate  # its variables are what counts
    settings = {"ingestion": {"workers": 0, "part_chunks": 10}, "storage": {"lock_seconds": 0.1}}
    with ragstone.open(own_stones.workspace, **settings) as ws, running(ws):
        yield ws


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number:03}.txt").write_text(f"Stone {number} is unlike all others.")
    return folder


# ---------------------------------------------------------------- through a server


def test_ingest_goes_through_the_server(
    run: Run, served: Workspace, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (many / "bad.pdf").write_bytes(b"%PDF-1.7 nothing")
    monkeypatch.chdir(many.parent)  # the server is elsewhere
    done = run("ingest", "many", "-d", "more", "-m", "mine", "--json", "-w", served.path)
    assert done.status == 3, "inputs went to quarantine"
    assert (done.json["dataset"], done.json["version"]) == ("more", 1)
    assert done.json["items"]["added"] == 60
    assert done.json["quarantine"][0]["source"] == str(many / "bad.pdf")
    again = run("ingest", "many", "-d", "more", "-w", served.path)
    assert "more@1" in again.out
    assert "60 unchanged" in again.out
    wrong = run("ingest", "nowhere", "-d", "more", "--json", "-w", served.path)
    assert (wrong.status, wrong.error["code"]) == (1, "unknown_source")


def test_columns_go_through_the_server(run: Run, served: Workspace, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    words = ("ingest", tmp_path / "t.csv", "-d", "rows", "--text", "what", "--id", "key")
    assert run(*words, "--json", "-w", served.path).json["items"]["added"] == 2


def test_a_job_is_shown_cancelled_and_tried_again(
    run: Run, served: Workspace, many: Path, gate: Path
) -> None:
    gate.touch()
    place = ["--json", "-w", served.path]
    job = served.submit(many, "more").job
    assert run("jobs", job, *place).json["state"] in {"queued", "running"}
    assert [j["job"] for j in run("jobs", "--dataset", "more", *place).json] == [job]
    assert run("jobs", "--state", "done", "-d", "more", *place).json == []
    assert run("cancel", job, *place).json["state"] == "cancelled"
    gate.unlink()
    tried = run("retry", job, *place).json
    assert (tried["job"], tried["state"], tried["result"]["version"]) == (job, "done", 1)
    shown = run("jobs", job, "--follow", "-w", served.path)
    assert f"{job}  done" in shown.out
    assert "more@1: 60 added" in shown.out


def test_following_waits_for_the_end(run: Run, served: Workspace, many: Path) -> None:
    job = served.submit(many, "more").job
    lines = run("jobs", job, "--follow", "--json", "-w", served.path).out.splitlines()
    assert json.loads(lines[-1])["state"] == "done"


def test_ctrl_c_leaves_the_job_to_the_server(
    served: Workspace, many: Path, gate: Path, run: Run
) -> None:
    gate.touch()
    child = subprocess.Popen(
        [sys.executable, "-m", "ragstone.cli", "ingest", str(many), "-d", "more"],
        env={**os.environ, "RAGSTONE_WORKSPACE": str(served.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any(job.progress for job in served.jobs("more")):
        assert child.poll() is None, child.communicate()
    (job,) = served.jobs("more")
    time.sleep(2)  # the command may not have heard of its job yet
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=180)
    assert child.returncode == 130
    assert f"The server goes on with job {job.job}." in err
    assert f"ragstone cancel {job.job} ends it." in err
    assert "Traceback" not in err
    assert served.job(job.job).state == "running"
    gate.unlink()
    assert run("jobs", job.job, "-f", "--json", "-w", served.path).json["state"] == "done"


def test_measuring_and_mending_go_through_the_server(
    run: Run, served: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "q.jsonl").write_text(json.dumps({"_id": "1", "text": "frost"}) + "\n")
    (tmp_path / "r.tsv").write_text("query-id\tcorpus-id\tscore\n1\tgranite.md\t1\n")
    monkeypatch.chdir(tmp_path)
    judged = ["--queries", "q.jsonl", "--qrels", "r.tsv", "--mode", "keyword"]
    found = run("evaluate", "retrieval", "stones", *judged, "--json", "-w", served.path).json
    assert found["modes"]["keyword"]["ndcg@10"] == 1.0
    assert run("doctor", "--json", "-w", served.path).json["findings"] == []


# ---------------------------------------------------------------- without a server


def test_jobs_without_a_server(run: Run, own_stones: Any) -> None:
    place = ["-w", own_stones.workspace]
    (job,) = run("jobs", "--json", *place).json
    assert (job["dataset"], job["state"], job["message"]) == ("stones", "done", "first")
    table = run("jobs", *place).out
    assert job["job"] in table
    assert "stones@1: 2 added" in table
    assert "done" in run("jobs", job["job"][:12], "--follow", *place).out
    refused = run("retry", job["job"], "--json", *place)
    assert (refused.status, refused.error["code"]) == (1, "job_conflict")
    unknown = run("jobs", "0123456789", "--json", *place)
    assert (unknown.status, unknown.error["code"]) == (1, "unknown_job")
    wrong = run("jobs", "--state", "lost", "--json", *place)
    assert (wrong.status, wrong.error["code"]) == (2, "invalid_argument")


def test_cancel_and_retry_without_a_server(run: Run, own_stones: Any) -> None:
    with ragstone.open(own_stones.workspace) as ws:
        job = ws.submit(own_stones.sources, "more").job
    place = ["-w", own_stones.workspace]
    assert f"{job}  queued" in run("jobs", job, *place).out
    assert f"{job}  cancelled" in run("cancel", job, *place).out
    done = run("retry", job, *place)
    assert done.status == 0
    assert f"{job}  done" in done.out
    assert "more@1: 2 added" in done.out


def test_a_failed_job_says_why_and_what_to_do(run: Run, own_stones: Any, tmp_path: Path) -> None:
    late = tmp_path / "late"
    late.mkdir()
    with ragstone.open(own_stones.workspace) as ws:
        job = ws.submit(late, "more").job
        late.rmdir()
        with running(ws):
            shown = run("jobs", job, "--follow", "-w", own_stones.workspace)
    assert f"{job}  failed" in shown.out
    assert "There is nothing to read at" in shown.out
    assert "Name a file or a folder." in shown.out
