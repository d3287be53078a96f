"""A page of items as cards: a picture, a waveform with its player, or the beginning of a text."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ragstone.schemas.api import ItemSummary, Media
from ragstone.ui import document, inert, session, wording

PAGE = 24  # items
SNIPPET = 180  # characters
_NARROW, _WIDE = 168, 264  # pixels of a card: of pictures alone, and with texts
_HEARD = 2**20  # bytes of a recording up to which it can be played in the grid
_SHOWN = ("image", "audio")


def number_of_page(pages: int) -> int:
    """Return the page that the URL names, or the nearest there is."""
    wanted = session.at("page") or "1"
    return min(max(1, int(wanted)), pages) if wanted.isascii() and wanted.isdigit() else 1


def turn(pages: int, current: int) -> None:
    """Show the numbers of the pages, when there are several."""
    if pages < 2:
        return

    def to() -> None:
        number = st.session_state[key]
        session.go(page=str(number) if number > 1 else None)

    key = f"pages-{pages}-{current}"
    st.pagination(pages, default=current, key=key, on_change=to)


def cards(items: Sequence[ItemSummary]) -> None:
    """Show the items."""
    pictures = session.previews([item.item_id for item in items if item.modality in _SHOWN])
    texts = any(item.modality not in _SHOWN for item in items)
    with st.container(horizontal=True, gap="small"):
        for item in items:
            with st.container(border=True, width=_WIDE if texts else _NARROW, gap="xsmall"):
                _card(item, pictures.get(item.item_id))


def _card(item: ItemSummary, picture: Media | None) -> None:
    if picture is not None:
        st.image(picture.content, width="stretch")
    if item.modality == "audio" and item.size <= _HEARD:
        sound = session.sound(item.item_id)
        st.audio(sound.content, format=sound.media_type)
    inert.show(
        inert.title(item.title or item.name),
        inert.facts(
            "" if picture else item.media_type,
            wording.size(item.size),
            f"made by {item.synthetic}" if item.synthetic else "",
        ),
        inert.facts(*item.tags),
        inert.text(item.snippet) if item.snippet and picture is None else inert.facts(),
    )
    st.button(
        "Open",
        icon=":material/open_in_full:",
        type="tertiary",
        key=f"open-{item.item_id}",
        on_click=document.open_drawer,
        args=(item.item_id,),
    )
