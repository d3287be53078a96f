"""Evaluate: how good search, answers and models are, and whether a difference is one."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ragstone.schemas.evaluations import Evaluation
from ragstone.ui import evaluate_answers, evaluate_models, evaluate_retrieval, session, wording

_SEARCH, _ANSWERS, _MODELS = "search", "answers", "models"
_MOST = 2  # side by side


def page() -> None:
    """Draw the page."""
    st.title("Evaluate")
    view = st.segmented_control(
        "What is measured",
        [_SEARCH, _ANSWERS, _MODELS],
        default=_SEARCH,
        required=True,
        key="measured",
        bind="query-params",
    )
    if view == _MODELS:
        evaluate_models.show()
        return
    choice = session.choose()
    if choice is None:
        return
    part = evaluate_answers if view == _ANSWERS else evaluate_retrieval
    opened = session.at("evaluation")
    if opened is not None:
        st.button(
            "All measurements",
            icon=":material/arrow_back:",
            type="tertiary",
            on_click=session.go,
            kwargs={"evaluation": None},
        )
        ids = opened.split(",")[:_MOST]
        found = [session.client().evaluation(one) for one in ids]
        part.show([one for one in found if isinstance(one, part.KIND)])
        return
    part.start(choice)
    kept = session.client().evaluations(choice.dataset.name)
    _list([one for one in kept if isinstance(one, part.KIND)])


def _list(kept: Sequence[Evaluation]) -> None:
    st.subheader("Measured before")
    if not kept:
        st.caption("Nothing was measured yet. What is measured above is kept, and listed here.")
        return
    key = f"evaluations-{st.session_state.setdefault('evaluations opened', 0)}"
    st.dataframe(
        {
            "When": [wording.moment(one.created) if one.created else "" for one in kept],
            "Version": [one.version for one in kept],
            "Questions": [_questions(one) for one in kept],
            "What": [_what(one) for one in kept],
            "Settings": [", ".join(one.settings) for one in kept],
        },
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
    )
    rows = st.session_state[key].selection.rows
    ticked = [kept[row].evaluation for row in rows if row < len(kept)]

    def go() -> None:
        st.session_state["evaluations opened"] += 1
        session.go(evaluation=",".join(ticked))

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Open",
            icon=":material/bar_chart:",
            disabled=not 0 < len(ticked) <= _MOST,
            on_click=go,
        )
        st.caption("Tick one to open it, or two to see them side by side.")


def _questions(one: Evaluation) -> int:
    return one.queries if isinstance(one, evaluate_retrieval.KIND) else one.questions


def _what(one: Evaluation) -> str:
    if isinstance(one, evaluate_retrieval.KIND):
        found = (f"{mode} nDCG@10 {of.get('ndcg@10', 0):.3f}" for mode, of in one.modes.items())
        return ", ".join(found)
    return ", ".join(run.label for run in one.runs)
