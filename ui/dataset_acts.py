"""What can be done with a dataset as a whole."""

from __future__ import annotations

import streamlit as st

from ragstone.ui import acts, jobs_live, session
from ragstone.ui.failures import shown
from ragstone.ui.session import Choice


def row(choice: Choice) -> None:
    """Draw the buttons."""
    with st.container(horizontal=True):
        _sync(choice)
        if st.button("Search it", icon=":material/search:", key="search-it"):
            session.visit("search", dataset=choice.dataset.name)
        if st.button("Its jobs", icon=":material/work_history:", key="jobs-of-it"):
            session.visit("jobs", of=choice.dataset.name)


def _sync(choice: Choice) -> None:
    with st.popover("Sync", icon=":material/sync:", key=acts.key("sync")):
        st.markdown("Read everything again that was ever taken in?")
        st.caption(
            "What is new or changed comes in, and what its places have no longer goes. Uploads "
            "stay. To undo it, restore the version of now."
        )
        if st.button("Sync", type="primary", key="sync-sure"):
            with shown():
                jobs_live.expect(session.client().submit_sync(choice.dataset.name))
                undo = f"To undo it, restore version {choice.dataset.version} under Versions."
                acts.done("All sources are being read again.", undo)
