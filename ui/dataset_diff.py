"""What changed between two versions: counts, then source by source, with fields and lines."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from ragstone.schemas.api import ItemChange, VersionDiff
from ragstone.ui import document, inert, session, wording
from ragstone.ui.session import Choice

_CHANGES = 10  # of each kind on a page
_PAGE = "changes"
_KINDS = {"added": "Added", "removed": "Removed", "moved": "Moved", "changed": "Changed"}


def view(choice: Choice) -> None:
    """Draw the comparison of two versions; the first choice is the last change."""
    numbers = [entry.version for entry in session.client().log(choice.dataset.name)]
    if len(numbers) < 2:
        st.info("There is only one version, so there is nothing to compare yet.")
        return
    before, after = _sides(choice, numbers)
    name = choice.dataset.name
    page = st.session_state.get(_PAGE) or session.at(_PAGE) or 1
    found = _found(name, before, after, int(page))
    _counts(found)
    counts = found.counts
    most = max(counts.added, counts.removed, counts.moved, counts.changed)
    if not most:
        st.info("Both versions hold the same.")
        return
    if most > _CHANGES:
        st.pagination(-(-most // _CHANGES), key=_PAGE, bind="query-params")
    for change in found.items:
        with st.container(border=True):
            _change(change)


def _sides(choice: Choice, numbers: list[int]) -> tuple[int, int]:
    """Ask for the two versions, newest first in both lists; the URL names them."""
    chosen = choice.version.version
    earlier = [number for number in numbers if number < chosen] or numbers[1:]
    left, right = st.columns(2)
    with left:
        before = st.selectbox(
            "Before",
            numbers,
            index=numbers.index(earlier[0]),
            key="before",
            bind="query-params",
        )
    with right:
        after = st.selectbox(
            "After",
            numbers,
            index=numbers.index(chosen if chosen > earlier[0] else numbers[0]),
            key="after",
            bind="query-params",
        )
    return before, after


def _found(name: str, before: int, after: int, page: int) -> VersionDiff:
    with st.spinner("Comparing"):
        return session.client().diff(
            f"{name}@{before}", f"{name}@{after}", limit=_CHANGES, offset=(page - 1) * _CHANGES
        )


def _counts(found: VersionDiff) -> None:
    counts = found.counts
    with st.container(horizontal=True, gap="medium"):
        st.metric("Added", f"{counts.added:,}", width="content")
        st.metric("Removed", f"{counts.removed:,}", width="content")
        st.metric("Moved", f"{counts.moved:,}", width="content")
        st.metric("Changed", f"{counts.changed:,}", width="content")
        st.metric("Same", f"{counts.same:,}", width="content")
    inert.show(
        inert.facts(
            f"{wording.count(counts.chunks_added, 'chunk')} added",
            f"{wording.count(counts.chunks_removed, 'chunk')} removed",
            "other vectors" if found.reembedded else "",
            "other settings shaped the chunks" if found.resettled else "",
        )
    )


def _change(change: ItemChange) -> None:
    was = f"was {change.was}" if change.was else ""
    inert.show(
        inert.title(change.title or change.name),
        inert.facts(_KINDS[change.kind], change.source, was),
        inert.changes(
            (field.field, _value(field.before), _value(field.after)) for field in change.fields
        ),
    )
    if change.text is not None:
        for hunk in change.text.hunks:
            inert.show(inert.facts(f"line {hunk.before:,}"), inert.lines(hunk.lines))
        if change.text.cut:
            st.caption("More differs than is shown.")
    _open(change)


def _open(change: ItemChange) -> None:
    """Offer to open each side that is there in the drawer."""
    key = f"{change.kind}-{change.source}"
    with st.container(horizontal=True):
        if change.before is not None and change.kind != "moved":
            st.button(
                "Open before",
                type="tertiary",
                icon=":material/menu_book:",
                key=f"before-{key}",
                on_click=document.open_drawer,
                args=(change.before,),
            )
        if change.after is not None:
            st.button(
                "Open after",
                type="tertiary",
                icon=":material/menu_book:",
                key=f"after-{key}",
                on_click=document.open_drawer,
                args=(change.after,),
            )


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
