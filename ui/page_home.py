"""Home: the workspace at a glance, and how to begin while there is nothing in it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ragstone.schemas.api import DatasetOverview, JobInfo, Overview, QualityPoint
from ragstone.ui import acts, inert, intake, jobs_live, session, wording
from ragstone.ui.inert import Bar

_COLOURS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7"]
_MEASURES = {"ndcg@10": "search, nDCG@10", "f1": "answers, F1"}


def page() -> None:
    """Draw the page."""
    st.title("Home")
    acts.say()
    client = session.client()
    found = client.overview()
    jobs_live.show_running()
    if not found.datasets:
        _first_run()
        return
    _numbers(found, len(client.models()))
    left, right = st.columns([3, 2], gap="large")
    with left:
        _datasets(found.datasets)
        _jobs(found.jobs)
    with right:
        _shares(found)
        _quality(found.quality)


def _first_run() -> None:
    st.markdown(
        "This workspace is empty. Bring in documents, tables, images or recordings; then search "
        "them, ask them, and train models on them."
    )
    left, right = st.columns(2, gap="large")
    with left, st.container(border=True):
        st.subheader("Drop files here")
        intake.drop_files([])
    with right, st.container(border=True):
        st.subheader("Or try the demo")
        st.markdown("A small library on building stones, in eleven formats.")
        intake.try_demo()
    st.caption("From the command line:")
    st.code("ragstone ingest FOLDER --dataset NAME", language="shell")


def _numbers(found: Overview, models: int) -> None:
    with st.container(horizontal=True, gap="medium"):
        st.metric("Datasets", f"{len(found.datasets):,}", width="content")
        items = sum(one.items for one in found.datasets)
        st.metric("Items", f"{items:,}", width="content")
        taken = sum(use.bytes for use in found.storage)
        st.metric("Storage", wording.size(taken), width="content")
        st.metric("In quarantine", f"{found.quarantined:,}", width="content")
        st.metric("Jobs under way", f"{found.running:,}", width="content")
        st.metric("Models", f"{models:,}", width="content")
    if found.quarantined and st.button(
        "Look at the quarantine", icon=":material/report:", type="tertiary", key="to-quarantine"
    ):
        session.visit("jobs", show="Quarantine")


def _datasets(datasets: Sequence[DatasetOverview]) -> None:
    st.subheader("Datasets")
    chosen = st.dataframe(
        {
            "Dataset": [one.name for one in datasets],
            "Items": [one.items for one in datasets],
            "Size": [wording.size(one.bytes) for one in datasets],
            "Changed": [wording.moment(one.changed) for one in datasets],
        },
        hide_index=True,
        key=acts.key("home-datasets"),
        on_select="rerun",
        selection_mode="single-row",
    )
    if chosen.selection.rows:
        session.visit("datasets", dataset=datasets[chosen.selection.rows[0]].name)


def _jobs(jobs: Sequence[JobInfo]) -> None:
    st.subheader("Recent jobs")
    if not jobs:
        st.caption("None yet. Uploads, sources and trainings become jobs.")
        return
    chosen = st.dataframe(
        {
            "What": [jobs_live.kind(job) for job in jobs],
            "Dataset": [job.dataset for job in jobs],
            "State": [job.state for job in jobs],
            "Message": [job.message or job.model for job in jobs],
            "Asked": [wording.moment(job.created) for job in jobs],
        },
        hide_index=True,
        height="content",
        key=acts.key("home-jobs"),
        on_select="rerun",
        selection_mode="single-row",
    )
    if chosen.selection.rows:
        session.visit("jobs", job=jobs[chosen.selection.rows[0]].job)


def _shares(found: Overview) -> None:
    st.subheader("Items by kind")
    most = max(found.modalities.values(), default=1)
    inert.show(inert.bars(Bar(kind, n / most, f"{n:,}") for kind, n in found.modalities.items()))
    st.subheader("Storage")
    largest = max((use.bytes for use in found.storage), default=1)
    inert.show(
        inert.bars(
            Bar(use.area, use.bytes / largest, wording.size(use.bytes)) for use in found.storage
        )
    )


def _quality(points: Sequence[QualityPoint]) -> None:
    """A line per dataset and measure; nothing where nothing was measured."""
    if not points:
        return
    st.subheader("Quality over time")
    rows = [
        {
            "time": point.created.isoformat(),
            "value": round(point.value, 4),
            "of": f"{point.dataset}: {_MEASURES.get(point.measure, point.measure)}",
            "version": point.version,
        }
        for point in points
    ]
    st.vega_lite_chart(
        {
            "data": {"values": rows},
            "mark": {"type": "line", "point": {"size": 50}},
            "encoding": {
                "x": {
                    "field": "time",
                    "type": "temporal",
                    "title": None,
                    "axis": {"format": "%b %d, %H:%M", "tickCount": 4},
                },
                "y": {
                    "field": "value",
                    "type": "quantitative",
                    "scale": {"domain": [0, 1]},
                    "title": None,
                },
                "color": {
                    "field": "of",
                    "type": "nominal",
                    "scale": {"range": _COLOURS},
                    "legend": {"orient": "bottom", "title": None, "columns": 1, "labelLimit": 320},
                },
                "tooltip": [{"field": name} for name in ("of", "version", "value", "time")],
            },
        },
        height=240,
        alt="Evaluations over time; higher is better.",
    )
