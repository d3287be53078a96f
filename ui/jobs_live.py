"""Jobs as they run: how far each one is, until none runs any more; any page can show it."""

from __future__ import annotations

import streamlit as st

from ragstone.errors import JobConflict
from ragstone.schemas.api import (
    IngestProgress,
    JobInfo,
    JobProgress,
    JobResult,
    MapResult,
    ReembedProgress,
    ReembedResult,
)
from ragstone.ui import acts, inert, session, wording
from ragstone.ui.failures import shown

EVERY = 1.0  # seconds between two looks
_EXPECTED = "expected jobs"
_KINDS = {"ingest": "Ingestion", "reembed": "New vectors", "train": "Training", "map": "Map"}


def kind(job: JobInfo) -> str:
    """Return what a job does, in words; one of a kind that is not known here by its own name."""
    return _KINDS.get(job.kind, job.kind.replace("_", " ").capitalize())


def how_far(progress: JobProgress | None) -> tuple[float | None, str]:
    """Return the share that is done, 0 to 1 or None when nobody knows, and how far that is.

    The one place that knows what the progress of each kind of job is made of.
    """
    if progress is None:
        return None, "has begun"
    if isinstance(progress, IngestProgress):
        done, total = progress.seen, progress.total
        words = f"{done:,} of {total:,} inputs" if total else wording.count(done, "input")
    elif isinstance(progress, ReembedProgress):
        done, total = progress.done, progress.total
        words = f"{done:,} of {total:,} chunks"
    else:
        done, total = progress.step, progress.steps
        words = f"step {done:,} of {total:,}" if total else ""
        if progress.loss is not None:
            words += f", loss {progress.loss:.3f}"
    share = min(1.0, done / total) if total else None
    left = progress.seconds_left
    rest = f"about {wording.duration(left)} left" if left is not None else ""
    return share, ", ".join(part for part in (progress.stage, words.strip(", "), rest) if part)


def said(job: JobInfo) -> str:
    """Return how far a job is that runs or waits, in words."""
    return how_far(job.progress)[1] if job.state == "running" else "waits for its turn"


def outcome(job: JobInfo) -> str:
    """Return what came of a job, in words; empty while it runs or waits."""
    if job.error is not None:
        return job.error.message
    result = job.result
    if isinstance(result, JobResult):
        made = ("added", "updated", "unchanged", "duplicate", "removed", "quarantined")
        counts = ((name, getattr(result.items, name)) for name in made)
        parts = [f"{number:,} {name}" for name, number in counts if number]
        return f"version {result.version}: {', '.join(parts) or 'no inputs'}"
    if isinstance(result, ReembedResult):
        switched = "" if result.switched else ", the old vectors stay"
        return f"version {result.version}: {result.encoder}{switched}"
    if isinstance(result, MapResult):
        return f"map of version {result.version}: {wording.count(result.placed, 'item')}"
    return f"model {result.model}" if result is not None else ""


def took(job: JobInfo) -> str:
    """Return how long a job ran, in words."""
    if job.started is None or job.ended is None or job.ended < job.started:
        return ""
    return wording.duration((job.ended - job.started).total_seconds())


def open_jobs(dataset: str | None = None) -> list[JobInfo]:
    """Return the jobs that run or wait, of one dataset or of all, the running ones first."""
    client = session.client()
    return [*client.jobs(dataset, state="running"), *reversed(client.jobs(dataset, state="queued"))]


def expect(job: JobInfo) -> None:
    """Have pages say what came of a job that was just asked for, however soon it ends."""
    st.session_state.setdefault(_EXPECTED, {})[job.job] = None


def show_running(dataset: str | None = None) -> None:
    """Show the jobs that run or wait, of one dataset or of all, for as long as there are any.

    When the last one has ended, the whole page runs again, and says what came of those that this
    browser has asked for or watched.
    """
    found = open_jobs(dataset)
    _say_ended({job.job for job in found})
    if found:
        _watch(dataset)


def _say_ended(still: set[str]) -> None:
    expected: dict[str, None] = st.session_state.setdefault(_EXPECTED, {})
    for id in [id for id in expected if id not in still]:  # noqa: A001
        job = session.client().job(id)
        if job.ended_for_good:
            with st.container(border=True):
                _ended(job)


def _ended(job: JobInfo) -> None:
    """Say what came of a job, until that is read."""
    inert.show(
        inert.title(f"{kind(job)} of {job.dataset}: {job.state}"),
        inert.facts(outcome(job), job.error.hint if job.error else ""),
    )
    with st.container(horizontal=True):
        if st.button("Details", type="tertiary", icon=":material/info:", key=f"more-{job.job}"):
            _read(job.job)
            session.visit("jobs", job=job.job)
        st.button(
            "Dismiss",
            type="tertiary",
            icon=":material/done:",
            key=f"read-{job.job}",
            on_click=_read,
            args=(job.job,),
        )


def _read(job: str) -> None:
    st.session_state.get(_EXPECTED, {}).pop(job, None)


@st.fragment(run_every=EVERY)
def _watch(dataset: str | None) -> None:
    with shown():
        found = open_jobs(dataset)
        if not found:
            acts.again()
        for job in found:
            expect(job)
            with st.container(border=True):
                _running(job, name_dataset=dataset is None)


def show_job(id: str) -> None:  # noqa: A002
    """Show one job that runs or waits, for as long as it does; then the whole page runs again."""
    _watch_one(id)


@st.fragment(run_every=EVERY)
def _watch_one(id: str) -> None:  # noqa: A002
    with shown():
        job = session.client().job(id)
        if job.ended_for_good:
            acts.again()
        _running(job, name_dataset=True)


def _running(job: JobInfo, *, name_dataset: bool) -> None:
    share, _ = how_far(job.progress)
    of = f" of {job.dataset}" if name_dataset else ""
    inert.show(inert.title(f"{kind(job)}{of}"), inert.facts(job.message, job.model))
    if share is not None:
        st.progress(share)
    with st.container(horizontal=True, vertical_alignment="center"):
        inert.show(inert.facts(said(job)))
        if st.button("Cancel", icon=":material/close:", type="tertiary", key=f"cancel-{job.job}"):
            cancel(job.job)


def cancel(job: str) -> None:
    """Take a job back, and run the page again; what it had made so far is deleted."""
    try:
        session.client().cancel(job)
    except JobConflict:  # it has ended, or its version stands in a moment: the page says so
        st.rerun()
    _read(job)
    acts.done("The job was cancelled.", "It made no version. Retry it under Jobs.")
