"""Inputs that could not become items: why, what to do, try again, or let go of them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ragstone.schemas.api import QuarantineInfo
from ragstone.ui import acts, inert, jobs_live, session, wording
from ragstone.ui.failures import shown

_MOST = 1_000  # rows of the table


def view(dataset: str | None = None) -> None:
    """Draw the quarantine, of one dataset or of all."""
    refused = session.client().quarantine(dataset)
    if not refused:
        st.caption("Nothing was refused: every input became an item.")
        return
    if len(refused) > _MOST:
        st.caption(f"The newest {_MOST:,} of {len(refused):,} are shown.")
    st.caption("Tick entries to retry or drop these alone.")
    ticked = _table(refused[:_MOST], every=dataset is None)
    with st.container(horizontal=True):
        _retry(ticked or refused, some=bool(ticked))
        _drop(ticked)
    for entry in ticked:
        with st.container(border=True):
            inert.show(
                inert.title(entry.source),
                inert.text(entry.reason),
                inert.facts(entry.hint, entry.code, entry.stage, entry.item_id[: wording.DIGEST]),
            )


def _table(refused: Sequence[QuarantineInfo], *, every: bool) -> list[QuarantineInfo]:
    found = st.dataframe(
        {
            **({"Dataset": [entry.dataset for entry in refused]} if every else {}),
            "Source": [entry.source for entry in refused],
            "Reason": [entry.reason for entry in refused],
            "What to do": [entry.hint for entry in refused],
            "Stage": [entry.stage for entry in refused],
            "Size": [wording.size(entry.size) for entry in refused],
            "When": [wording.moment(entry.created) for entry in refused],
        },
        hide_index=True,
        key=acts.key("quarantine"),
        on_select="rerun",
        selection_mode="multi-row",
    )
    return [refused[index] for index in found.selection.rows]


def _retry(entries: Sequence[QuarantineInfo], *, some: bool) -> None:
    """Offer to read again where entries came from: the ticked ones, or all."""
    if some:
        asked = st.button("Retry these", icon=":material/refresh:", key="quarantine-retry")
    else:
        asked = st.button("Retry all", icon=":material/refresh:", key="quarantine-retry")
    if asked:
        with shown():
            for dataset, ids in _by_dataset(entries).items():
                job = session.client().submit_quarantined(dataset, ids if some else ())
                jobs_live.expect(job)
            acts.done("They are being read again.", "What becomes an item leaves the quarantine.")


def _drop(ticked: Sequence[QuarantineInfo]) -> None:
    """Ask before entries go for good."""
    with st.popover(
        "Drop", icon=":material/delete:", disabled=not ticked, key=acts.key("quarantine-drop")
    ):
        st.markdown(f"Take {len(ticked):,} of them out of the quarantine?")
        st.caption(
            "Their bytes in quarantine are deleted. This cannot be undone, but the source can be "
            "ingested again."
        )
        if st.button("Drop them", type="primary", key="drop-sure"):
            with shown():
                for dataset, ids in _by_dataset(ticked).items():
                    session.client().drop_quarantined(dataset, ids)
                acts.done("They are gone from the quarantine.")


def _by_dataset(entries: Sequence[QuarantineInfo]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in entries:
        found.setdefault(entry.dataset, []).append(entry.id)
    return found
