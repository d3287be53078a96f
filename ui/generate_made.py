"""What a model made: a gallery, what it is near to, and the way into a dataset."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ragstone.schemas.models import ModelInfo, Sample
from ragstone.ui import generate_nearest, inert, made, session, trained, wording
from ragstone.ui.failures import shown

_COLUMNS = 4
_ENDINGS = {"image/png": "png", "audio/wav": "wav"}
_NEW = "new-dataset"


def warn(model: ModelInfo) -> None:
    """Say what is known of a model that gives back what it learnt from."""
    with shown():
        copying = session.client().copying(trained.reference(model))
        if copying.verdict == "copies":
            st.warning("This model copies what it learnt from.", icon=":material/content_copy:")
            inert.show(inert.facts(copying.said))
        elif copying.verdict == "some":
            st.info("Some of what this model makes are copies.", icon=":material/content_copy:")
            inert.show(inert.facts(copying.said))
        elif copying.verdict == "unknown":
            st.caption("Whether this model copies was not measured yet: see Evaluate, models.")


def show(model: ModelInfo, asked: dict[str, Any], sample: Sample) -> None:
    """Draw the gallery of one request."""
    pieces = sample.pieces
    st.subheader("What it made")
    inert.show(
        inert.facts(
            sample.model,
            f"seed {sample.seed}",
            wording.count(len(pieces), "thing"),
            *(f"{name}: {value}" for name, value in sample.conditions.items()),
            sample.prompt,
        )
    )
    near = st.toggle(
        "Compare with what it learnt from",
        value=True,
        key="near",
        help="Beside each thing the three nearest items of the version that the model learnt from.",
    )
    if sample.media_type:
        _files(model, sample, near=near)
    else:
        _texts(model, sample, near=near)
    _save(model, asked, len(pieces))


def _files(model: ModelInfo, sample: Sample, *, near: bool) -> None:
    ending = _ENDINGS.get(sample.media_type, "bin")
    if len(sample.pieces) > 1:
        st.download_button(
            "Download all on one sheet",
            sample.media,
            file_name=f"all.{ending}",
            mime=sample.media_type,
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
        )
    for start in range(0, len(sample.pieces), _COLUMNS):
        columns = st.columns(_COLUMNS)
        row = sample.pieces[start : start + _COLUMNS]
        for number, (column, piece) in enumerate(zip(columns, row, strict=False), start + 1):
            with column, st.container(border=True):
                made.show(piece, sample.media_type, "")
                _download(piece, sample.media_type, f"{number}.{ending}", f"{number}")
                if near:
                    with shown():
                        generate_nearest.of_file(model, piece, sample.media_type)


def _texts(model: ModelInfo, sample: Sample, *, near: bool) -> None:
    for number, piece in enumerate(sample.pieces, start=1):
        with st.container(border=True):
            text = piece.decode()
            inert.show(inert.text(text))
            _download(piece, "text/plain", f"{number}.txt", f"{number}")
            if near:
                with shown():
                    generate_nearest.of_text(model, text)


def _download(content: bytes, media_type: str, name: str, key: str) -> None:
    st.download_button(
        "Download",
        content,
        file_name=name,
        mime=media_type,
        icon=":material/download:",
        type="tertiary",
        key=f"download-{key}",
        on_click="ignore",
    )


def _save(model: ModelInfo, asked: dict[str, Any], number: int) -> None:
    """Let what was made be added to a dataset, marked as made by a model."""
    with (
        st.expander("Save to a dataset", icon=":material/save:", key="save"),
        st.form("save-form", border=False),
    ):
        names = [info.name for info in session.client().datasets()]
        own = model.data.dataset
        dataset = st.selectbox(
            "Dataset",
            names or [_NEW],
            index=names.index(own) if own in names else 0,
            accept_new_options=True,
            key="save-into",
        )
        message = st.text_input("Message", key="save-message", placeholder="what it is for")
        st.caption(
            f"{number:,} will be added in a new version, marked as made by a model: searches, "
            "answers and trainings leave them out unless they are asked for."
        )
        if st.form_submit_button("Save as synthetic", icon=":material/save:"):
            with shown(), st.spinner("Adding"):
                _add(model, asked, dataset, message)


def _add(model: ModelInfo, asked: dict[str, Any], dataset: str, message: str) -> None:
    saved = session.client().sample(
        trained.reference(model), **asked, ingest=dataset, message=message
    )
    if saved.ingested is None:
        return
    version, added = saved.ingested.version, saved.ingested.items.added
    if not added:
        st.info("It has them already: the same request makes the same.")
        return
    st.success(f"{added:,} added, in version {version:,}.")
    inert.show(
        inert.facts(
            f"To undo it, restore version {version - 1} of {dataset} under Datasets."
            if version > 1
            else f"They are all that {dataset} holds."
        )
    )
