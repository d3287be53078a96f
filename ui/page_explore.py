"""Explore: what is in a version, page by page, and how it spreads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from ragstone.ui import (
    document,
    explore_actions,
    explore_filters,
    explore_grid,
    explore_map,
    explore_oddest,
    explore_spread,
    session,
)
from ragstone.ui.explore_filters import Wanted
from ragstone.ui.session import Choice

_GRID, _MAP, _ODDEST = "Grid", "Map", "Oddest first"
_VIEWS = (_GRID, _MAP, _ODDEST)
_AT_ONCE = 1_000  # ids in a request


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
    view = st.segmented_control(
        "View",
        _VIEWS,
        default=_VIEWS[0],
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
        on_change=_first_page,
    )
    left, right = st.columns([3, 1], gap="medium")
    with left:
        chosen = explore_map.chart(choice, wanted, fields).items if view == _MAP else None
        if view == _ODDEST:
            explore_oddest.show(choice)
        elif chosen is None:
            _items(choice, wanted)
        else:
            _chosen(choice, chosen)
    with right:
        explore_spread.spread(choice, wanted, fields)
    document.drawer()


def _first_page() -> None:
    session.go(page=None)


def _chosen(choice: Choice, chosen: Sequence[str]) -> None:
    """Show a page of the items inside the lasso."""
    if not chosen:
        st.info("There is no item inside.", icon=":material/gesture_select:")
        return
    pages = -(-len(chosen) // explore_grid.PAGE)
    number = explore_grid.number_of_page(pages)
    st.caption(f"{len(chosen):,} items inside the lasso")
    explore_actions.actions(choice, len(chosen), lambda: chosen)
    explore_grid.turn(pages, number)
    start = (number - 1) * explore_grid.PAGE
    page = chosen[start : start + explore_grid.PAGE]
    explore_grid.cards(
        session.client().items(
            choice.reference,
            where=[f"item_id in ({', '.join(page)})"],
            limit=explore_grid.PAGE,
            snippet=explore_grid.SNIPPET,
        )
    )


def _every(choice: Choice, wanted: Wanted) -> list[str]:
    """Return the ids of all items that pass the filters."""
    found: list[str] = []
    for start in range(0, explore_actions.MOST, _AT_ONCE):
        page = session.client().items(
            choice.reference,
            where=wanted.where,
            offset=start,
            limit=_AT_ONCE,
            synthetic=wanted.synthetic,
        )
        found += [item.item_id for item in page]
        if len(page) < _AT_ONCE:
            break
    return found


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
    if wanted.where:
        explore_actions.actions(choice, total, partial(_every, choice, wanted))
    else:
        st.caption("To tag or remove some of them, filter, or draw a lasso on the map.")
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
