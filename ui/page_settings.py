"""Settings & health: is the storage whole, what it takes, what the server runs with."""

from __future__ import annotations

import json

import streamlit as st

from ragstone.client import Address
from ragstone.schemas.api import Collection, DoctorReport
from ragstone.schemas.insight import About
from ragstone.ui import acts, inert, session, wording
from ragstone.ui.failures import shown
from ragstone.ui.inert import Bar

_HEALTH, _STORAGE, _SETTINGS, _MODELS = "Health", "Storage", "Settings", "Encoders and generators"
_REPORT = "doctor report"
_MASKED = 4  # characters of a token that are shown


def page() -> None:
    """Draw the page."""
    st.title("Settings & health")
    acts.say()
    view = st.segmented_control(
        "View",
        [_HEALTH, _STORAGE, _SETTINGS, _MODELS],
        default=_HEALTH,
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )
    if view == _STORAGE:
        _storage()
    elif view == _SETTINGS:
        _settings(session.client().about())
    elif view == _MODELS:
        _models(session.client().about())
    else:
        _health()


# ---------------------------------------------------------------- health


def _health() -> None:
    where = session.address()  # without a server there is nothing to check
    st.caption(
        "The doctor checks every promise of the storage: that files are whole, that versions have "
        "all they name, that answers are as they were stored. Nothing is changed."
    )
    if st.button("Check now", icon=":material/stethoscope:", type="primary", key="doctor"):
        with shown(), st.spinner("Checking every file"):
            st.session_state[_REPORT] = session.client().doctor()
    report = st.session_state.get(_REPORT)
    if isinstance(report, DoctorReport):
        _report(report)
    _access(where)


def _report(report: DoctorReport) -> None:
    if report.healthy:
        st.success("Everything is as it has to be.", icon=":material/verified:")
    else:
        st.error(f"Found {len(report.findings):,} problems.", icon=":material/report:")
    for finding in report.findings:
        with st.container(border=True):
            inert.show(
                inert.title(f"{finding.check}: {finding.problem}"),
                inert.facts(finding.where),
                inert.text(finding.remedy),
            )
    st.dataframe(
        {
            "Check": list(report.checks),
            "Things looked at": list(report.checks.values()),
            "Problems": [sum(f.check == name for f in report.findings) for name in report.checks],
        },
        hide_index=True,
    )


def _access(where: Address) -> None:
    """Say where the server is, and of its token no more than tells it from another."""
    st.subheader("Access")
    inert.show(
        inert.facts(
            where.url,
            f"token {where.token[:_MASKED]}…",
            f"workspace {session.workspace()}",
        )
    )
    st.caption(
        "The server makes a new token each time it starts, and writes it to owner.json in the "
        "workspace, which its owner alone can read. From Python on this machine no token is needed:"
    )
    st.code("ragstone.connect(WORKSPACE)", language="python")


# ---------------------------------------------------------------- storage


def _storage() -> None:
    with st.spinner("Measuring"):
        uses = session.client().overview().storage
    total = sum(use.bytes for use in uses)
    largest = max((use.bytes for use in uses), default=1)
    inert.show(
        inert.title(f"{wording.size(total)} in all"),
        inert.bars(
            Bar(use.area, use.bytes / max(largest, 1), wording.size(use.bytes))
            for use in sorted(uses, key=lambda use: -use.bytes)
        ),
    )
    st.subheader("Give up old versions")
    st.caption(
        "The newest version of a dataset and those with a tag always stay. With neither number, "
        "only what failed jobs left goes."
    )
    left, right = st.columns(2)
    with left:
        keep = st.number_input("Newest versions to keep", 1, None, None, key=acts.key("keep"))
    with right:
        days = st.number_input("Days to keep", 0, None, None, key=acts.key("days"))
    if st.toggle("Say what would go", key=acts.key("gc-preview")):
        with shown(), st.spinner("Looking what nothing needs"):
            found = session.client().gc(keep=keep, days=days, dry_run=True)
            _collection(found, keep, days)


def _collection(found: Collection, keep: int | None, days: int | None) -> None:
    with st.container(horizontal=True, gap="large"):
        st.metric("Versions", f"{len(found.versions):,}", width="content")
        st.metric("Files", f"{found.files:,}", width="content")
        st.metric("Freed", wording.size(found.bytes), width="content")
        st.metric("Answers without replay", f"{found.answers:,}", width="content")
    inert.show(inert.facts(*found.versions))
    if not (found.versions or found.files):
        st.caption("There is nothing to delete.")
        return
    with st.popover("Delete it", icon=":material/delete:", key=acts.key("gc")):
        st.caption(
            f"Deletes {len(found.versions):,} versions and {found.files:,} files for good. This "
            "cannot be undone: make a backup first if in doubt."
        )
        if st.button("Delete for good", type="primary", key="gc-now"):
            with shown(), st.spinner("Deleting"):
                done = session.client().gc(keep=keep, days=days)
                acts.done(
                    f"Deleted {wording.count(len(done.versions), 'version')}, "
                    f"{wording.size(done.bytes)} freed.",
                )


# ---------------------------------------------------------------- what it runs with


def _settings(about: About) -> None:
    changed = st.toggle("Only what is not the default", key="changed", bind="query-params")
    rows = [row for row in about.settings if row.origin != "default" or not changed]
    st.caption(
        "Set in ragstone.toml in the workspace, or in the environment; they count from the next "
        "start of the server."
    )
    if rows:
        st.dataframe(
            {
                "Setting": [row.name for row in rows],
                "Value": [json.dumps(row.value, ensure_ascii=False) for row in rows],
                "Default": [json.dumps(row.default, ensure_ascii=False) for row in rows],
                "Says who": [row.origin for row in rows],
                "Meaning": [row.description for row in rows],
            },
            hide_index=True,
        )
    else:
        st.info("All settings are as they come.")
    st.subheader("Versions of the main libraries")
    st.dataframe(
        {
            "Library": ["Ragstone", "Python", *about.libraries],
            "Version": [about.release, about.python, *about.libraries.values()],
        },
        hide_index=True,
    )


def _models(about: About) -> None:
    st.subheader("Encoders in use")
    if about.encoders:
        st.dataframe(
            {
                "Dataset": [use.dataset for use in about.encoders],
                "Of": [use.modality for use in about.encoders],
                "Encoder": [use.encoder for use in about.encoders],
                "Space": [use.space for use in about.encoders],
            },
            hide_index=True,
        )
    else:
        st.info("No dataset has been made yet.")
    st.subheader("Generators")
    with st.spinner("Looking who can write"):
        known = session.generators()
    st.dataframe(
        {
            "Generator": [info.id for info in known],
            "Can write": [info.available for info in known],
            "Chosen": [info.chosen for info in known],
            "Note": [info.note for info in known],
        },
        hide_index=True,
    )
    key = "is set" if about.api_key else "is not set"
    inert.show(inert.facts(f"The API key for chat servers {key}."))
