"""A group of duplicates: each member beside the one that is kept, and in what they differ."""

from __future__ import annotations

import streamlit as st

from ragstone.schemas.api import DuplicateGroup, DuplicateMember, ItemComparison, ItemDetail
from ragstone.ui import document, inert, session, wording
from ragstone.ui.failures import shown

_MEMBERS = 4  # beside the kept one, at first
_SNIPPET = 300  # characters of a text


def draw(group: DuplicateGroup) -> None:
    """Show the members of a group, the kept one first."""
    kept = next((one for one in group.members if one.visible), group.members[0])
    others = [one for one in group.members if one is not kept]
    inert.show(
        inert.title(f"{wording.count(len(group.members), 'item')}, {group.kind}"),
        inert.facts(
            wording.count(group.hidden, "hidden item") if group.hidden else "all are visible",
            f"saves {wording.size(group.saved)}" if group.saved else "",
            group.group,
        ),
    )
    more = f"more-{group.group}"
    shown_now = others if st.session_state.get(more) else others[:_MEMBERS]
    for other in shown_now:
        left, right = st.columns(2)
        with left:
            _member(kept, "kept" if group.hidden else "visible", f"{group.group}-{other.item_id}")
        with right:
            _member(other, _standing(other), group.group)
        if group.kind in ("text", "exact", "semantic"):
            _difference(kept, other, group.group)
    if len(others) > len(shown_now):
        st.button(
            f"Show all {len(others):,}",
            icon=":material/expand_more:",
            type="tertiary",
            key=f"all-{group.group}",
            on_click=st.session_state.__setitem__,
            args=(more, True),
        )


def _standing(member: DuplicateMember) -> str:
    state = "visible" if member.visible else "hidden"
    if member.distance is not None:
        return f"{state}, distance {member.distance:.3f}"
    return state if member.visible else f"{state}, connected by others"


def _member(member: DuplicateMember, standing: str, place: str) -> None:
    inert.show(
        inert.title(member.name),
        inert.facts(standing, wording.size(member.size), member.source),
    )
    with shown():
        item = session.record(member.item_id)
        if isinstance(item, ItemDetail):
            _look(item)
    st.button(
        "Open item",
        icon=":material/open_in_new:",
        type="tertiary",
        key=f"open-{place}-{member.item_id}",
        on_click=document.open_drawer,
        args=(member.item_id,),
    )


def _look(item: ItemDetail) -> None:
    if item.modality in ("image", "audio"):
        st.image(session.preview(item.item_id).content, alt="Preview of the item")
    if item.modality == "audio":
        sound = session.original(item.item_id)
        st.audio(sound.content, format=sound.media_type)
    if item.text:
        cut = "…" if len(item.text) > _SNIPPET else ""
        inert.show(inert.text(item.text[:_SNIPPET] + cut))


def _difference(kept: DuplicateMember, other: DuplicateMember, place: str) -> None:
    """Show what differs, when somebody wants it: both texts are read for it."""
    key = f"differ-{place}-{other.item_id}"
    if not st.toggle("What differs", key=key):
        return
    with shown(), st.spinner("Comparing"):
        _compared(session.client().compare_items(kept.item_id, other.item_id))


def _compared(found: ItemComparison) -> None:
    if found.text is None:
        st.caption("The texts are equal.")
    else:
        for hunk in found.text.hunks:
            inert.show(inert.lines(hunk.lines))
        if found.text.cut:
            st.caption("More differs than is shown.")
    if found.fields:
        st.dataframe(
            {
                "Field": [change.field for change in found.fields],
                "Kept": [str(change.before) for change in found.fields],
                "Other": [str(change.after) for change in found.fields],
            },
            hide_index=True,
        )
