"""Ask: a conversation with a dataset, each sentence checked against the passage it cites."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

import streamlit as st

from ragstone.schemas.answers import AnswerDone, AnswerSummary, StoredAnswer
from ragstone.ui import answer_list, answer_parts, document, inert, session
from ragstone.ui.answering import Writing
from ragstone.ui.failures import shown
from ragstone.ui.session import Choice

_TALK, _EARLIER = "Conversation", "Earlier answers"
_TURNS = 20  # of a conversation that are shown
_TICK = 0.15  # seconds between two looks whether there is more, or somebody wants it to stop
_KEPT_SECONDS = 3.0  # a stopped answer is stored when its generator has noticed
_STOPPED = "stopped question"


@dataclass(frozen=True, slots=True)
class _Talk:
    """What is on the page: a conversation, and the answer that is shown with all its parts."""

    name: str  # id or name of the session; empty: none has begun
    turns: list[AnswerSummary]  # the oldest first
    answer: StoredAnswer | None

    @property
    def answer_id(self) -> str:
        """Of the answer with all its parts."""
        return self.answer.answer.answer_id if self.answer else ""


def page() -> None:
    """Draw the page."""
    st.title("Ask")
    _follow_link()
    with st.sidebar:
        choice = session.choose()
        if choice is None:
            return
        generator, where = _how()
    view = st.segmented_control(
        "View",
        [_TALK, _EARLIER],
        default=_TALK,
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )
    if view == _EARLIER:
        answer_list.draw(choice.dataset.name)
    else:
        _conversation(choice, generator, where)
    document.drawer()


def _follow_link() -> None:
    """Take the dataset of an answer from it, where the URL names the answer alone."""
    id = session.at("answer")  # noqa: A001
    if id is None or session.at("dataset"):
        return
    with shown():
        stored = session.record(id)
        if isinstance(stored, StoredAnswer):
            session.go(dataset=stored.answer.dataset)


def _how() -> tuple[str | None, list[str]]:
    """Ask who writes the answers, and from which items."""
    with st.spinner("Looking who can write"):
        known = session.generators()
    able = [info.id for info in known if info.available]
    chosen = next((info.id for info in known if info.chosen and info.available), None)
    generator = st.selectbox(
        "Generator",
        able,
        index=able.index(chosen) if chosen else 0,
        key="generator",
        bind="query-params",
        help="Who writes the answer. Whoever it is, each sentence is checked.",
    )
    where = st.multiselect(
        "Filters",
        [],
        accept_new_options=True,
        key="where",
        bind="query-params",
        placeholder="year>=2020",
        help="Type FIELD OPERATOR VALUE and press Enter. Only such items are read.",
    )
    st.button(
        "New conversation",
        icon=":material/add_comment:",
        key="new",
        on_click=_begin_anew,
        width="stretch",
        help="Questions then no longer follow on the earlier ones. Those are kept.",
    )
    unable = [info for info in known if not info.available]
    if unable:
        with st.expander("Other generators", icon=":material/block:"):
            inert.show(*(inert.facts(info.id, info.note) for info in unable))
    return generator, where


def _begin_anew() -> None:
    session.go(answer=None, chat=None)


# ---------------------------------------------------------------- the conversation


def _conversation(choice: Choice, generator: str | None, where: list[str]) -> None:
    talk = _Talk("", [], None)
    with shown():
        _wait_until_kept(choice.dataset.name)
        talk = _talk(choice.dataset.name)
    for turn in talk.turns:
        _turn(turn, talk)
    question = st.chat_input(
        "What do you want to know from this dataset?", key="question", submit_mode="disable"
    )
    if question and question.strip():
        _ask(question.strip(), choice, talk.name, generator, where)
    elif not talk.turns:
        st.caption(
            "Each sentence of an answer is checked against the passage it cites. Questions may "
            "follow on each other."
        )


def _talk(dataset: str) -> _Talk:
    """Return what the URL names: a conversation by `chat`, or that of an answer by `answer`."""
    id, chat = session.at("answer"), session.at("chat")  # noqa: A001
    stored = session.record(id) if id else None
    answer = stored if isinstance(stored, StoredAnswer) else None
    if answer and answer.answer.dataset != dataset:  # another dataset was chosen since
        session.go(answer=None, chat=None)
        return _Talk("", [], None)
    name = chat or (answer.answer.session if answer else "")
    turns = []
    if name:
        found = session.client().answers(dataset, session=name, limit=_TURNS)
        turns = found.answers[::-1]
    if answer and answer.answer.answer_id not in {turn.answer_id for turn in turns}:
        name, turns = answer.answer.session, [answer_list.summary(answer)]
    if answer is None and turns:
        last = session.record(turns[-1].answer_id)
        answer = last if isinstance(last, StoredAnswer) else None
    return _Talk(name, turns, answer)


def _turn(turn: AnswerSummary, talk: _Talk) -> None:
    with st.chat_message("user", avatar=":material/person:"):
        inert.show(inert.title(turn.question))
        if turn.rewritten:
            st.caption("Asked as:")
            inert.show(inert.text(turn.rewritten))
    with st.chat_message("assistant", avatar=":material/menu_book:"):
        if talk.answer and turn.answer_id == talk.answer_id:
            answer_parts.draw(talk.answer)
            return
        answer_parts.said(turn)
        st.button(
            "Sources and receipt",
            icon=":material/unfold_more:",
            type="tertiary",
            key=f"more-{turn.answer_id}",
            on_click=session.open_answer,
            args=(turn.answer_id,),
        )


# ---------------------------------------------------------------- asking


def _ask(question: str, choice: Choice, talk: str, generator: str | None, where: list[str]) -> None:
    name = talk or f"chat {secrets.token_hex(4)}"
    session.go(chat=name, answer=None)
    with st.chat_message("user", avatar=":material/person:"):
        inert.show(inert.title(question))
    with st.chat_message("assistant", avatar=":material/menu_book:"), shown():
        events = session.client().ask_stream(
            question, choice.reference, generator=generator, where=where, session=name
        )
        answer_id = _written(Writing(events), question)
        # The answer is stored with all that made it; the URL names it, so a link shows it again.
        session.go(answer=answer_id)
        st.rerun()


def _written(writing: Writing, question: str) -> str | None:
    """Show the pieces of an answer as they come, and return its id at the end."""
    box = st.empty()
    st.button(
        "Stop", icon=":material/stop_circle:", key="stop", on_click=_stopped, args=(question,)
    )
    said, began = "", time.monotonic()
    try:
        while not writing.ended:
            event = writing.news(_TICK)
            if isinstance(event, AnswerDone):
                return event.answer.answer_id
            said += event.text if event else ""
            # Each drawing is also the moment at which Streamlit ends a run that is to stop.
            with box:
                if said:
                    inert.show(inert.answer(said))
                else:
                    seconds = round(time.monotonic() - began)
                    st.caption(f"Reading the passages and checking each sentence, {seconds:,} s")
    finally:
        writing.close()
    return None


def _stopped(question: str) -> None:
    st.session_state[_STOPPED] = question


def _wait_until_kept(dataset: str) -> None:
    """After a stop, wait until the answer is stored as it was then: its writer has to notice."""
    question, chat = st.session_state.pop(_STOPPED, None), session.at("chat")
    if question is None or chat is None:
        return
    end = time.monotonic() + _KEPT_SECONDS
    with st.spinner("Stopping"):
        while time.monotonic() < end:
            last = session.client().answers(dataset, session=chat, limit=1).answers
            if last and last[0].question == question:
                return
            time.sleep(_TICK)
