"""The parts of an answer: what is said, its sources, the support of each sentence, feedback."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from ragstone.schemas.answers import Answer, AnswerSummary, Citation, StoredAnswer
from ragstone.schemas.api import Hit
from ragstone.schemas.feedback import Reason
from ragstone.ui import answer_list, answer_receipt, document, inert, session, wording
from ragstone.ui.failures import shown
from ragstone.ui.inert import Bar, Mark

_NEAREST = 3  # passages shown when there is no answer


def draw(stored: StoredAnswer) -> None:
    """Show an answer with all its parts."""
    answer = stored.answer
    said(answer_list.summary(stored))
    if stored.error:
        inert.show(inert.text(stored.error.message), inert.facts(stored.error.hint))
    inert.show(_facts(answer))
    if stored.state == "done":
        _feedback(answer)
    if answer.found:
        _citations(answer.citations)
        _support(answer)
    else:
        _nearest(stored.hits)
    answer_receipt.draw(stored)


def said(answer: AnswerSummary) -> None:
    """Show what was said, or that nothing was."""
    if answer.state == "failed":
        st.warning("No answer: the generator failed.", icon=":material/error:")
    elif answer.state == "cancelled":
        st.warning("It was stopped. What was said until then:", icon=":material/stop_circle:")
    elif not answer.found:
        st.info("Not found in this dataset.", icon=":material/search_off:")
        return
    if answer.answer:
        inert.show(inert.answer(answer.answer))


def _facts(answer: Answer) -> inert.Html:
    return inert.facts(
        f"{answer.dataset}, version {answer.version}",
        answer.generator,
        f"evidence {answer.evidence:.2f}",
        f"{answer.seconds:.1f} s",
        wording.moment(answer.created),
        f"answer {answer.answer_id}",
    )


def _feedback(answer: Answer) -> None:
    """Take a thumb, and then what it stands for; a reviewer decides what becomes of it."""
    thumb = st.feedback("thumbs", key=f"thumb-{answer.answer_id}")
    if thumb is None:
        return
    good, reason, text = thumb == 1, None, ""
    with st.form(f"feedback-{answer.answer_id}", border=False):
        if not good:
            reason = st.selectbox(
                "What is wrong with it?", get_args(Reason), index=None, key="reason"
            )
            text = st.text_input("What should it say? Best as the source does.", key="right")
        comment = st.text_input("Comment")
        sent = st.form_submit_button("Send feedback", icon=":material/send:")
    if sent:
        with shown():
            session.client().feedback(
                answer.answer_id, good=good, reason=reason or "", comment=comment, answer_text=text
            )
            st.success("Thank you. It counts as soon as somebody has reviewed it.")


def _citations(citations: list[Citation]) -> None:
    st.subheader("Sources")
    for citation in citations:
        with st.container(border=True):
            inert.show(
                inert.title(citation.title or citation.source, citation.number),
                inert.facts(
                    wording.page(citation.page),
                    wording.time(citation.from_ms, citation.to_ms),
                    wording.span(citation.start, citation.end),
                    citation.source,
                ),
                inert.text(citation.quote, [Mark(0, len(citation.quote), "passage")]),
            )
            st.button(
                "Open passage",
                icon=":material/menu_book:",
                type="tertiary",
                key=f"cite-{citation.number}",
                on_click=document.open_passage,
                args=(citation.item_id, citation.start, citation.end),
            )


def _support(answer: Answer) -> None:
    st.subheader("Support per sentence")
    for claim in answer.claims:
        state = "supported" if claim.supported else "not supported"
        inert.show(
            inert.claim(claim.text, claim.citations),
            inert.bars(
                [
                    Bar(
                        "support",
                        claim.support,
                        f"{claim.support:.0%}, {state}",
                        low=not claim.supported,
                    )
                ]
            ),
        )


def _nearest(hits: list[Hit]) -> None:
    if not hits:
        return
    st.subheader("Nearest passages")
    st.caption("None of them answers the question well enough to be cited.")
    for hit in hits[:_NEAREST]:
        with st.container(border=True):
            inert.show(
                inert.title(hit.title or hit.name, hit.rank),
                inert.facts(hit.heading, wording.page(hit.page), hit.name),
                inert.text(hit.text, [Mark(word.start, word.end) for word in hit.highlights]),
            )
            st.button(
                "Open in document",
                icon=":material/menu_book:",
                type="tertiary",
                key=f"near-{hit.chunk_id}",
                on_click=document.open_drawer,
                args=(hit.chunk_id,),
            )
