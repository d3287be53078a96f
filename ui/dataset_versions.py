"""The history of a dataset as a timeline, and what can be done with one of its versions."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ragstone.schemas.api import VersionInfo
from ragstone.ui import acts, inert, session, wording
from ragstone.ui.failures import shown
from ragstone.ui.session import Choice

_VERSIONS = 20  # on a page


def view(choice: Choice) -> None:
    """Draw what can be done with the chosen version, and the timeline."""
    history = session.client().log(choice.dataset.name)
    st.caption(f"What follows is about version {choice.version.version:,}; choose it above.")
    with st.container(horizontal=True):
        _tag(choice)
        _untag(choice)
        _fork(choice)
        _restore(choice, history[0])
        _export(choice)
    pages = -(-len(history) // _VERSIONS)
    number = st.pagination(pages, key=f"versions-{choice.dataset.name}") if pages > 1 else 1
    _timeline(history[(number - 1) * _VERSIONS : number * _VERSIONS])


def _timeline(history: Sequence[VersionInfo]) -> None:
    inert.show(
        inert.steps(
            (
                f"Version {entry.version}" + (f": {entry.message}" if entry.message else ""),
                (
                    *(f"tag {tag}" for tag in entry.tags),
                    wording.moment(entry.created),
                    f"{entry.added:,} added, {entry.removed:,} removed",
                    wording.count(entry.items, "item"),
                    f"digest {entry.digest[: wording.DIGEST]}",
                    wording.count(len(entry.forgotten), "erasure") if entry.forgotten else "",
                ),
            )
            for entry in history
        )
    )


def _exact(choice: Choice) -> str:
    return f"{choice.dataset.name}@{choice.version.version}"


def _tag(choice: Choice) -> None:
    with st.popover("Tag", icon=":material/label:", key=acts.key("tag")):
        tag = st.text_input(
            "Name of the version", key=acts.key("tag-name"), placeholder="release-1"
        )
        message = st.text_input("Message", key=acts.key("tag-message"))
        move = st.checkbox(
            "Take it from another version", key=acts.key("tag-move"), help="If it names one."
        )
        st.caption("gc keeps a version that has a tag.")
        if st.button("Give the tag", type="primary", disabled=not tag.strip(), key="tag-sure"):
            with shown():
                made = session.client().tag(
                    _exact(choice), tag.strip(), message=message.strip(), move=move
                )
                acts.done(
                    f"Version {made.version} is now called {made.tag}.", "Untag takes it away."
                )


def _untag(choice: Choice) -> None:
    tags = choice.version.tags
    with st.popover("Untag", icon=":material/label_off:", disabled=not tags, key=acts.key("untag")):
        tag = st.selectbox("Tag", tags, key=acts.key("untag-name"))
        st.caption("The version stays, and can be tagged again; gc may give it up then.")
        if st.button("Take it away", type="primary", key="untag-sure") and tag:
            with shown():
                session.client().untag(choice.dataset.name, tag)
                acts.done("The tag is gone.", "To undo it, give it again.")


def _fork(choice: Choice) -> None:
    with st.popover("Fork", icon=":material/fork_right:", key=acts.key("fork")):
        name = st.text_input("Name of the new dataset", key=acts.key("fork-name"))
        message = st.text_input("Message", key=acts.key("fork-message"))
        st.caption(
            "It begins equal to this version, and copies nothing. This dataset stays as it is."
        )
        if st.button("Make the fork", type="primary", disabled=not name.strip(), key="fork-sure"):
            with shown():
                made = session.client().fork(_exact(choice), name.strip(), message=message.strip())
                session.go(dataset=made.dataset)
                acts.done(f"{made.dataset} is a dataset of its own now.", version=session.NEWEST)


def _restore(choice: Choice, newest: VersionInfo) -> None:
    same = choice.version.version == newest.version
    with st.popover("Restore", icon=":material/history:", disabled=same, key=acts.key("restore")):
        st.markdown(f"A new version that is equal to version {choice.version.version:,}?")
        st.caption(f"Nothing is lost. To undo it, restore version {newest.version:,}.")
        message = st.text_input("Message", key=acts.key("restore-message"))
        if st.button("Restore it", type="primary", key="restore-sure"):
            with shown():
                made = session.client().restore(_exact(choice), message=message.strip())
                acts.done(
                    f"Version {made.version} is equal to version {choice.version.version}.",
                    f"To undo it, restore version {newest.version}.",
                    version=session.NEWEST,
                )


def _export(choice: Choice) -> None:
    with st.popover("Export", icon=":material/download:", key=acts.key("export")):
        folder = st.text_input(
            "New folder",
            key=acts.key("export-folder"),
            placeholder="/data/exports/stones",
            help="A path of the server's machine. Hugging Face datasets and Ragstone read it.",
        )
        licence = st.text_input("Licence", "unknown", key=acts.key("export-licence"))
        if st.button("Export", type="primary", disabled=not folder.strip(), key="export-sure"):
            with shown(), st.spinner("Writing the version"):
                made = session.client().export(
                    _exact(choice), folder.strip(), licence=licence.strip() or "unknown"
                )
                written = f"{wording.count(made.items, 'item')}, {wording.size(made.bytes)}"
                acts.done(
                    f"Exported to {made.folder}: {written}.", "To undo it, delete the folder."
                )
