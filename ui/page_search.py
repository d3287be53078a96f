"""Search: a query in, hits out, and for each hit why it was found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import streamlit as st

from ragstone.errors import InvalidCursor
from ragstone.schemas.api import Hit, Mode, SearchResult
from ragstone.ui import document, inert, session, wording
from ragstone.ui.inert import Bar, Mark
from ragstone.ui.session import Choice

_MODES: tuple[Mode, ...] = ("hybrid", "keyword", "vector")
_MOST_HITS = 100
_USUAL_HITS = 10


def page() -> None:
    """Draw the page."""
    st.title("Search")
    choice = session.choose()
    if choice is None:
        return
    query = st.text_input(
        "Query",
        key="q",
        bind="query-params",
        type="search",
        icon=":material/search:",
        placeholder="Words, or a question",
        on_change=_first_page,
    )
    asked = _settings()
    result = _found(query, choice, asked)
    if result is None:
        st.caption("Type a query: hits show which words matched and how each arm ranked them.")
        return
    _reading(result)
    if result.hits:
        _hits(result)
    elif result.like or result.offset:
        st.info("Nothing more was found.", icon=":material/search_off:")
    else:
        _nothing(choice, result, asked.where)
    _pages(result)
    document.drawer()


@dataclass(frozen=True, slots=True)
class _Asked:
    """How to search, apart from the query."""

    mode: Mode
    k: int
    where: list[str]
    group: bool


def _found(query: str, choice: Choice, asked: _Asked) -> SearchResult | None:
    """Return what the URL asks for: a page of a search, or more like something."""
    like, after, client = session.at("like"), session.at("after"), session.client()
    with st.spinner("Searching"):  # the first search loads the encoder
        if like is not None:
            return client.similar(like, k=asked.k, where=asked.where, dataset=choice.reference)
        if not query.strip():
            return None
        search = partial(
            client.search,
            query,
            choice.reference,
            k=asked.k,
            mode=asked.mode,
            where=asked.where,
            group=asked.group,
        )
        try:
            return search(after=after)
        except InvalidCursor:  # of what was asked before: begin again
            session.go(after=None)
            return search()


def _first_page() -> None:
    session.go(after=None, like=None)


def _settings() -> _Asked:
    """Ask for mode, number of hits and filters."""
    left, middle, right, last = st.columns([3, 2, 4, 2], vertical_alignment="top")
    with left:
        mode = st.segmented_control(
            "Mode",
            _MODES,
            default=_MODES[0],
            required=True,
            key="mode",
            bind="query-params",
            help="keyword: the words of the query. vector: its meaning. hybrid: both.",
        )
    with middle:
        k = st.number_input("Hits", 1, _MOST_HITS, _USUAL_HITS, key="k", bind="query-params")
    with right:
        where = st.multiselect(
            "Filters",
            [],
            accept_new_options=True,
            key="where",
            bind="query-params",
            placeholder="year>=2020",
            help="Type FIELD OPERATOR VALUE, or several with and, or, not, and press Enter. All "
            "filters must hold.",
        )
    with last:
        group = st.toggle(
            "By document",
            key="group",
            bind="query-params",
            help="Each document once, with its best passage.",
        )
    return _Asked(mode, k, where, group)


def _reading(result: SearchResult) -> None:
    """Say when operators were read in the query, and what may have been meant by a word."""
    if result.reading == "query":
        inert.show(inert.facts("Read as a query with operators."))
    for meant in result.suggestions:
        instead = " or ".join(meant.instead)
        inert.show(inert.facts(f"No text has “{meant.word}”. Did you mean {instead}?"))


# ---------------------------------------------------------------- hits


def _hits(result: SearchResult) -> None:
    best = _best_scores(result.hits)
    found = wording.count(len(result.hits), "hit")
    if result.offset:
        found = f"hits {result.hits[0].rank:,} to {result.hits[-1].rank:,}"
    like = f"like {result.like.kind} {result.like.id[: wording.DIGEST]}" if result.like else ""
    inert.show(inert.facts(found, f"version {result.version}", result.mode, like))
    for hit in result.hits:
        with st.container(border=True):
            _hit(hit, best)


def _hit(hit: Hit, best: dict[str, float]) -> None:
    # The offsets of a highlight count from the start of the hit's own text.
    marks = [Mark(word.start, word.end) for word in hit.highlights]
    inert.show(
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
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Open in document",
            icon=":material/menu_book:",
            type="tertiary",
            key=f"open-{hit.chunk_id}",
            on_click=document.open_drawer,
            args=(hit.chunk_id,),
        )
        st.button(
            "More like this",
            icon=":material/join_inner:",
            type="tertiary",
            key=f"like-{hit.chunk_id}",
            on_click=partial(session.go, like=hit.chunk_id, after=None),
        )
        st.caption(f"score {hit.score:.3f}")


def _pages(result: SearchResult) -> None:
    """Lead on to the next page, and back to the beginning."""
    with st.container(horizontal=True):
        if result.like:
            st.button(
                "Back to the search",
                icon=":material/first_page:",
                key="first",
                on_click=_first_page,
            )
        elif result.offset:
            st.button("First page", icon=":material/first_page:", key="first", on_click=_first_page)
        if result.next:
            st.button(
                "Next page",
                icon=":material/chevron_right:",
                key="next",
                on_click=partial(session.go, after=result.next),
            )


def _best_scores(hits: list[Hit]) -> dict[str, float]:
    """Return the best raw score of each arm: arms have scales of their own."""
    best: dict[str, float] = {}
    for hit in hits:
        for arm, entry in hit.arms.items():
            best[arm] = max(best.get(arm, 0.0), entry.score)
    return best


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


# ---------------------------------------------------------------- no hits


def _nothing(choice: Choice, result: SearchResult, where: list[str]) -> None:
    """Say why there is nothing, and what to try."""
    st.info("Nothing was found.", icon=":material/search_off:")
    if not choice.version.chunks:
        st.markdown("This version holds no text. Choose another version or dataset.")
        return
    if where:
        without = session.client().search(result.query, choice.reference, k=1, mode=result.mode)
        if without.hits:
            st.markdown(
                "There are hits, but the filters leave none of them. Take out a filter, or "
                "check its field and value on an item."
            )
            return
    if result.mode == "keyword":
        st.markdown(
            "No passage has any of these words. Check their spelling, try other words, or the "
            "mode **hybrid**, which also finds passages by their meaning."
        )
    else:
        st.markdown("Try other words, or another version or dataset.")
