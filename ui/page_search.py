"""Search: a query in, hits out, and for each hit why it was found; two settings side by side."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

import streamlit as st

from ragstone.errors import InvalidCursor
from ragstone.schemas.api import Mode, SearchResult
from ragstone.ui import document, search_compare, search_golden, search_hits, session
from ragstone.ui.session import Choice

_MODES: tuple[Mode, ...] = ("hybrid", "keyword", "vector")
_RERANKING = {"as tuned": None, "on": True, "off": False}
_FILES = ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif", "wav", "flac", "mp3", "ogg"]
_MOST_HITS = 100
_USUAL_HITS = 10
_SAME = "the same"


@dataclass(frozen=True, slots=True)
class _Asked:
    """How to search, apart from the query."""

    reference: str  # D or D@V
    mode: Mode
    k: int
    where: list[str]
    group: bool
    rerank: bool | None
    media: dict[str, bytes] = field(default_factory=dict)  # image or audio


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
    asked = _settings(choice)
    other = _second(choice, asked)
    if not (query.strip() or asked.media or session.at("like")):
        st.caption("Type a query: hits show which words matched and how each arm ranked them.")
    elif other is not None and not session.at("like"):
        search_compare.draw(partial(_search, query, asked), partial(_search, query, other))
    else:
        _one(query, choice, asked)
    document.drawer()


def _one(query: str, choice: Choice, asked: _Asked) -> None:
    """Show a page of what is found in one way."""
    result = _found(query, asked)
    search_hits.reading(result)
    if result.hits:
        search_hits.summary(result)
        search_golden.draw(result)
        search_hits.draw(result)
    elif result.like or result.offset:
        st.info("Nothing more was found.", icon=":material/search_off:")
    else:
        _nothing(choice, result, asked)
    _pages(result)


def _search(query: str, asked: _Asked, after: str | None = None) -> SearchResult:
    return session.client().search(
        query,
        asked.reference,
        k=asked.k,
        mode=asked.mode,
        where=asked.where,
        group=asked.group,
        rerank=asked.rerank,
        image=asked.media.get("image"),
        audio=asked.media.get("audio"),
        after=after,
    )


def _found(query: str, asked: _Asked) -> SearchResult:
    """Return what the URL asks for: a page of a search, or more like something."""
    like, after = session.at("like"), session.at("after")
    with st.spinner("Searching"):  # the first search loads the encoder
        if like is not None:
            return session.client().similar(
                like, k=asked.k, where=asked.where, dataset=asked.reference
            )
        try:
            return _search(query, asked, after)
        except InvalidCursor:  # of what was asked before: begin again
            session.go(after=None)
            return _search(query, asked)


def _first_page() -> None:
    session.go(after=None, like=None)


# ---------------------------------------------------------------- how to search


def _settings(choice: Choice) -> _Asked:
    """Ask for mode, number of hits, filters, and what else there is."""
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
    with st.expander("Reranking, picture or recording", icon=":material/tune:"):
        reranking = st.segmented_control(
            "Reranking",
            list(_RERANKING),
            default="as tuned",
            required=True,
            key="rerank",
            bind="query-params",
            help="Whether a network reads the best candidates again.",
        )
        media = _media()
    rerank = _RERANKING[reranking]
    return _Asked(choice.reference, mode, k, where, group, rerank, media)


def _media() -> dict[str, bytes]:
    """Take a picture or a recording, whose like is looked for beside the words."""
    given = st.file_uploader(
        "Find what resembles a picture or a recording",
        type=_FILES,
        key="file",
        on_change=_first_page,
    )
    if given is None:
        return {}
    kind = "audio" if given.type.startswith("audio/") else "image"
    content = given.getvalue()
    if kind == "image":
        st.image(content, width=160, alt="What was given")
    else:
        st.audio(content, format=given.type)
    return {kind: content}


def _second(choice: Choice, first: _Asked) -> _Asked | None:
    """Ask for a second way to search, which stands beside the first."""
    if not st.toggle("Compare with other settings", key="compare", bind="query-params"):
        return None
    history = [str(entry.version) for entry in session.client().log(choice.dataset.name)]
    left, middle, right = st.columns(3)
    with left:
        mode = st.segmented_control(
            "Mode of the second",
            _MODES,
            default=_MODES[1],
            required=True,
            key="mode2",
            bind="query-params",
        )
    with middle:
        reranking = st.segmented_control(
            "Reranking of the second",
            list(_RERANKING),
            default="as tuned",
            required=True,
            key="rerank2",
            bind="query-params",
        )
    with right:
        number = st.selectbox(
            "Version of the second", [_SAME, *history], key="version2", bind="query-params"
        )
    reference = first.reference if number == _SAME else f"{choice.dataset.name}@{number}"
    return replace(first, reference=reference, mode=mode, rerank=_RERANKING[reranking])


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


# ---------------------------------------------------------------- no hits


def _nothing(choice: Choice, result: SearchResult, asked: _Asked) -> None:
    """Say why there is nothing, and what to try."""
    st.info("Nothing was found.", icon=":material/search_off:")
    if not choice.version.chunks:
        st.markdown("This version holds no text. Choose another version or dataset.")
        return
    if asked.where:
        without = _search(result.query, replace(asked, k=1, where=[]))
        if without.hits:
            st.markdown(
                "There are hits, but the filters leave none of them. Take out a filter, or "
                "check its field and value on an item."
            )
            return
    if asked.media:
        st.markdown(
            "Nothing resembles what was given. Choose a dataset with pictures or recordings, or "
            "add words to the query."
        )
    elif result.mode == "keyword":
        st.markdown(
            "No passage has any of these words. Check their spelling, try other words, or the "
            "mode **hybrid**, which also finds passages by their meaning."
        )
    else:
        st.markdown("Try other words, or another version or dataset.")
