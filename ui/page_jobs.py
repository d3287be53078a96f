"""Jobs and quarantine: what runs, what came of what ran, and what could not be taken in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import streamlit as st

from ragstone.errors import UnknownJob
from ragstone.schemas.api import JobInfo, JobState
from ragstone.ui import acts, inert, jobs_live, quarantined, session, wording

_EVERY = "all"
_JOBS = 25  # on a page
_LIST, _QUARANTINE = "Jobs", "Quarantine"
_AGAIN = frozenset({"failed", "cancelled", "interrupted"})  # states that can be tried again
_PLACES = 20  # sources of a job that are shown


def page() -> None:
    """Draw the page."""
    st.title("Jobs and quarantine")
    acts.say()
    view = st.segmented_control(
        "Show",
        [_LIST, _QUARANTINE],
        default=_LIST,
        required=True,
        key="show",
        bind="query-params",
        label_visibility="collapsed",
    )
    left, right = st.columns(2)
    with left:
        of = _dataset()
    if view == _QUARANTINE:
        jobs_live.show_running(of)
        quarantined.view(of)
        return
    opened = session.at("job")
    if opened is not None:
        _one(opened)
        return
    with right:
        state = _state()
    jobs_live.show_running(of)
    _listed(of, state)


def _dataset() -> str | None:
    """Ask for a dataset; one that is only made by a running job has a name, too."""
    names = [info.name for info in session.client().datasets()]
    wanted = session.at("of")
    if wanted is not None and wanted not in names:
        names.append(wanted)
    options = [_EVERY, *names]
    chosen = st.selectbox(
        "Dataset",
        options,
        index=options.index(wanted) if wanted in options else 0,
        key="of-dataset",
    )
    session.go(of=None if chosen == _EVERY else chosen)
    return None if chosen == _EVERY else chosen


# ---------------------------------------------------------------- the list


def _state() -> JobState | None:
    states: list[str] = [_EVERY, *get_args(JobState)]
    chosen = st.selectbox("State", states, key="state", bind="query-params")
    return next((one for one in get_args(JobState) if one == chosen), None)


def _listed(of: str | None, state: JobState | None) -> None:
    number = int(st.session_state.get("jobs") or session.at("jobs") or 1)
    offset = (number - 1) * _JOBS
    found = session.client().jobs(of, state=state, limit=_JOBS + 1, offset=offset)
    if not found and number == 1:
        st.info("There are no such jobs. Uploads, sources and trainings become jobs.")
        return
    st.caption("Tick a job to see what came of it.")
    _table(found[:_JOBS])
    # Nobody has counted them all: there is a next page for as long as one more was found.
    pages = number + (len(found) > _JOBS)
    if pages > 1:
        st.pagination(pages, key="jobs", bind="query-params")


def _table(jobs: Sequence[JobInfo]) -> None:
    """A table whose ticked row opens; each opening makes it anew, unticked."""
    key = f"job-table-{st.session_state.setdefault('openings', 0)}"

    def open_ticked() -> None:
        ticked = st.session_state[key].selection.rows
        if ticked:
            st.session_state["openings"] += 1
            session.go(job=jobs[ticked[0]].job)

    st.dataframe(
        {
            "What": [jobs_live.kind(job) for job in jobs],
            "Dataset": [job.dataset for job in jobs],
            "State": [job.state for job in jobs],
            "Message": [job.message or job.model or job.encoder for job in jobs],
            "Outcome": [_how(job) for job in jobs],
            "Asked": [wording.moment(job.created) for job in jobs],
            "Took": [jobs_live.took(job) for job in jobs],
        },
        hide_index=True,
        height="content",
        key=key,
        on_select=open_ticked,
        selection_mode="single-row",
    )


def _how(job: JobInfo) -> str:
    return jobs_live.outcome(job) if job.ended_for_good else jobs_live.said(job)


# ---------------------------------------------------------------- one job


def _back() -> None:
    session.go(job=None)


def _one(id: str) -> None:  # noqa: A002
    st.button("All jobs", icon=":material/arrow_back:", key="all-jobs", on_click=_back)
    try:
        job = session.client().job(id)
    except UnknownJob as error:
        st.warning("There is no such job.", icon=":material/search_off:")
        inert.show(inert.facts(error.message))
        return
    if not job.ended_for_good:
        jobs_live.show_job(job.job)
    _facts(job)
    _what_came(job)
    _next_steps(job)
    _refused(job)


def _facts(job: JobInfo) -> None:
    started = f"started {wording.moment(job.started)}" if job.started else ""
    took = jobs_live.took(job)
    rest = f"and {len(job.sources) - _PLACES:,} more" if len(job.sources) > _PLACES else ""
    inert.show(
        inert.title(f"{jobs_live.kind(job)} of {job.dataset}: {job.state}"),
        inert.facts(
            f"asked for {wording.moment(job.created)}",
            started,
            f"took {took}" if took else "",
            f"job {job.job}",
        ),
        inert.facts(job.message, job.model, job.family, job.encoder),
        inert.facts(*job.sources[:_PLACES], rest),
    )


def _what_came(job: JobInfo) -> None:
    if job.error is not None:
        st.error("The job failed.", icon=":material/error:")
        inert.show(inert.text(job.error.message), inert.facts(job.error.hint, job.error.code))
    elif job.state == "cancelled":
        st.info("The job was cancelled; it made no version.", icon=":material/block:")
    elif job.state == "interrupted":
        st.warning("The job was cut off; retry goes on from there.", icon=":material/power_off:")
    elif job.result is not None:
        note = getattr(job.result, "note", "")
        inert.show(inert.text(jobs_live.outcome(job)), inert.facts(note))


def _next_steps(job: JobInfo) -> None:
    with st.container(horizontal=True):
        if job.state in _AGAIN and st.button("Retry", icon=":material/refresh:", key="retry-job"):
            session.client().submit_retry(job.job)
            acts.done("The job goes on from where it was.")
        if job.state == "done" and st.button(
            "Open the dataset", icon=":material/database:", key="open-dataset"
        ):
            session.visit("datasets", dataset=job.dataset)


def _refused(job: JobInfo) -> None:
    if not job.quarantine:
        return
    st.subheader("In quarantine")
    for entry in job.quarantine:
        with st.container(border=True):
            inert.show(inert.title(entry.source), inert.text(entry.reason), inert.facts(entry.hint))
