"""A query and the hits that answer it become a golden query, to measure search with."""

from __future__ import annotations

import streamlit as st

from ragstone.schemas.api import SearchResult
from ragstone.ui import session
from ragstone.ui.failures import shown


def draw(result: SearchResult) -> None:
    """Offer to keep a query with what should be found for it."""
    if not result.query.strip() or not result.hits or len(result.datasets) > 1:
        return
    titles = {hit.item_id: f"{hit.rank}. {hit.title or hit.name}" for hit in result.hits[::-1]}
    with (
        st.popover("Save as golden query", icon=":material/star:", key="golden"),
        st.form("golden-form", border=False),
    ):
        st.caption("Golden queries say what should be found. Evaluate measures search with them.")
        items = st.multiselect(
            "Documents that answer it",
            list(titles)[::-1],
            format_func=titles.__getitem__,
            key="golden-items",
        )
        if not st.form_submit_button("Save", icon=":material/star:", key="golden-save"):
            return
        if not items:
            st.warning("Choose at least one document.")
            return
        with shown():
            made = session.client().add_golden_query(result.dataset, result.query, items)
            st.success(f"Kept. Documents judged for it: {len(made.documents):,}")
