"""Failures on a page: said plainly, with the way out, and never as a traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

import streamlit as st

from ragstone.errors import RagstoneError, ServerUnavailable
from ragstone.ui import inert, session

_LOOK_EVERY = 3.0  # seconds between two looks whether the server is back


def guarded(page: Callable[[], None]) -> Callable[[], None]:
    """Wrap a page so that an error of the platform is shown in its place."""

    @wraps(page)
    def safe() -> None:
        with shown():
            page()

    return safe


@contextmanager
def shown() -> Iterator[None]:
    """Show an error of the platform where the block stands; what follows goes on."""
    try:
        yield
    except ServerUnavailable as error:
        _server_down(error)
    except RagstoneError as error:
        _refused(error)


def _refused(error: RagstoneError) -> None:
    st.error("This did not work.", icon=":material/error:")
    inert.show(inert.text(error.message), inert.facts(error.hint))


def _server_down(error: ServerUnavailable) -> None:
    st.error("The Ragstone server does not answer.", icon=":material/cloud_off:")
    inert.show(inert.text(error.message), inert.facts(error.hint))
    st.button("Try again", icon=":material/refresh:", key="retry")
    _wait_for_server()


@st.fragment(run_every=_LOOK_EVERY)
def _wait_for_server() -> None:
    """Look now and then, and run the page again once the server answers."""
    try:
        session.client().server_version()
    except RagstoneError:
        st.caption("This page goes on by itself as soon as the server is back.")
    else:
        st.rerun()
