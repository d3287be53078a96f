"""What something is made of: files of the person's, or items that the model learnt from."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ragstone.schemas.api import ItemSummary
from ragstone.schemas.models import ModelInfo
from ragstone.ui import inert, session, trained
from ragstone.ui.failures import shown

_OF = "of"
_PAGE, _COLUMNS = 12, 6
_KINDS = ["png", "jpg", "jpeg", "webp", "bmp", "wav", "flac", "ogg"]


def show(model: ModelInfo, *, pair: bool) -> dict[str, Any]:
    """Draw the choice; return `images` of `Client.sample`, items first, then files."""
    with st.container(border=True):
        if pair:
            st.caption("Choose two, the first and the last.")
        else:
            st.caption("Choose one or several.")
        files = st.file_uploader("Files", type=_KINDS, accept_multiple_files=True, key="files")
        ids = st.text_input(
            "Ids of items",
            key=_OF,
            bind="query-params",
            placeholder="as an item's page has them, with spaces between",
        ).split()
        with st.expander("Items that it learnt from", icon=":material/grid_view:"), shown():
            _grid(model)
        _chosen(ids)
    return {"images": [*ids, *(file.getvalue() for file in files)]}


def _chosen(ids: list[str]) -> None:
    """Show the items that are chosen."""
    if ids:
        with st.container(horizontal=True), shown():
            for id in ids:  # noqa: A001
                st.image(session.preview(id).content, width=72)


def _grid(model: ModelInfo) -> None:
    """A page of items, each to be taken by a click."""
    reference = trained.learnt_from(model)
    pages = max(1, -(-model.data.items // _PAGE))
    page = st.pagination(pages, key=f"given-{reference}") if pages > 1 else 1
    items = session.client().items(reference, offset=(page - 1) * _PAGE, limit=_PAGE)
    wanted = "audio" if model.material.get("from") == "audio" else "image"
    items = [item for item in items if item.modality == wanted]
    if not items:
        st.caption("This page has none of them.")
    for start in range(0, len(items), _COLUMNS):
        columns = st.columns(_COLUMNS)
        for column, item in zip(columns, items[start : start + _COLUMNS], strict=False):
            with column:
                _tile(item)


def _tile(item: ItemSummary) -> None:
    st.image(session.preview(item.item_id).content, width=96)
    inert.show(inert.facts(item.title or item.name))
    st.button("Take", key=f"take-{item.item_id}", on_click=_take, args=(item.item_id,))


def _take(id: str) -> None:  # noqa: A002
    """Add an item to those that are chosen, the last two of them."""
    before = str(st.session_state.get(_OF) or "").split()
    st.session_state[_OF] = " ".join([*before, id][-2:])
