"""How good search is: measured by golden queries, kept, and looked into query by query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import streamlit as st

from ragstone.schemas.api import (
    Mode,
    QueryLoss,
    RankedItem,
    RankingComparison,
    RetrievalEvaluation,
)
from ragstone.ui import evaluate_charts, evaluate_parts, inert, session, wording
from ragstone.ui.evaluate_charts import Point
from ragstone.ui.failures import shown
from ragstone.ui.session import Choice

KIND = RetrievalEvaluation
_WORST = 20  # queries that are kept of each comparison
_NOTHING = "nothing else"


def start(choice: Choice) -> None:
    """Let search be measured with the golden queries."""
    golden = session.client().golden(choice.dataset.name)
    if not golden:
        st.info(
            "Search is measured by golden queries: questions with the items that answer them. "
            "This dataset has none yet. Save one on the page Search, or add files:"
        )
        st.code("ragstone golden add DATASET --queries FILE --qrels FILE", language="shell")
        return
    versions = [str(entry.version) for entry in session.client().log(choice.dataset.name)]
    with st.form("measure-search"):
        modes = st.pills(
            "Modes",
            get_args(Mode),
            default=list(get_args(Mode)),
            selection_mode="multi",
            key="modes",
        )
        with st.container(horizontal=True):
            against = st.selectbox(
                "Compared with version", [_NOTHING, *versions], key="against", width=220
            )
            setting = st.text_input(
                "With another setting",
                placeholder="retrieval.fusion=rrf",
                key="setting",
                width=260,
            )
        st.caption(f"{len(golden):,} golden queries are searched for in each mode.")
        sent = st.form_submit_button("Measure", icon=":material/straighten:", type="primary")
    if sent and not modes:
        st.warning("Choose a mode.")
    elif sent:
        with shown(), st.spinner("Searching: it may take a minute"):
            made = session.client().evaluate_retrieval(
                choice.reference,
                modes=modes,
                against=None if against == _NOTHING else f"{choice.dataset.name}@{against}",
                settings=[setting.strip()] if setting.strip() else [],
                worst=_WORST,
            )
            session.go(evaluation=made.evaluation)
            st.rerun()


def show(found: Sequence[RetrievalEvaluation]) -> None:
    """Show one measurement, or two side by side."""
    if not found:
        st.caption("This was no measurement of search.")
        return
    if len(found) > 1:
        _measures(found)
        for column, one in zip(st.columns(len(found)), found, strict=True):
            with column:
                _one(one, alone=False)
        return
    _one(found[0], alone=True)


def _one(found: RetrievalEvaluation, *, alone: bool) -> None:
    inert.show(
        inert.title(f"{found.dataset}@{found.version}"),
        inert.facts(
            wording.moment(found.created) if found.created else "",
            wording.count(found.queries, "query", "queries"),
            *found.settings,
            f"measurement {found.evaluation}",
        ),
    )
    if alone:
        _measures([found])
    for number, comparison in enumerate(found.comparisons):
        with st.container(border=True):
            evaluate_parts.compared(
                comparison.before,
                comparison.after,
                comparison.measures,
                (comparison.better, comparison.worse, comparison.same),
            )
            _losses(comparison, f"{found.evaluation}-{number}")


def _measures(found: Sequence[RetrievalEvaluation]) -> None:
    """A table of all measures by mode, and the same as bars."""
    names = list(dict.fromkeys(name for one in found for of in one.modes.values() for name in of))
    points = {
        f"{mode}" if len(found) == 1 else f"{mode}, {number}: version {one.version}": {
            name: Point(name, mode, value, *one.intervals.get(mode, {}).get(name, (None, None)))
            for name, value in of.items()
        }
        for number, one in enumerate(found, start=1)
        for mode, of in one.modes.items()
    }
    st.dataframe(
        {
            "Mode": list(points),
            **{name: [_sure(of.get(name)) for of in points.values()] for name in names},
        },
        hide_index=True,
    )
    evaluate_charts.bars(
        [
            replace(of[name], series=series)
            for series, of in points.items()
            for name in names
            if name in of
        ],
        "mean over the queries, with its 95 % interval",
    )


def _sure(point: Point | None) -> str:
    """Return a mean with its interval, where that is known."""
    if point is None:
        return "–"
    if point.low is None or point.high is None:
        return f"{point.value:.4f}"
    return f"{point.value:.4f} ({point.low:.3f} to {point.high:.3f})"


def _losses(comparison: RankingComparison, key: str) -> None:
    """The queries that lost most, one of them with both rankings."""
    losses = {f"{number}. {one.query}": one for number, one in enumerate(comparison.losses, 1)}
    if not losses:
        st.caption("No query lost, or none was kept.")
        return
    chosen = st.selectbox("Queries that lost, the worst first", list(losses), key=f"loss-{key}")
    _loss(losses[chosen])


def _loss(loss: QueryLoss) -> None:
    inert.show(
        inert.text(loss.query),
        inert.facts(f"nDCG@10 {loss.before:.4f} → {loss.after:.4f}", f"query {loss.query_id}"),
    )
    before, after = st.columns(2)
    with before:
        st.caption("Before")
        _ranking(loss.ranking_before)
    with after:
        st.caption("After")
        _ranking(loss.ranking_after)


def _ranking(items: Sequence[RankedItem]) -> None:
    for rank, item in enumerate(items, start=1):
        grade = "not judged" if item.grade is None else f"grade {item.grade}"
        inert.show(inert.title(item.name, rank), inert.facts(grade))
