"""Two ways to search, side by side: which ranks differ, and why."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ragstone.schemas.api import Hit, SearchResult
from ragstone.ui import inert, search_hits
from ragstone.ui.failures import shown

Search = Callable[[], SearchResult]


def draw(first: Search, second: Search) -> None:
    """Show both results, hits that have another rank marked; either may fail alone."""
    results: list[SearchResult | None] = []
    places = st.columns(2)
    for place, search in zip(places, (first, second), strict=True):
        result = None
        with place, shown(), st.spinner("Searching"):
            result = search()
        results.append(result)
    for number, place in enumerate(places):
        result, other = results[number], results[1 - number]
        if result is not None:
            with place:
                _side(result, other, "ab"[number])


def differences(one: SearchResult, other: SearchResult) -> int:
    """Return how many hits of `one` have no or another rank in `other`."""
    ranks = {hit.chunk_id: hit.rank for hit in other.hits}
    return sum(ranks.get(hit.chunk_id) != hit.rank for hit in one.hits)


def _side(result: SearchResult, other: SearchResult | None, place: str) -> None:
    search_hits.summary(result)
    if other is not None:
        moved = differences(result, other)
        st.caption(f"{moved:,} of {len(result.hits):,} stand elsewhere on the other side.")
    if not result.hits:
        st.info("Nothing was found.", icon=":material/search_off:")
    best = search_hits.best_scores(result.hits)
    ranks = {hit.chunk_id: hit.rank for hit in other.hits} if other else {}
    for hit in result.hits:
        with st.container(border=True):
            marks = [_mark(hit, ranks)] if other else []
            inert.show(*marks, *search_hits.about(hit, best))
            search_hits.media(hit)
            search_hits.opening(hit, place)


def _mark(hit: Hit, ranks: dict[str, int]) -> inert.Html:
    rank = ranks.get(hit.chunk_id)
    if rank is None:
        return inert.badge("only on this side", "only")
    if rank == hit.rank:
        return inert.badge("same rank", "same")
    way = "down" if hit.rank < rank else "up"
    return inert.badge(f"{rank:,} on the other side, {abs(hit.rank - rank):,} {way}", "moved")
