"""Hits on a page: where each stands, which words matched, and how each arm ranked it."""

from __future__ import annotations

from functools import partial

import streamlit as st

from ragstone.schemas.api import Hit, SearchResult
from ragstone.ui import document, inert, session, wording
from ragstone.ui.inert import Bar, Mark


def reading(result: SearchResult) -> None:
    """Say when operators were read in the query, and what may have been meant by a word."""
    if result.reading == "query":
        inert.show(inert.facts("Read as a query with operators."))
    for meant in result.suggestions:
        instead = " or ".join(meant.instead)
        inert.show(inert.facts(f"No text has “{meant.word}”. Did you mean {instead}?"))


def summary(result: SearchResult) -> None:
    """Say how much was found, where and how."""
    found = wording.count(len(result.hits), "hit")
    if result.offset and result.hits:
        found = f"hits {result.hits[0].rank:,} to {result.hits[-1].rank:,}"
    like = f"like {result.like.kind} {result.like.id[: wording.DIGEST]}" if result.like else ""
    reranker = result.fusion.reranker if result.fusion else ""
    inert.show(
        inert.facts(
            found,
            f"version {result.version}",
            result.mode,
            like,
            f"reranked by {reranker}" if reranker else "",
        )
    )


def draw(result: SearchResult) -> None:
    """Show all hits of a result."""
    best = best_scores(result.hits)
    for hit in result.hits:
        with st.container(border=True):
            _hit(hit, best)


def about(hit: Hit, best: dict[str, float]) -> list[inert.Html]:
    """Return what there is to read about a hit."""
    # The offsets of a highlight count from the start of the hit's own text.
    marks = [Mark(word.start, word.end) for word in hit.highlights]
    return [
        inert.title(hit.title or hit.name, hit.rank),
        inert.facts(
            hit.heading,
            wording.page(hit.page),
            wording.time(hit.from_ms, hit.to_ms),
            hit.name,
            wording.span(hit.start, hit.end),
            wording.count(len(hit.more), "more passage") if hit.more else "",
        ),
        inert.text(hit.text, marks),
        inert.bars(_breakdown(hit, best)),
    ]


def opening(hit: Hit, place: str = "") -> None:
    """Offer to open a hit in its document."""
    st.button(
        "Open in document",
        icon=":material/menu_book:",
        type="tertiary",
        key=f"open-{place}{hit.chunk_id}",
        on_click=document.open_drawer,
        args=(hit.chunk_id,),
    )


def media(hit: Hit) -> None:
    """Show the picture, or the recording, that a hit is of."""
    if hit.modality in ("image", "audio"):
        st.image(session.preview(hit.item_id).content, alt="Preview of the item")


def best_scores(hits: list[Hit]) -> dict[str, float]:
    """Return the best raw score of each arm: arms have scales of their own."""
    best: dict[str, float] = {}
    for hit in hits:
        for arm, entry in hit.arms.items():
            best[arm] = max(best.get(arm, 0.0), entry.score)
    return best


def _hit(hit: Hit, best: dict[str, float]) -> None:
    inert.show(*about(hit, best))
    media(hit)
    with st.container(horizontal=True, vertical_alignment="center"):
        opening(hit)
        st.button(
            "More like this",
            icon=":material/join_inner:",
            type="tertiary",
            key=f"like-{hit.chunk_id}",
            on_click=partial(session.go, like=hit.chunk_id, after=None),
        )
        st.caption(f"score {hit.score:.3f}")


def _breakdown(hit: Hit, best: dict[str, float]) -> list[Bar]:
    """One bar per arm, an arm that did not find the chunk included."""
    return [
        Bar(arm, hit.arms[arm].score / top if top > 0 else 0.0, _in_words(hit, arm))
        if arm in hit.arms
        else Bar(arm, 0.0, "not found")
        for arm, top in sorted(best.items())
    ]


def _in_words(hit: Hit, arm: str) -> str:
    entry = hit.arms[arm]
    return f"rank {entry.rank:,}, score {entry.score:.3f}"
