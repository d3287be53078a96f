"""Usage & feedback: how often and how fast was asked, what came of it, and what people say."""

from __future__ import annotations

import streamlit as st

from ragstone.schemas.insight import Usage, UsageFigures
from ragstone.ui import acts, feedback_review, session

_USAGE, _FEEDBACK, _ALL = "Usage", "Feedback", "all datasets"
_DAYS = (7, 30, 90, 365)
_BLUE, _ORANGE, _GREEN, _RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"


def page() -> None:
    """Draw the page."""
    st.title("Usage & feedback")
    acts.say()
    names = [info.name for info in session.client().datasets()]
    if not names:
        st.info("This workspace has no dataset yet, so nothing was asked.")
        return
    view = st.segmented_control(
        "View",
        [_USAGE, _FEEDBACK],
        default=_USAGE,
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )
    chosen = st.selectbox("Dataset", [_ALL, *names], key="of", bind="query-params")
    dataset = None if chosen == _ALL else chosen
    if view == _FEEDBACK:
        feedback_review.draw(dataset)
        return
    days = st.segmented_control(
        "Days", _DAYS, default=_DAYS[1], required=True, key="days", bind="query-params"
    )
    with st.spinner("Counting"):
        found = session.client().usage(int(days), dataset)
    _usage(found)


def _usage(found: Usage) -> None:
    if not found.recording:
        st.info("Searches are not noted: the setting usage.record is off.")
    _numbers(found.total)
    if not found.days:
        st.info("Nothing was asked in these days. Search or ask, then come back.")
        return
    _charts(found.days)
    st.subheader("By dataset")
    _table("Dataset", found.datasets)
    st.subheader("By person")
    st.caption("Answers are stored without a name: they stand in the row without one.")
    _table("Person", found.people)


def _numbers(total: UsageFigures) -> None:
    with st.container(horizontal=True, gap="large"):
        st.metric("Searches", f"{total.searches:,}", width="content")
        st.metric("Search, median", _seconds(total.search_p50), width="content")
        st.metric("Search, 95 %", _seconds(total.search_p95), width="content")
        st.metric("Questions", f"{total.answers:,}", width="content")
        st.metric("Answered", _share(total.answered, total.answers), width="content")
        st.metric("Answer, median", _seconds(total.answer_p50), width="content")
        st.metric("Answer, 95 %", _seconds(total.answer_p95), width="content")
        st.metric("Thumbs up", f"{total.good:,}", width="content")
        st.metric("Thumbs down", f"{total.bad:,}", width="content")


def _charts(days: list[UsageFigures]) -> None:
    day = [figures.key for figures in days]
    searches, questions = [f.searches for f in days], [f.answers for f in days]
    rates = [100 * f.answered / f.answers if f.answers else None for f in days]
    left, right = st.columns(2)
    with left:
        st.subheader("Asked per day")
        st.bar_chart(
            {"Day": day, "Searches": searches, "Questions": questions},
            x="Day",
            y=["Searches", "Questions"],
            color=[_ORANGE, _BLUE],
            stack=False,
            alt="Searches and questions of each day",
        )
        st.subheader("Thumbs per day")
        st.bar_chart(
            {"Day": day, "Up": [f.good for f in days], "Down": [f.bad for f in days]},
            x="Day",
            y=["Up", "Down"],
            color=[_GREEN, _RED],
            stack=False,
            alt="Thumbs up and down of each day",
        )
    with right:
        st.subheader("Seconds, 95 % are faster")
        latency = {"Search": [f.search_p95 for f in days], "Answer": [f.answer_p95 for f in days]}
        st.bar_chart(
            {"Day": day, **latency},
            x="Day",
            y=["Search", "Answer"],
            color=[_ORANGE, _BLUE],
            stack=False,
            alt="Seconds of searches and answers of each day",
        )
        st.subheader("Answered, %")
        st.bar_chart(
            {"Day": day, "Answered": rates},
            x="Day",
            y=["Answered"],
            color=[_BLUE],
            alt="Share of questions that were answered, of each day",
        )


def _table(head: str, rows: list[UsageFigures]) -> None:
    st.dataframe(
        {
            head: [row.key for row in rows],
            "Searches": [row.searches for row in rows],
            "Found": [_share(row.found, row.searches) for row in rows],
            "Search, median": [_seconds(row.search_p50) for row in rows],
            "Search, 95 %": [_seconds(row.search_p95) for row in rows],
            "Questions": [row.answers for row in rows],
            "Answered": [_share(row.answered, row.answers) for row in rows],
            "Failed or stopped": [row.failed for row in rows],
            "Answer, median": [_seconds(row.answer_p50) for row in rows],
            "Answer, 95 %": [_seconds(row.answer_p95) for row in rows],
            "Up": [row.good for row in rows],
            "Down": [row.bad for row in rows],
        },
        hide_index=True,
    )


def _seconds(value: float) -> str:
    """Return `12 ms` or `1.2 s`; nothing was measured at 0."""
    if not value:
        return "–"
    return f"{value * 1_000:,.0f} ms" if value < 1 else f"{value:,.1f} s"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"
