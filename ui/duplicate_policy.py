"""The policy of duplicates: rules with sliders, what they would do, and putting them in force."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from ragstone.schemas.api import DuplicatePreview, DuplicateReport
from ragstone.ui import inert, session
from ragstone.ui.failures import shown
from ragstone.ui.session import Choice

KINDS = ("exact", "text", "image", "audio", "semantic")
_WAYS = ("first", "best", "newest", "all")
# Farther pairs are not recorded; those of exact ones are all at 0.
_LARGEST = {"text": 0.5, "image": 0.5, "audio": 0.5, "semantic": 0.3}
_STEP = 0.01
_BEFORE = "policy before"  # in the state of the session: what undoes the last change


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rules that are other than those in force."""

    keep: dict[str, str] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.keep or self.thresholds)


def controls(now: DuplicateReport, choice: Choice) -> Wanted:
    """Show the rules of the kinds there are, and return those that somebody has changed."""
    there = {entry.kind for entry in now.kinds} | {"semantic"}
    wanted = Wanted()
    with st.expander("Rules", icon=":material/tune:", expanded=True):
        st.caption(
            "Which item of a group stays visible, and up to which distance two items are "
            "duplicates. The groups below follow at once; nothing is changed before you apply it."
        )
        for kind in KINDS:
            if kind in there:
                _rule(kind, now.policy[kind], choice, wanted)
    return wanted


def _rule(kind: str, now: dict[str, Any], choice: Choice, wanted: Wanted) -> None:
    # Another version has rules of its own, and so have those that were put in force.
    key = f"{kind}-{choice.dataset.name}-{choice.version.version}"
    name, left, right = st.columns([1, 2, 4], vertical_alignment="center")
    with name:
        inert.show(inert.title(kind))
    with left:
        way = st.selectbox(
            "Keep",
            _WAYS,
            index=_WAYS.index(now["keep"]),
            key=f"keep-{key}",
            help="first: by name. best: of the highest quality. newest: of the latest time. "
            "all: nothing is hidden.",
        )
    if way != now["keep"]:
        wanted.keep[kind] = way
    if kind not in _LARGEST:
        return
    with right:
        distance = st.slider(
            "Distance up to",
            0.0,
            max(_LARGEST[kind], now["threshold"]),
            now["threshold"],
            _STEP,
            key=f"distance-{key}",
        )
    if abs(distance - now["threshold"]) > _STEP / 2:
        wanted.thresholds[kind] = round(distance, 4)


# ---------------------------------------------------------------- putting it in force


def consequences(found: DuplicatePreview, wanted: Wanted, choice: Choice) -> None:
    """Say what the next version would show and hide, and offer to make it."""
    hidden = sum(entry.hidden for entry in found.report.kinds)
    with st.container(horizontal=True, gap="large"):
        st.metric("Visible", f"{found.items:,}", width="content")
        st.metric("Hidden", f"{hidden:,}", width="content")
        if wanted:
            st.metric("Newly hidden", f"{found.newly_hidden:,}", width="content")
            st.metric("Shown again", f"{found.shown_again:,}", width="content")
    if choice.pinned:
        st.caption("This is an old version. Choose the newest one to change its rules.")
        return
    with st.container(horizontal=True):
        if wanted:
            _apply(found, wanted, choice)
            st.button(
                "Discard the changes", icon=":material/close:", on_click=_forget_sliders, key="no"
            )
        elif hidden:
            _show_all(choice)
        _undo(choice)


def _apply(found: DuplicatePreview, wanted: Wanted, choice: Choice) -> None:
    with st.popover("Apply these rules", icon=":material/done_all:", key="apply"):
        st.caption(
            f"Makes a new version with {found.items:,} visible items: {found.newly_hidden:,} newly "
            f"hidden, {found.shown_again:,} shown again. No item is deleted; Undo makes it as it "
            "was, and the version before stays."
        )
        if st.button("Make the version", type="primary", key="apply-now"):
            _put_in_force(choice, keep=wanted.keep, thresholds=wanted.thresholds)


def _show_all(choice: Choice) -> None:
    with st.popover("Show everything", icon=":material/visibility:", key="show-all"):
        with st.spinner("Counting"):
            after = session.client().preview_duplicates(choice.reference, undo=True, limit=1)
        st.caption(
            f"Makes a new version in which all duplicates are visible: {after.shown_again:,} items "
            "come back. Undo hides them again."
        )
        if st.button("Show them all", type="primary", key="show-all-now"):
            _put_in_force(choice, undo=True)


def _undo(choice: Choice) -> None:
    before = st.session_state.get(_BEFORE, {}).get(choice.dataset.name)
    if before is None:
        return
    if st.button(
        "Undo",
        icon=":material/undo:",
        key="undo",
        help="Makes a new version with the rules of before the last change.",
    ):
        _put_in_force(
            choice,
            keep={kind: rule["keep"] for kind, rule in before.items()},
            thresholds={kind: rule["threshold"] for kind, rule in before.items()},
        )


def _put_in_force(choice: Choice, **rules: Any) -> None:
    """Make the next version, and remember what its rules were before."""
    client = session.client()
    with shown(), st.spinner("Making the version"):
        before = client.duplicates(choice.dataset.name, limit=1).policy
        made = client.set_duplicate_policy(choice.dataset.name, **rules)
        st.session_state.setdefault(_BEFORE, {})[choice.dataset.name] = before
        hidden = sum(entry.hidden for entry in made.kinds)
        st.toast(f"Version {made.version:,}: {hidden:,} items are hidden.", icon=":material/check:")
        st.rerun()


def _forget_sliders() -> None:
    for key in list(st.session_state):
        if str(key).startswith(("keep-", "distance-")):
            del st.session_state[key]
