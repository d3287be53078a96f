"""Generate: let a model make something, look how near it is to what it learnt from, and keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from ragstone.schemas.models import ModelInfo, Sample
from ragstone.ui import generate_form, generate_made, session, trained
from ragstone.ui.failures import shown

_LAST = "last made"


@dataclass(frozen=True, slots=True)
class Result:
    """What was made last, and how it was asked for."""

    model: ModelInfo
    asked: dict[str, Any]
    sample: Sample


def page() -> None:
    """Draw the page."""
    st.title("Generate")
    models = session.client().models()
    if not models:
        st.info("No model was trained here yet. Train one, then let it make something.")
        return
    model = _choose(models)
    with st.spinner("Loading the model"):
        offered = trained.offer(model)
    if not offered.tasks:
        st.info("A model of this family makes nothing: it tells things apart, or finds them.")
        return
    generate_made.warn(model)
    asked = generate_form.show(model, offered)
    if asked is not None:
        with shown(), st.spinner("The model is at work"):
            sample = session.client().sample(trained.reference(model), **asked, each=True)
            st.session_state[_LAST] = Result(model, asked, sample)
    last: Result | None = st.session_state.get(_LAST)
    if last is None or last.model.digest != model.digest:
        st.caption("What it makes appears here. The same settings and seed make the same again.")
    else:
        generate_made.show(last.model, last.asked, last.sample)


def _choose(models: list[ModelInfo]) -> ModelInfo:
    """Show the select box of models, the newest first."""
    named = {trained.reference(m): m for m in sorted(models, key=lambda m: m.created, reverse=True)}
    wanted = session.at("model") or ""
    newest = [name for name, model in named.items() if wanted in (name, model.name)]
    index = list(named).index(newest[0]) if newest else 0
    name = st.selectbox("Model", list(named), index=index)
    session.go(model=name)
    return named[name]
