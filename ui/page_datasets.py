"""Datasets: what there is, its versions, its items, and what was refused."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ragstone.schemas.api import DatasetInfo, ItemSummary, VersionInfo
from ragstone.ui import document, inert, session, wording
from ragstone.ui.session import Choice

_ITEMS = 25  # rows on a page
_TABS = ("Items", "Versions", "Quarantine")


def page() -> None:
    """Draw the page."""
    st.title("Datasets")
    _overview(session.client().datasets())
    choice = session.choose()
    if choice is None:
        return
    _numbers(choice.version)
    items, versions, quarantine = st.tabs(_TABS)
    with items:
        _items(choice)
    with versions:
        _versions(session.client().log(choice.dataset.name))
    with quarantine:
        _quarantine(choice.dataset.name)
    document.drawer()


def _overview(datasets: Sequence[DatasetInfo]) -> None:
    if len(datasets) > 1:
        st.dataframe(
            {
                "Dataset": [info.name for info in datasets],
                "Version": [info.version for info in datasets],
                "Items": [info.items for info in datasets],
                "Chunks": [info.chunks for info in datasets],
                "Changed": [wording.moment(info.changed) for info in datasets],
            },
            hide_index=True,
        )


def _numbers(version: VersionInfo) -> None:
    with st.container(horizontal=True, gap="large"):
        st.metric("Version", f"{version.version:,}", width="content")
        st.metric("Items", f"{version.items:,}", width="content")
        st.metric("Chunks", f"{version.chunks:,}", width="content")
        if version.synthetic:
            st.metric("Made by models", f"{version.synthetic:,}", width="content")
    inert.show(inert.facts(f"published {wording.moment(version.created)}", version.message))


# ---------------------------------------------------------------- items


def _items(choice: Choice) -> None:
    total = choice.version.items
    if not total:
        st.info("This version has no items.")
        return
    pages = -(-total // _ITEMS)
    number = 1
    if pages > 1:
        number = st.pagination(pages, key=f"items-{choice.dataset.name}-{choice.version.version}")
    rows = session.client().items(choice.reference, offset=(number - 1) * _ITEMS, limit=_ITEMS)
    st.caption(f"{total:,} in this version. Tick a row to read the item.")
    _item_table(rows)


def _item_table(rows: Sequence[ItemSummary]) -> None:
    """A table whose ticked row opens in the drawer; each opening makes it anew, unticked."""
    key = f"item-table-{st.session_state.setdefault('openings', 0)}"

    def open_ticked() -> None:
        ticked = st.session_state[key].selection.rows
        if ticked:
            st.session_state["openings"] += 1
            document.open_drawer(rows[ticked[0]].item_id)

    made = [row.synthetic for row in rows]
    st.dataframe(
        {
            "Title": [row.title or row.name for row in rows],
            "Name": [row.name for row in rows],
            "Type": [row.media_type for row in rows],
            "Size": [wording.size(row.size) for row in rows],
            "Chunks": [row.chunks for row in rows],
            "Since version": [row.added for row in rows],
            **({"Made by": made} if any(made) else {}),
        },
        hide_index=True,
        height="content",
        key=key,
        on_select=open_ticked,
        selection_mode="single-row",
    )


# ---------------------------------------------------------------- versions and quarantine


def _versions(history: Sequence[VersionInfo]) -> None:
    inert.show(
        inert.steps(
            (
                f"Version {entry.version}" + (f": {entry.message}" if entry.message else ""),
                (
                    wording.moment(entry.created),
                    f"{entry.added:,} added, {entry.removed:,} removed",
                    wording.count(entry.items, "item"),
                    f"digest {entry.digest[: wording.DIGEST]}",
                ),
            )
            for entry in history
        )
    )


def _quarantine(dataset: str) -> None:
    refused = session.client().quarantine(dataset)
    if not refused:
        st.caption("Nothing was refused: every input became an item.")
        return
    st.dataframe(
        {
            "Source": [entry.source for entry in refused],
            "Reason": [entry.reason for entry in refused],
            "What to do": [entry.hint for entry in refused],
            "Stage": [entry.stage for entry in refused],
            "Size": [wording.size(entry.size) for entry in refused],
            "When": [wording.moment(entry.created) for entry in refused],
        },
        hide_index=True,
    )
