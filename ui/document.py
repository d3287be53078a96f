"""The drawer that shows an item: its facts, pages or text around a passage, chunks, relations."""

from __future__ import annotations

import re
from dataclasses import dataclass

import streamlit as st

from ragstone.errors import UnknownId
from ragstone.schemas.api import ChunkDetail, ItemDetail
from ragstone.ui import inert, item_relations, session, wording
from ragstone.ui.failures import shown
from ragstone.ui.inert import Mark

WINDOW = 6_000  # code points of text on the page at a time: about three printed pages
_BEFORE = 400  # of these, at most so many before the passage, which is then in view
_CHUNKS = 20  # on a page
_TEXT, _PAGES, _PARTS, _ALIKE, _LINEAGE = "Text", "Pages", "Chunks", "Alike", "Lineage"
_PDF = "application/pdf"
_QUOTE = 2_000  # characters of a passage that are looked for on its page
_SPAN = re.compile(r"(\d{1,12})-(\d{1,12})")


@dataclass(frozen=True, slots=True)
class Place:
    """An item and the passage `[start, end)` of its text to highlight, if any."""

    item: ItemDetail
    start: int = 0
    end: int = 0

    @property
    def chunk(self) -> ChunkDetail | None:
        """The chunk in which the passage begins; None without a passage."""
        within = (c for c in self.item.chunks if c.start <= self.start < c.end)
        return next(within, None) if self.end else None


def place_of(id: str, span: str | None) -> Place:  # noqa: A002
    """Return the item that an id stands for, and where in it.

    A chunk's id names its passage; for an item's, `span` may, as `START-END`.

    Raises
    ------
    UnknownId
        No item or chunk has it.
    """
    found = session.record(id)
    if isinstance(found, ChunkDetail):
        item = session.record(found.item_id)
        assert isinstance(item, ItemDetail)
        return Place(item, found.start, found.end)
    if isinstance(found, ItemDetail):
        match = _SPAN.fullmatch(span or "0-0")
        return Place(found, *map(int, match.groups())) if match else Place(found)
    raise UnknownId(id, "item or chunk")


def drawer() -> None:
    """Open the drawer when the URL names a record; closing it takes the name out again."""
    id = session.at("open")  # noqa: A001
    if id is not None:
        _drawer(id, session.at("span"))


def open_drawer(id: str) -> None:  # noqa: A002
    """Have the drawer opened by the next run of the page; for callbacks."""
    session.go(open=id, span=None)


def open_passage(item_id: str, start: int, end: int) -> None:
    """As `open_drawer`, on the passage `[start, end)` of the item's text."""
    session.go(open=item_id, span=f"{start}-{end}")


def _close() -> None:
    session.go(open=None, span=None)


@st.dialog("Document", width="medium", position="right", on_dismiss=_close)
def _drawer(id: str, span: str | None) -> None:  # noqa: A002
    with shown():
        place = place_of(id, span)
        _facts(place.item)
        _media(place)
        paged = place.item.media_type == _PDF
        view = st.segmented_control(
            "View",
            [*([_PAGES] if paged else []), _TEXT, _PARTS, _ALIKE, _LINEAGE],
            default=_PAGES if paged and place.chunk and place.chunk.page else _TEXT,
            required=True,
            label_visibility="collapsed",
            key=f"view-{id}",
        )
        if view == _PARTS:
            _chunks(place)
        elif view == _PAGES:
            _pages(place)
        elif view == _ALIKE:
            item_relations.alike(place.item)
        elif view == _LINEAGE:
            item_relations.lineage(place.item)
        else:
            _text(place)


def _facts(item: ItemDetail) -> None:
    inert.show(
        inert.title(item.title or item.name),
        inert.facts(
            item.name,
            item.media_type,
            wording.size(item.size),
            wording.count(len(item.chunks), "chunk"),
            f"since version {item.added}",
            "" if item.removed is None else f"gone since version {item.removed}",
        ),
        inert.facts(*item.sources),
        inert.pairs(item.metadata),
    )


def _media(place: Place) -> None:
    """Show an image, or a recording with its waveform, where the passage is heard."""
    item = place.item
    if item.modality == "image":
        st.image(session.preview(item.item_id).content)
    elif item.modality == "audio":
        sound = session.original(item.item_id)
        st.image(session.preview(item.item_id).content)
        start = place.chunk.from_ms if place.chunk and place.chunk.from_ms else 0
        st.audio(sound.content, format=sound.media_type, start_time=start / 1_000)


def _pages(place: Place) -> None:
    """Show a page of a PDF as it is printed; it opens on the page of the passage."""
    chunk, item = place.chunk, place.item
    first = chunk.page if chunk and chunk.page else 1
    known = item.metadata.get("pages")
    last = known if isinstance(known, int) else 0
    pages = max(last, first, *(c.page or 1 for c in item.chunks))
    number = st.pagination(pages, default=first, key=f"page-{item.item_id}-{place.start}")
    quote = item.text[place.start : place.end][:_QUOTE] if number == first else ""
    with st.spinner("Drawing the page"):
        st.image(
            session.page_image(item.item_id, number, quote).content,
            alt=f"Page {number:,} of the document",
            width="stretch",
        )


def _text(place: Place) -> None:
    """Show a window of the text; it opens on the passage."""
    whole = place.item.text
    key = f"offset-{place.item.item_id}-{place.start}"
    offset = int(st.session_state.setdefault(key, _opening(whole, place.start)))
    if len(whole) > WINDOW or offset:
        _steps(key, offset, len(whole))
    passage = Mark(place.start - offset, place.end - offset, "passage")
    inert.show(inert.text(whole[offset : offset + WINDOW], [passage]))
    if not whole:
        st.caption("This item has no text.")


def _opening(whole: str, start: int) -> int:
    """Return where the first window begins: at a line or a word a little before the passage."""
    early = start - _BEFORE
    if early <= 0:
        return 0
    for gap in ("\n", " "):
        found = whole.find(gap, early, start)
        if found >= 0:
            return found + 1
    return early


def _steps(key: str, offset: int, length: int) -> None:
    def move(to: int) -> None:
        st.session_state[key] = max(0, to)

    end = min(offset + WINDOW, length)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Earlier",
            icon=":material/arrow_upward:",
            key=f"earlier-{key}",
            disabled=offset == 0,
            on_click=move,
            args=(offset - WINDOW,),
        )
        st.button(
            "Later",
            icon=":material/arrow_downward:",
            key=f"later-{key}",
            disabled=end == length,
            on_click=move,
            args=(end,),
        )
        st.caption(f"Characters {offset:,} to {end:,} of {length:,}")


def _chunks(place: Place) -> None:
    item = place.item
    pages = max(1, -(-len(item.chunks) // _CHUNKS))
    current = next((c.ordinal for c in item.chunks if c.start == place.start and place.end), 0)
    page = 1
    if pages > 1:
        page = st.pagination(
            pages, default=1 + current // _CHUNKS, key=f"chunk-page-{item.item_id}"
        )
    for chunk in item.chunks[(page - 1) * _CHUNKS : page * _CHUNKS]:
        with st.container(border=True):
            inert.show(
                inert.title(chunk.heading or "No heading", chunk.ordinal + 1),
                inert.facts(
                    wording.page(chunk.page),
                    wording.time(chunk.from_ms, chunk.to_ms),
                    wording.span(chunk.start, chunk.end),
                    wording.count(chunk.tokens, "token"),
                ),
                inert.text(chunk.text),
            )
