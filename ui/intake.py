"""Bringing data in: files that are dropped here, and places that the server reads itself."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from ragstone.ui import acts, jobs_live, session
from ragstone.ui.failures import shown

_MOST_MB = 1_024  # of one file: this process holds it in memory
_FILES, _FOLDER = "Files", "A folder"
_NAMED = 3  # files that a message names
_UNDO = "To undo it, restore the version before, under Versions."


def drop_files(datasets: Sequence[str], chosen: str = "") -> None:
    """Offer to upload files or a folder, into a dataset that is there or a new one."""
    what = st.segmented_control(
        "Upload", [_FILES, _FOLDER], default=_FILES, required=True, key="upload-what"
    )
    with st.form("upload", border=False, clear_on_submit=False):
        files = st.file_uploader(
            "Drop files here; archives are opened",
            accept_multiple_files="directory" if what == _FOLDER else True,
            max_upload_size=_MOST_MB,
            key=acts.key("upload-files"),
        )
        dataset = _dataset(datasets, chosen, "upload-dataset")
        message = st.text_input("Message", key=acts.key("upload-message"))
        sent = st.form_submit_button("Upload", type="primary", icon=":material/upload:")
    if not sent:
        return
    if not files or not dataset:
        st.warning("Choose files, and name a dataset.")
        return
    with shown(), st.spinner("Sending the files to the server"):
        named = _by_name(files)
        said = message.strip() or _said(list(named))
        jobs_live.expect(session.client().upload(named, dataset, message=said))
        session.choose_when_there(dataset)
        acts.done("The files have come in, and are being read.", _UNDO)


def add_source(datasets: Sequence[str], chosen: str = "") -> None:
    """Offer to have the server read a path, an address or a database."""
    with st.form("source", border=False):
        place = st.text_input(
            "Path or address",
            key=acts.key("source-place"),
            placeholder="/data/reports, https://…, sitemap:https://…, s3://…, sqlite:///…",
            help="Paths are those of the server's machine. A later Sync reads it again.",
        )
        text = st.text_input(
            "Text columns",
            key=acts.key("source-text"),
            help="Of tables: the columns with the text, with commas between them. Each row becomes "
            "an item.",
        )
        dataset = _dataset(datasets, chosen, "source-dataset")
        message = st.text_input("Message", key=acts.key("source-message"))
        sent = st.form_submit_button("Add", type="primary", icon=":material/add_link:")
    if not sent:
        return
    if not place.strip() or not dataset:
        st.warning("Say what to read, and name a dataset.")
        return
    with shown(), st.spinner("Looking at the source"):
        job = session.client().submit(
            place.strip(), dataset, message=message.strip(), text=text.strip()
        )
        jobs_live.expect(job)
        session.choose_when_there(dataset)
        acts.done("The source is being read.", _UNDO)


def try_demo() -> None:
    """Offer to take in the files of the demonstration."""
    if st.button("Try the demo files", icon=":material/science:", key="demo"):
        from ragstone.cli.demo_files import sample_files

        with shown(), st.spinner("Writing eleven small files"):
            client = session.client()
            jobs_live.expect(client.upload(sample_files(), "stones", message="the stone library"))
            session.choose_when_there("stones")
            acts.done("The demo files are being read.", "One of them is broken, on purpose.")


def _dataset(datasets: Sequence[str], chosen: str, name: str) -> str:
    if not datasets:
        return st.text_input("New dataset", "documents", key=acts.key(name)).strip()
    dataset = st.selectbox(
        "Into dataset",
        datasets,
        index=datasets.index(chosen) if chosen in datasets else 0,
        accept_new_options=True,
        key=acts.key(f"{name}-{chosen}"),
        help="Choose one, or type the name of a new one.",
    )
    return (dataset or "").strip()


def _by_name(files: Sequence[UploadedFile]) -> dict[str, bytes]:
    """Return the files by their names; a second one of the same name stands in a folder."""
    found: dict[str, bytes] = {}
    for file in files:
        name, number = file.name, 2
        while name in found:
            name, number = f"{number}/{file.name}", number + 1
        found[name] = file.getvalue()
    return found


def _said(names: Sequence[str]) -> str:
    """Return the message of an upload for which nobody wrote one."""
    shown_names = ", ".join(names[:_NAMED])
    rest = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"uploaded {shown_names}{rest}"
