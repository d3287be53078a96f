"""Feedback to review: what people say of answers, accepted or rejected."""

from __future__ import annotations

import streamlit as st

from ragstone.schemas.answers import StoredAnswer
from ragstone.schemas.feedback import Feedback
from ragstone.ui import acts, inert, session, wording
from ragstone.ui.failures import shown

_STATES = ("open", "accepted", "rejected")
_ROWS = 10  # on a page


def draw(dataset: str | None) -> None:
    """Show feedback in one state, and take decisions on it."""
    state = st.segmented_control(
        "State", _STATES, default=_STATES[0], required=True, key="state", bind="query-params"
    )
    found = session.client().list_feedback(dataset, state=state)
    if not found:
        st.info("No feedback in this state.", icon=":material/thumbs_up_down:")
        st.caption("Thumbs under an answer, on the page Ask, come here.")
        return
    st.caption(
        f"{len(found):,} in all. Accepted feedback becomes a golden query where items answer it; "
        "a decision can be changed, and what was made of it is taken back."
    )
    number, pages = 1, -(-len(found) // _ROWS)
    if pages > 1:
        number = st.pagination(pages, key="feedback-page")
    for given in found[(number - 1) * _ROWS : number * _ROWS]:
        with st.container(border=True):
            _one(given)


def _one(given: Feedback) -> None:
    inert.show(
        inert.badge(given.rating, "only" if given.rating == "good" else "moved"),
        inert.title(given.question),
        inert.facts(
            given.reason,
            f"{given.dataset}, version {given.version}",
            given.principal,
            wording.moment(given.created),
            f"golden query {given.golden}" if given.golden else "",
        ),
        *([inert.text(given.comment)] if given.comment else []),
    )
    if given.answer_text:
        st.caption("It should say:")
        inert.show(inert.text(given.answer_text))
    with st.container(horizontal=True):
        if given.state != "accepted":
            _accept(given)
        if given.state != "rejected":
            _reject(given)
    if st.toggle("Show the answer", key=f"answer-{given.id}"):
        with shown():
            _answer(given.answer_id)


def _accept(given: Feedback) -> None:
    if st.button("Accept", icon=":material/check:", key=f"accept-{given.id}"):
        with shown():
            decided = session.client().accept_feedback(given.id)
            made = f"Golden query {decided.golden}" if decided.golden else "No golden query"
            acts.done("Accepted.", f"{made}. Reject it to take that back.")


def _reject(given: Feedback) -> None:
    if st.button("Reject", icon=":material/close:", key=f"reject-{given.id}"):
        with shown():
            session.client().reject_feedback(given.id)
            acts.done("Rejected.", "Accept it to change that.")


def _answer(answer_id: str) -> None:
    stored = session.record(answer_id)
    if isinstance(stored, StoredAnswer):
        inert.show(inert.answer(stored.answer.answer), inert.facts(f"answer {answer_id}"))
