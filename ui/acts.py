"""What people have done: said after the page ran again, with the way back, and asked for before."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from ragstone.ui import inert

_COUNT, _SAID, _SHOWN = "acts", "act said", "act shown"


def key(name: str) -> str:
    """Return a key that changes with each thing done: its widget is empty and closed again."""
    return f"{name}-{st.session_state.setdefault(_COUNT, 0)}"


def done(what: str, undo: str = "", **widgets: str) -> NoReturn:
    """Run the page again, which says what was done, and how it can be undone.

    Parameters
    ----------
    widgets
        What widgets stand on then, by their keys.
    """
    st.session_state[_COUNT] = st.session_state.get(_COUNT, 0) + 1
    st.session_state[_SAID] = (what, undo, widgets)
    st.rerun()


def again() -> NoReturn:
    """Run the page again though nobody did anything: what it says of the last act stays."""
    if st.session_state.get(_SHOWN) is not None:
        st.session_state[_SAID] = st.session_state[_SHOWN]
    st.rerun()


def say() -> None:
    """Say what was done last, once; to be called before the widgets of the page are drawn."""
    said = st.session_state.pop(_SAID, None)
    st.session_state[_SHOWN] = said and (*said[:2], {})
    if said is not None:
        for name, value in said[2].items():
            st.session_state[name] = value
        with st.container(border=True):
            inert.show(inert.title(said[0]), inert.facts(said[1]))
