"""What can be done with the items that are chosen: tag them, or take them out of the dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from ragstone.schemas.api import VersionInfo
from ragstone.ui import inert, session
from ragstone.ui.session import Choice

MOST = 10_000  # items at a time
_DONE = "what was done"  # key of the session's state: dataset, version before, version after

Items = Callable[[], Sequence[str]]


def actions(choice: Choice, count: int, items: Items) -> None:
    """Offer what can be done with `count` items; their ids are fetched when something is.

    Each act makes a version, and says how it is undone.
    """
    _done(choice)
    if choice.pinned:
        st.caption("To tag or remove items, choose the newest version.")
        return
    if count > MOST:
        st.caption(f"To tag or remove items, choose {MOST:,} or fewer of them.")
        return
    with st.container(horizontal=True):
        with st.popover("Tag", icon=":material/sell:"):
            _tag(choice, count, items)
        with st.popover("Remove", icon=":material/delete:"):
            _remove(choice, count, items)


def _tag(choice: Choice, count: int, items: Items) -> None:
    tag = st.text_input("Tag", key="tag", placeholder="checked", max_chars=100).strip()
    st.caption(
        f"Makes version {choice.version.version + 1:,} of the dataset. Nothing is embedded again. "
        "Filters find the tag with tags=NAME."
    )
    with st.container(horizontal=True):
        name = choice.dataset.name
        if st.button(
            f"Add to {count:,} items", icon=":material/add:", key="tag-add", disabled=not tag
        ):
            _do(choice, lambda: session.client().tag_items(name, items(), add=[tag]))
        if st.button(
            f"Take from {count:,} items",
            icon=":material/remove:",
            key="tag-take",
            disabled=not tag,
        ):
            _do(choice, lambda: session.client().tag_items(name, items(), remove=[tag]))


def _remove(choice: Choice, count: int, items: Items) -> None:
    st.caption(
        f"Makes version {choice.version.version + 1:,} of the dataset without these items. Older "
        f"versions keep them, and restoring version {choice.version.version:,} brings them back."
    )
    if st.button(f"Remove {count:,} items", icon=":material/delete:", key="remove", type="primary"):
        session.go(lasso=None, page=None)
        _do(choice, lambda: session.client().delete(choice.dataset.name, items()))


def _do(choice: Choice, act: Callable[[], VersionInfo]) -> None:
    with st.spinner("Making a version"):
        made = act()
    st.session_state[_DONE] = (choice.dataset.name, choice.version.version, made.version)
    st.rerun()


def _done(choice: Choice) -> None:
    """Say what was done last, and offer to undo it as long as nothing came after it."""
    name, before, after = st.session_state.get(_DONE, ("", 0, 0))
    if name != choice.dataset.name or after != choice.version.version:
        return
    if before == after:
        st.info("That was so already: no version was made.", icon=":material/info:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.success(f"Version {after:,} has it.", icon=":material/check:")
        if st.button(f"Undo: restore version {before:,}", icon=":material/undo:", key="undo-last"):
            session.client().restore(f"{name}@{before}")
            del st.session_state[_DONE]
            st.rerun()
    inert.show(inert.facts(choice.version.message))
