"""Explore: what is in a version, page by page, and how it spreads."""

from __future__ import annotations

import streamlit as st

from ragstone.ui import document, explore_filters, explore_grid, explore_spread, session
from ragstone.ui.explore_filters import Wanted
from ragstone.ui.session import Choice


def page() -> None:
    """Draw the page."""
    st.title("Explore")
    choice = session.choose()
    if choice is None:
        return
    if not choice.version.items:
        st.info("This version has no items. Choose another one, or ingest something.")
        return
    fields = session.fields(choice.reference, choice.version.digest)
    wanted = explore_filters.choose(choice, fields)
    left, right = st.columns([3, 1], gap="medium")
    with left:
        _items(choice, wanted)
    with right:
        explore_spread.spread(choice, wanted, fields)
    document.drawer()


def _items(choice: Choice, wanted: Wanted) -> None:
    """Show a page of the items that pass the filters."""
    client = session.client()
    total = client.count_items(choice.reference, where=wanted.where, synthetic=wanted.synthetic)
    if not total:
        st.info("The filters leave no item. Take one out.", icon=":material/filter_alt_off:")
        return
    pages = -(-total // explore_grid.PAGE)
    number = explore_grid.number_of_page(pages)
    st.caption(f"{total:,} of {choice.version.items:,} items")
    explore_grid.turn(pages, number)
    explore_grid.cards(
        client.items(
            choice.reference,
            where=wanted.where,
            offset=(number - 1) * explore_grid.PAGE,
            limit=explore_grid.PAGE,
            order=wanted.order,
            snippet=explore_grid.SNIPPET,
            synthetic=wanted.synthetic,
        )
    )
