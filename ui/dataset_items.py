"""The items of a version, page by page; one opens in the drawer, several can be deleted."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ragstone.schemas.api import ItemSummary
from ragstone.ui import acts, document, inert, session, wording
from ragstone.ui.failures import shown
from ragstone.ui.session import Choice

_ITEMS = 25  # rows on a page
_NAMED = 5  # items that are named before they go


def view(choice: Choice) -> None:
    """Draw a page of the items."""
    total = choice.version.items
    if not total:
        st.info("This version has no items.")
        return
    pages = -(-total // _ITEMS)
    with st.container(horizontal=True, vertical_alignment="center"):
        number = 1
        if pages > 1:
            name = f"items-{choice.dataset.name}-{choice.version.version}"
            number = st.pagination(pages, key=name)
        several = not choice.pinned and st.toggle(
            "Choose several", key=acts.key("several"), help="To delete them."
        )
    rows = session.client().items(choice.reference, offset=(number - 1) * _ITEMS, limit=_ITEMS)
    if several:
        st.caption(f"{total:,} in this version. Tick those that should go.")
        _delete(choice, _ticked(rows, f"{choice.reference}-{number}"))
    else:
        st.caption(f"{total:,} in this version. Tick a row to read the item.")
        _opening(rows)


def _opening(rows: Sequence[ItemSummary]) -> None:
    """A table whose ticked row opens in the drawer; each opening makes it anew, unticked."""
    key = f"item-table-{st.session_state.setdefault('openings', 0)}"

    def open_ticked() -> None:
        ticked = st.session_state[key].selection.rows
        if ticked:
            st.session_state["openings"] += 1
            document.open_drawer(rows[ticked[0]].item_id)

    st.dataframe(
        _columns(rows),
        hide_index=True,
        height="content",
        key=key,
        on_select=open_ticked,
        selection_mode="single-row",
    )


def _ticked(rows: Sequence[ItemSummary], page: str) -> list[ItemSummary]:
    found = st.dataframe(
        _columns(rows),
        hide_index=True,
        height="content",
        key=acts.key(f"several-{page}"),
        on_select="rerun",
        selection_mode="multi-row",
    )
    return [rows[index] for index in found.selection.rows]


def _columns(rows: Sequence[ItemSummary]) -> dict[str, list[str] | list[int]]:
    made = [row.synthetic for row in rows]
    return {
        "Title": [row.title or row.name for row in rows],
        "Name": [row.name for row in rows],
        "Type": [row.media_type for row in rows],
        "Size": [wording.size(row.size) for row in rows],
        "Chunks": [row.chunks for row in rows],
        "Since version": [row.added for row in rows],
        **({"Made by": made} if any(made) else {}),
    }


def _delete(choice: Choice, ticked: Sequence[ItemSummary]) -> None:
    """Ask before the ticked items go, and make the version without them."""
    with st.popover(
        "Delete", icon=":material/delete:", disabled=not ticked, key=acts.key("delete")
    ):
        st.markdown(f"A new version without {len(ticked):,} of the items?")
        rest = f"and {len(ticked) - _NAMED:,} more" if len(ticked) > _NAMED else ""
        inert.show(inert.facts(*(item.name for item in ticked[:_NAMED]), rest))
        st.caption("Older versions keep them. To undo it, restore the version of now.")
        message = st.text_input("Message", key=acts.key("delete-message"))
        if st.button("Delete them", type="primary", key="delete-sure"):
            with shown():
                made = session.client().delete(
                    choice.dataset.name, [item.item_id for item in ticked], message=message.strip()
                )
                undo = f"To undo it, restore version {choice.version.version} under Versions."
                acts.done(f"Version {made.version} is without them.", undo)
