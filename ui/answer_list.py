"""The list of earlier answers from a dataset; a ticked one is opened in its conversation."""

from __future__ import annotations

import streamlit as st

from ragstone.schemas.answers import AnswerSummary, StoredAnswer
from ragstone.ui import session, wording

_ROWS = 25  # on a page


def draw(dataset: str) -> None:
    """Show a page of the answers, newest first."""
    number = int(st.session_state.get("answers-page", 1))
    found = session.client().answers(dataset, offset=(number - 1) * _ROWS, limit=_ROWS)
    if not found.total:
        st.info("Nothing has been asked yet.", icon=":material/forum:")
        return
    st.caption(f"{found.total:,} stored. Tick a row to open the answer.")
    _table(found.answers)
    pages = -(-found.total // _ROWS)
    if pages > 1:
        st.pagination(pages, key="answers-page")


def summary(stored: StoredAnswer) -> AnswerSummary:
    """Return an answer as it stands in a list."""
    answer = stored.answer
    return AnswerSummary(
        answer_id=answer.answer_id,
        question=answer.question,
        rewritten=answer.rewritten,
        answer=answer.answer if stored.state == "done" else stored.said,
        found=answer.found,
        state=stored.state,
        dataset=answer.dataset,
        version=answer.version,
        generator=answer.generator,
        evidence=answer.evidence,
        session=answer.session,
        created=answer.created,
        seconds=answer.seconds,
    )


def outcome(answer: AnswerSummary) -> str:
    """Say in a word or two what became of a question."""
    if answer.state == "done":
        return "answered" if answer.found else "not found"
    return "failed" if answer.state == "failed" else "stopped"


def _table(rows: list[AnswerSummary]) -> None:
    key = f"answer-table-{st.session_state.setdefault('openings', 0)}"

    def open_ticked() -> None:
        ticked = st.session_state[key].selection.rows
        if ticked:
            st.session_state["openings"] += 1
            st.session_state["view"] = "Conversation"
            session.go(answer=rows[ticked[0]].answer_id, chat=None)

    st.dataframe(
        {
            "Question": [row.question for row in rows],
            "Answer": [row.answer for row in rows],
            "Outcome": [outcome(row) for row in rows],
            "Version": [row.version for row in rows],
            "Generator": [row.generator for row in rows],
            "Seconds": [round(row.seconds, 1) for row in rows],
            "Asked": [wording.moment(row.created) for row in rows],
        },
        hide_index=True,
        height="content",
        key=key,
        on_select=open_ticked,
        selection_mode="single-row",
    )
