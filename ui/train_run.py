"""One training: how far it is, its curves while they grow, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from ragstone.errors import RagstoneError, UnknownId
from ragstone.schemas.api import JobInfo, TrainProgress
from ragstone.schemas.models import ModelInfo
from ragstone.schemas.runs import Run, RunCurve
from ragstone.ui import inert, made, session, train_curves, trained, wording
from ragstone.ui.failures import shown

_EVERY = 2.0  # seconds between two looks
_SAMPLES = 9
_WORDS = {"preparing": "reads the version", "training": "trains", "committing": "keeps the model"}


@dataclass(frozen=True, slots=True)
class Found:
    """A training: the job that it is of, if any, and its run, once there is one."""

    job: JobInfo | None
    curve: RunCurve | None

    @property
    def goes_on(self) -> bool:
        """True while more is going to be measured."""
        if self.job is not None:
            return not self.job.ended_for_good
        return self.curve is not None and self.curve.run.state == "running"


def look(id: str) -> Found:  # noqa: A002
    """Return the training with the id of a run, or of a job that has begun none yet.

    Raises
    ------
    UnknownId
        It is of neither.
    """
    client = session.client()
    try:
        curve = client.run(id)
    except UnknownId:
        return Found(client.job(id), None)
    return Found(_job_of(curve.run), curve)


def _job_of(run: Run) -> JobInfo | None:
    """Return the newest job that trained a run: one that goes on with it has an id of its own."""
    for job in session.client().jobs(run.dataset):
        progress = job.progress
        goes_on = isinstance(progress, TrainProgress) and progress.run == run.run
        if job.kind == "train" and (job.job == run.run or goes_on):
            return job
    return None


def show(id: str) -> None:  # noqa: A002
    """Draw a training; while it goes on, every two seconds."""
    st.button(
        "All runs",
        icon=":material/arrow_back:",
        type="tertiary",
        on_click=session.go,
        kwargs={"run": None},
    )
    found = look(id)
    if found.goes_on:
        _live(id)
    else:
        _head(found)
        if found.curve is not None:
            train_curves.show(found.curve)
            _outcome(found.curve.run)


@st.fragment(run_every=_EVERY)
def _live(id: str) -> None:  # noqa: A002
    """Draw what there is so far; when it has ended, the whole page runs again, without a clock."""
    with shown():
        found = look(id)
        if not found.goes_on:
            st.rerun()
        _head(found)
        if found.curve is not None:
            train_curves.show(found.curve)


# ---------------------------------------------------------------- what it is, and how far


def _head(found: Found) -> None:
    job, run = found.job, found.curve.run if found.curve else None
    with st.container(border=True):
        if run is not None:
            inert.show(
                inert.title(
                    f"{run.model or run.name}: {run.family} on {run.dataset}@{run.version}"
                ),
                inert.facts(
                    run.state,
                    f"{run.step:,} of {wording.count(run.steps, 'step')}",
                    f"loss {trained.figure(run.loss)}",
                    f"best held out {trained.figure(run.validation)}",
                    wording.count(run.parameters, "parameter"),
                    f"on {run.device}",
                    f"began {wording.moment(run.began)}",
                    f"seed {run.seed}",
                    f"run {run.run}",
                ),
                inert.facts(run.error),
            )
        elif job is not None:
            inert.show(
                inert.title(f"{job.model}: {job.family} on {job.dataset}"),
                inert.facts(job.state, f"job {job.job}"),
            )
        if job is not None:
            _job(job, told=run is not None and bool(run.error))


def _job(job: JobInfo, *, told: bool) -> None:
    """Say how far a job is, and let it be stopped, or go on."""
    progress = job.progress
    if job.error is not None and not told:
        inert.show(inert.text(job.error.message), inert.facts(job.error.hint))
    if not job.ended_for_good:
        if job.state == "queued":
            st.caption("It waits for its turn: other jobs run.")
        elif isinstance(progress, TrainProgress):
            _progress(progress)
        else:
            st.caption("Its process starts.")
        _stop(job)
    elif job.state != "done":
        _go_on(job)


def _progress(progress: TrainProgress) -> None:
    left = progress.seconds_left
    if progress.steps:
        st.progress(min(1.0, progress.step / progress.steps))
    inert.show(
        inert.facts(
            _WORDS[progress.stage],
            f"step {progress.step:,} of {progress.steps:,}" if progress.steps else "",
            f"loss {progress.loss:.4f}" if progress.loss is not None else "",
            f"{progress.rate:,.0f} examples per second" if progress.rate else "",
            f"about {trained.lasting(left)} left" if left is not None else "",
        )
    )


def _stop(job: JobInfo) -> None:
    """Stop a training; nothing is lost by it, so it is not asked twice."""
    if st.button(
        "Stop",
        icon=":material/stop:",
        key="stop",
        help="What it has learnt is kept, and it can go on later.",
    ):
        with shown(), st.spinner("Stopping"):
            session.client().cancel(job.job)
            st.rerun()


def _go_on(job: JobInfo) -> None:
    st.caption("What it has learnt is kept.")
    if st.button("Go on", icon=":material/play_arrow:", key="go-on"):
        with shown():
            session.client().submit_retry(job.job)
            st.rerun()


# ---------------------------------------------------------------- what came of it


def _outcome(run: Run) -> None:
    """Show the model of a run that is done: what it makes, and its card."""
    if not run.model:
        return
    try:
        model = session.client().model(run.model)
    except RagstoneError:
        st.caption("The model of this run was deleted.")
        return
    st.subheader("What it makes")
    samples(model)
    with st.container(horizontal=True):
        if st.button("Make more", icon=":material/auto_awesome:", key="make"):
            session.visit("generate", model=run.model)
        if st.button("Measure it", icon=":material/straighten:", key="measure"):
            session.visit("evaluate", measured="models", models=run.model)
    with st.expander("Model card", icon=":material/description:"):
        inert.show(inert.text(session.client().model_card(run.model)))


def samples(model: ModelInfo) -> None:
    """Show what a model makes of the seed 0, as far as it makes something unasked."""
    with shown():
        with st.spinner("Loading the model"):
            offered = trained.offer(model)
        if "sample" not in offered.tasks:
            st.caption("A model of this family makes nothing by itself.")
        elif offered.prompt and not offered.goes_on and offered.material != "images":
            st.caption("It makes something of a text: try it under Generate.")
        else:
            count = _SAMPLES if offered.material == "images" else 1
            with st.spinner("Making samples"):
                sample = trained.sample(model, count=count, sampler={"seed": 0})
            made.show(sample.media, sample.media_type, sample.text)
