"""Duplicates: what is there twice, what another policy would make of it, and that policy."""

from __future__ import annotations

import streamlit as st

from ragstone.schemas.api import DuplicatePreview, DuplicateReport
from ragstone.ui import document, duplicate_group, duplicate_policy, session, wording
from ragstone.ui.session import Choice

_MEANINGS = {
    "exact": "the same text without markup, the same pixels, the same samples",
    "text": "nearly the same words",
    "image": "nearly the same picture",
    "audio": "nearly the same recording",
    "semantic": "nearly the same meaning",
}
_ALL = "all kinds"
_GROUPS = 10  # on a page


def page() -> None:
    """Draw the page."""
    st.title("Duplicates")
    choice = session.choose()
    if choice is None:
        return
    client = session.client()
    with st.spinner("Grouping"):
        now = client.duplicates(choice.reference, limit=1)
    kind = _kind(now)
    wanted = duplicate_policy.controls(now, choice)
    number = int(st.session_state.get(_pages_key(choice), 1))
    with st.spinner("Grouping"):
        found = client.preview_duplicates(
            choice.reference,
            keep=wanted.keep,
            thresholds=wanted.thresholds,
            kind=None if kind == _ALL else kind,
            offset=(number - 1) * _GROUPS,
            limit=_GROUPS,
        )
    duplicate_policy.consequences(found, wanted, choice)
    if found.total:
        _groups(found, choice)
    else:
        _none(kind)
    document.drawer()


def _kind(now: DuplicateReport) -> str:
    """Show what there is of each kind, and choose which groups to list."""
    counts = {entry.kind: entry for entry in now.kinds}
    if counts:
        st.dataframe(
            {
                "Kind": list(counts),
                "What is the same": [_MEANINGS[kind] for kind in counts],
                "Groups": [entry.groups for entry in counts.values()],
                "Items": [entry.items for entry in counts.values()],
                "Hidden": [entry.hidden for entry in counts.values()],
                "Saved": [wording.size(entry.saved) for entry in counts.values()],
            },
            hide_index=True,
        )
    chosen = st.segmented_control(
        "Kind",
        [_ALL, *duplicate_policy.KINDS],
        default=_ALL,
        required=True,
        key="kind",
        bind="query-params",
    )
    return chosen or _ALL


def _groups(found: DuplicatePreview, choice: Choice) -> None:
    st.subheader("Groups")
    st.caption(f"{found.total:,} in all, the largest first.")
    for group in found.report.groups:
        with st.container(border=True):
            duplicate_group.draw(group)
    pages = -(-found.total // _GROUPS)
    if pages > 1:
        st.pagination(pages, key=_pages_key(choice))


def _pages_key(choice: Choice) -> str:
    return f"groups-{choice.reference}"


def _none(kind: str) -> None:
    if kind == _ALL:
        st.info("Nothing is there twice.", icon=":material/check_circle:")
    else:
        st.info("No duplicates of this kind.", icon=":material/check_circle:")
    if kind == "semantic":
        st.caption(
            "Items of nearly the same meaning are looked for as soon as the rule of this kind "
            "keeps one of them: choose first, best or newest, and apply it."
        )
