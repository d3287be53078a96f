"""Datasets: what there is, how it came, how it changed, and all that can be done with it."""

from __future__ import annotations

import streamlit as st

from ragstone.schemas.api import DatasetOverview
from ragstone.ui import (
    acts,
    dataset_acts,
    dataset_diff,
    dataset_items,
    dataset_versions,
    document,
    inert,
    intake,
    jobs_live,
    quarantined,
    session,
    wording,
)
from ragstone.ui.session import Choice

_ITEMS, _VERSIONS, _DIFFERENCES, _QUARANTINE = "Items", "Versions", "Differences", "Quarantine"
_VIEWS = (_ITEMS, _VERSIONS, _DIFFERENCES, _QUARANTINE)


def page() -> None:
    """Draw the page."""
    st.title("Datasets")
    acts.say()
    datasets = session.client().overview().datasets
    _bring_in([one.name for one in datasets])
    jobs_live.show_running()
    if not datasets:
        st.info("This workspace has no dataset yet. Upload files, add a source, or try the demo.")
        intake.try_demo()
        st.caption("From the command line:")
        st.code("ragstone ingest FOLDER --dataset NAME", language="shell")
        return
    _table(datasets)
    choice = session.choose()
    if choice is None:
        return
    _numbers(choice, next(one for one in datasets if one.name == choice.dataset.name))
    dataset_acts.row(choice)
    _view(choice)
    document.drawer()


def _bring_in(names: list[str]) -> None:
    chosen = session.at("dataset") or ""
    with st.container(horizontal=True):
        with st.popover("Upload files", icon=":material/upload:", key=acts.key("upload")):
            intake.drop_files(names, chosen)
        with st.popover("Add a source", icon=":material/add_link:", key=acts.key("source")):
            intake.add_source(names, chosen)


def _table(datasets: list[DatasetOverview]) -> None:
    """A table whose ticked row becomes the chosen dataset; each choice makes it anew, unticked."""
    key = f"dataset-table-{st.session_state.setdefault('choices', 0)}"

    def choose_ticked() -> None:
        ticked = st.session_state[key].selection.rows
        if ticked:
            st.session_state["choices"] += 1
            session.go(dataset=datasets[ticked[0]].name)
            st.session_state["version"] = session.NEWEST

    st.dataframe(
        {
            "Dataset": [one.name for one in datasets],
            "Version": [one.version for one in datasets],
            "Items": [one.items for one in datasets],
            "Size": [wording.size(one.bytes) for one in datasets],
            "Kinds": [kinds(one.modalities) for one in datasets],
            "Chunks": [one.chunks for one in datasets],
            "In quarantine": [one.quarantined for one in datasets],
            "Changed": [wording.moment(one.changed) for one in datasets],
        },
        hide_index=True,
        key=key,
        on_select=choose_ticked,
        selection_mode="single-row",
    )


def kinds(modalities: dict[str, int]) -> str:
    """Return `12 text, 3 image`, the most first."""
    most = sorted(modalities.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{number:,} {name}" for name, number in most)


def _numbers(choice: Choice, newest: DatasetOverview) -> None:
    version = choice.version
    with st.container(horizontal=True, gap="medium"):
        st.metric("Version", f"{version.version:,}", width="content")
        st.metric("Items", f"{version.items:,}", width="content")
        st.metric("Chunks", f"{version.chunks:,}", width="content")
        if not choice.pinned:
            st.metric("Size", wording.size(newest.bytes), width="content")
        if version.synthetic:
            st.metric("Made by models", f"{version.synthetic:,}", width="content")
    published = f"published {wording.moment(version.created)}"
    inert.show(inert.facts(published, *(f"tag {tag}" for tag in version.tags), version.message))


def _view(choice: Choice) -> None:
    """Draw one of the views; the others cost nothing."""
    view = st.segmented_control(
        "Show",
        _VIEWS,
        default=_ITEMS,
        required=True,
        key="show",
        bind="query-params",
        label_visibility="collapsed",
    )
    if view == _VERSIONS:
        dataset_versions.view(choice)
    elif view == _DIFFERENCES:
        dataset_diff.view(choice)
    elif view == _QUARANTINE:
        quarantined.view(choice.dataset.name)
    else:
        dataset_items.view(choice)
