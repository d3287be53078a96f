"""Train: what is to learn what, and for how long; runs as they go, and beside each other."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ragstone.schemas.runs import Run
from ragstone.ui import session, train_compare, train_form, train_run, trained, wording

_FEWEST = 2  # runs that can be compared


def page() -> None:
    """Draw the page."""
    st.title("Train")
    run, several = session.at("run"), session.at("compare")
    if run is not None:
        train_run.show(run)
    elif several is not None:
        train_compare.show(several.split(","))
    else:
        choice = session.choose()
        if choice is not None:
            train_form.show(choice)
        _runs(session.client().runs())


def _runs(runs: Sequence[Run]) -> None:
    st.subheader("Runs")
    if not runs:
        st.caption("No model was trained here yet. Choose what is to be learnt above, and start.")
        return
    key = f"run-table-{st.session_state.setdefault('run openings', 0)}"
    st.dataframe(
        {
            "Name": [run.model or run.name for run in runs],
            "Family": [run.family for run in runs],
            "Data": [f"{run.dataset}@{run.version}" for run in runs],
            "State": [run.state for run in runs],
            "Steps": [f"{run.step:,} of {run.steps:,}" for run in runs],
            "Loss": [trained.figure(run.loss) for run in runs],
            "Validation": [trained.figure(run.validation) for run in runs],
            "Began": [wording.moment(run.began) for run in runs],
        },
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
    )
    ticked = [runs[row].run for row in st.session_state[key].selection.rows if row < len(runs)]
    _next(ticked)


def _next(ticked: Sequence[str]) -> None:
    """Lead on with the runs that are ticked."""

    def go(**values: str) -> None:
        st.session_state["run openings"] += 1  # a new table, in which nothing is ticked
        session.go(**values)

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Open the run",
            icon=":material/monitoring:",
            disabled=len(ticked) != 1,
            on_click=go,
            kwargs={"run": ticked[0]} if ticked else None,
        )
        st.button(
            "Compare",
            icon=":material/compare_arrows:",
            disabled=len(ticked) < _FEWEST,
            on_click=go,
            kwargs={"compare": ",".join(ticked)},
        )
        st.caption("Tick a run to open it, or several to compare them.")
