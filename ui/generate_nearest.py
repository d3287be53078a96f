"""The items of a version that are nearest to what a model made, which tell whether it copies."""

from __future__ import annotations

from difflib import SequenceMatcher

import streamlit as st

from ragstone.schemas.api import Hit
from ragstone.schemas.models import ModelInfo
from ragstone.ui import inert, session, trained
from ragstone.ui.inert import Mark

_NEAREST = 3
_QUERY = 1_000  # characters of a text that are searched by
_COPIED = 50  # characters in a row that are no chance


def of_file(model: ModelInfo, content: bytes, media_type: str) -> None:
    """Show the nearest images, or recordings, and how near: 1 is the same to the encoder."""
    hits = _files(session.client().url, trained.learnt_from(model), content, media_type)
    if not hits:
        st.caption("Nothing that it learnt from can be compared.")
        return
    with st.container(horizontal=True, gap="small"):
        for hit in hits:
            with st.container(width=66):
                st.image(session.preview(hit.item_id).content, width=64)
                inert.show(inert.facts(f"{likeness(hit):.2f}", hit.name))


def of_text(model: ModelInfo, text: str) -> None:
    """Show the nearest passages, and the longest stretch that stands in each word for word."""
    if not text.strip():
        return
    hits = _texts(session.client().url, trained.learnt_from(model), text[:_QUERY])
    for hit in hits:
        start, length = stretch(text, hit.text)
        shown = max(0, start - _COPIED)
        mark = Mark(start - shown, start - shown + length, "passage")
        inert.show(
            inert.title(hit.title or hit.name, hit.rank),
            inert.facts(
                f"{length} characters word for word",
                "copied" if length >= _COPIED else "",
                hit.name,
            ),
            inert.text(hit.text[shown : start + length + _COPIED], [mark]),
        )


def likeness(hit: Hit) -> float:
    """Return how alike an item is, by the best of what compared it."""
    return max((arm.score for arm in hit.arms.values()), default=hit.score)


def stretch(text: str, passage: str) -> tuple[int, int]:
    """Return where in a passage the longest stretch of a text stands, and how long it is."""
    match = SequenceMatcher(None, text, passage, autojunk=False).find_longest_match()
    return match.b, match.size


@st.cache_resource(ttl=600, max_entries=128, show_spinner="Looking for the nearest")
def _files(url: str, dataset: str, content: bytes, media_type: str) -> list[Hit]:  # noqa: ARG001
    given = {"audio" if media_type.startswith("audio/") else "image": content}
    found = session.client().search("", dataset, mode="vector", k=_NEAREST, **given)  # type: ignore[arg-type]
    return found.hits


@st.cache_resource(ttl=600, max_entries=128, show_spinner="Looking for the nearest")
def _texts(url: str, dataset: str, text: str) -> list[Hit]:  # noqa: ARG001
    return session.client().search(text, dataset, k=_NEAREST).hits
