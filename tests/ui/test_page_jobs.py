"""The page of jobs and quarantine: the list, one job, cancel, retry, and what was refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import ragstone
from ragstone.client import Client, connect
from ragstone.encoders.base import TextEncoder
from ragstone.jobs.records import Records
from ragstone.schemas.api import (
    IngestProgress,
    ItemCounts,
    JobError,
    JobInfo,
    JobResult,
    ReembedProgress,
    TrainProgress,
)
from ragstone.server.run import running
from ragstone.ui import jobs_live
from ragstone.workspace import Workspace

from .reading import alerts, is_inert, labelled, table, text, tick, wait_for_jobs

Open = Callable[..., AppTest]
NOW = datetime(2026, 1, 2, tzinfo=UTC)
JOB = JobInfo(
    job="01M85MFBWF3E8AJD0TCSVP8B4Y",
    kind="ingest",
    dataset="stones",
    state="running",
    created=NOW,
    started=NOW,
    ended=None,
    sources=[],
    message="",
    progress=None,
    result=None,
    error=None,
)


# ---------------------------------------------------------------- words for any job


@pytest.mark.parametrize(
    ("progress", "share", "words"),
    [
        (None, None, "has begun"),
        (
            IngestProgress("reading", 5, 20, 0, 1.0, 15.0, ItemCounts()),
            0.25,
            "reading, 5 of 20 inputs, about 15 s left",
        ),
        (
            IngestProgress("embedding", 1, None, 0, 1.0, None, ItemCounts()),
            None,
            "embedding, 1 input",
        ),
        (
            ReembedProgress("comparing", 7, 7, 1.0, 200.0),
            1.0,
            "comparing, 7 of 7 chunks, about 3 min left",
        ),
        (
            TrainProgress("training", 30, 120, 1.5, None, 9.0, 7_200.0),
            0.25,
            "training, step 30 of 120, loss 1.500, about 2 h left",
        ),
        (TrainProgress("preparing", 0, 0, None, None, 0.0, None), None, "preparing"),
    ],
)
def test_how_far(progress: Any, share: float | None, words: str) -> None:
    assert jobs_live.how_far(progress) == (share, words)


def test_outcomes_in_words() -> None:
    result = JobResult(3, ItemCounts(added=4, quarantined=1), 9, 0, 1.0)
    done = replace(JOB, state="done", result=result, ended=NOW + timedelta(seconds=90))
    assert jobs_live.outcome(done) == "version 3: 4 added, 1 quarantined"
    assert jobs_live.took(done) == "2 min"
    failed = replace(JOB, state="failed", error=JobError("error", "It broke"))
    assert (jobs_live.outcome(failed), jobs_live.outcome(JOB)) == ("It broke", "")
    assert jobs_live.kind(replace(JOB, kind="make_tea")) == "Make tea"


# ---------------------------------------------------------------- the page


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder
) -> Iterator[tuple[Workspace, Client]]:
    """A workspace of its own, to be changed."""
    folder = tmp_path_factory.mktemp("jobs")
    with (
        ragstone.open(
            folder / "workspace", create=True, encoder=encoder, ingestion={"workers": 0}
        ) as opened,
        running(opened) as address,
        connect(address.url, address.token) as client,
    ):
        files = {"tuff.txt": b"Tuff is light.", "<b>!.pdf": b"%PDF-1.7 this is no document"}
        client.upload(files, "rocks", message="tuff <b>*bold*</b>")
        wait_for_jobs(client)
        yield opened, client


@pytest.fixture
def jobs_page(served: tuple[Workspace, Client], open_page: Open) -> Callable[..., AppTest]:
    def run(**values: str) -> AppTest:
        app = open_page("jobs", workspace=served[0].path, **values)
        assert not app.exception
        return app

    return run


def test_the_list_and_its_filters(jobs_page: Callable[..., AppTest]) -> None:
    found = table(jobs_page(), "Outcome")
    assert list(found["Outcome"])[-1] == "version 1: 1 added, 1 quarantined"
    assert list(found["What"])[-1] == "Ingestion"
    assert alerts(jobs_page(state="failed")) == [
        "There are no such jobs. Uploads, sources and trainings become jobs."
    ]
    app = jobs_page(of="rocks", state="done")
    assert set(table(app, "Outcome")["Dataset"]) == {"rocks"}
    labelled(app.selectbox, "Dataset").select("all").run()
    assert "of" not in app.query_params


def test_a_job_opens_with_what_it_refused(
    jobs_page: Callable[..., AppTest], served: tuple[Workspace, Client]
) -> None:
    first = served[1].jobs()[-1]
    app = jobs_page(state="done")
    rows = list(table(app, "Outcome")["Message"])
    tick(app, "Outcome", rows.index("tuff <b>*bold*</b>")).run()
    app = jobs_page(job=first.job)
    shown = text(app)
    assert "tuff <b>*bold*</b>" in shown
    assert f"{first.sources[0]}/_b_!.pdf" in shown
    assert [part.value for part in app.subheader] == ["In quarantine"]
    is_inert(app)
    labelled(app.button, "All jobs").click().run()
    assert "job" not in app.query_params


def test_an_unknown_job(jobs_page: Callable[..., AppTest]) -> None:
    app = jobs_page(job="01M85MFBWF3E8AJD0TCSVP8B4Y")
    assert alerts(app) == ["There is no such job."]
    assert labelled(app.button, "All jobs")


def test_a_failed_job_says_why_and_is_tried_again(
    jobs_page: Callable[..., AppTest], served: tuple[Workspace, Client]
) -> None:
    workspace, client = served
    job = client.jobs()[-1]
    problem = ragstone.errors.InvalidArgument("<i>", 1, "2")
    Records(workspace._store.catalog).end(job.job, "failed", problem)
    app = jobs_page(job=job.job)
    assert alerts(app) == ["The job failed."]
    assert "Give <i> as 2." in text(app)
    labelled(app.button, "Retry").click().run()
    assert not app.exception
    wait_for_jobs(client)
    app = jobs_page(job=job.job)
    assert labelled(app.button, "Open the dataset")
    assert alerts(app) == []


def test_a_waiting_job_shows_how_far_and_is_cancelled(
    jobs_page: Callable[..., AppTest],
    served: tuple[Workspace, Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = served[1]
    job = client.jobs()[-1]
    progress = IngestProgress("reading", 5, 20, 0, 1.0, 15.0, ItemCounts())
    under_way = replace(job, state="running", progress=progress, ended=None, result=None)
    real = Client.jobs

    def jobs(self: Client, dataset: str | None = None, **rest: Any) -> list[JobInfo]:
        if rest.get("state") == "running":
            return [under_way]
        return [] if rest.get("state") == "queued" else real(self, dataset, **rest)

    monkeypatch.setattr(Client, "jobs", jobs)
    app = jobs_page()
    assert "reading, 5 of 20 inputs, about 15 s left" in text(app)
    assert app.get("progress")[0].proto.value == 25
    app.button(key=f"cancel-{job.job}").click().run()  # it has ended meanwhile: no error
    assert not app.exception
    assert alerts(app) == []
    monkeypatch.undo()
    app = jobs_page()
    assert "Ingestion of rocks" not in text(app)  # only who watched it is told


def test_the_quarantine_of_all_is_retried_and_dropped(
    jobs_page: Callable[..., AppTest], served: tuple[Workspace, Client]
) -> None:
    client = served[1]
    before = len(client.jobs())
    app = jobs_page(show="Quarantine")
    found = table(app, "Reason")
    assert list(found["Dataset"]) == ["rocks"]
    assert labelled(app.button, "Drop them")
    labelled(app.button, "Retry all").click().run()
    assert "They are being read again." in text(app)  # also when the job has ended at once
    wait_for_jobs(client)
    assert len(client.jobs()) == before + 1
    app = jobs_page(show="Quarantine")
    tick(app, "Reason", 0).run()
    assert labelled(app.button, "Retry these")
    assert "_b_!.pdf" in text(app)
    is_inert(app)
    labelled(app.button, "Drop them").click().run()
    assert client.quarantine() == []
    assert "Nothing was refused" in app.caption[-1].value
