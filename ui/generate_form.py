"""What a model is asked for: a form made from what it can do."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ragstone.schemas.models import ModelInfo, ModelOffer
from ragstone.ui import generate_given, session

_ANY = "any"
_MOST, _USUAL = 16, 4  # things made at once
_DIGITS = 15  # of a seed in an address, at most
_TASKS = {
    "sample": "Something new",
    "reconstruct": "Give back",
    "denoise": "Take noise away",
    "interpolate": "Between two",
    "inpaint": "Fill in a part",
    "translate": "Another like this one",
    "upscale": "Enlarge",
}
_SOLVERS = ("heun", "euler", "ddpm", "ddim", "dpm++2m")
_OWN = "the model's own"
_KEPT = ("top", "bottom", "left", "right")


def show(model: ModelInfo, offered: ModelOffer) -> dict[str, Any] | None:
    """Draw the form; return the arguments of `Client.sample` when it was sent."""
    images = offered.material == "images"
    task = _task(offered.tasks) if images else offered.tasks[0]
    given: dict[str, Any] = {}
    if images and task != "sample":
        given = generate_given.show(model, pair=task == "interpolate")
    with st.form("generate"):
        asked: dict[str, Any] = _words(offered)
        asked |= _conditions(offered)
        if images:
            asked |= {"task": task, **_work(model, task)}
        with st.container(horizontal=True):
            asked |= _chance(model, offered)
            if task not in ("reconstruct", "interpolate"):
                asked["count"] = st.number_input(
                    "How many", 1, _MOST, _USUAL if images else 1, key="count", width=130
                )
        sent = st.form_submit_button("Make", icon=":material/auto_awesome:", type="primary")
    if not sent:
        return None
    _remember(asked)
    if not ready(task, given, offered, asked):
        return None
    return {**asked, **given}


def _remember(asked: dict[str, Any]) -> None:
    """Put into the address what was asked for, so that a link asks for the same."""
    seed = asked.get("sampler", {}).get("seed")
    conditions = asked.get("conditions", {})
    session.go(
        seed=str(seed) if seed else None,
        label=conditions.get("label"),
        speaker=conditions.get("speaker"),
        prompt=asked.get("prompt") or None,
    )


def _seed() -> int:
    said = session.at("seed") or ""
    return int(said) if said.isdecimal() and len(said) <= _DIGITS else 0


def ready(task: str, given: dict[str, Any], offered: ModelOffer, asked: dict[str, Any]) -> bool:
    """Say what is missing, if anything."""
    number = len(given.get("images", ()))
    if task == "interpolate" and number != 2:
        st.warning("Choose two things to go between.")
        return False
    if offered.material == "images" and task != "sample" and not number:
        st.warning("Choose something that it is made of.")
        return False
    if offered.material in ("pairs", "gaps") and not asked.get("prompt", "").strip():
        st.warning("Type a text first.")
        return False
    return True


def _task(tasks: list[str]) -> str:
    chosen = st.segmented_control(
        "What it does",
        tasks,
        format_func=lambda task: _TASKS.get(task, task),
        default=session.at("task") if session.at("task") in tasks else tasks[0],
        required=True,
    )
    session.go(task=chosen)
    return str(chosen)


def _words(offered: ModelOffer) -> dict[str, Any]:
    if not offered.prompt:
        return {}
    found: dict[str, Any] = {}
    if offered.material == "images":
        found["prompt"] = st.text_input("What it is to show", session.at("prompt") or "")
        return found
    if offered.goes_on:
        found["prompt"] = st.text_area(
            "Beginning",
            session.at("prompt") or "",
            height=90,
            help="The model writes on after it; empty: it begins by itself.",
        )
    elif offered.material == "gaps":
        found["prompt"] = st.text_area(
            "Text with gaps",
            session.at("prompt") or "",
            height=90,
            help="Write [MASK] for each token that is to be filled in.",
        )
    else:
        found["prompt"] = st.text_area("Text that is read", session.at("prompt") or "", height=90)
    if offered.goes_on or offered.material == "pairs":
        found["tokens"] = st.slider("Tokens, at most", 10, 1_000, 200, step=10, key="tokens")
    return found


def _conditions(offered: ModelOffer) -> dict[str, Any]:
    """What it is to be like; the labels come from the data, which a select box shows as text."""
    chosen: dict[str, str] = {}
    labels, speakers = [_ANY, *offered.labels], [_ANY, *offered.speakers]
    with st.container(horizontal=True):
        if offered.labels:
            chosen["label"] = st.selectbox("Label", labels, _index(labels, "label"), width=220)
        if offered.speakers:
            chosen["speaker"] = st.selectbox(
                "Speaker", speakers, _index(speakers, "speaker"), width=220
            )
    return {"conditions": {name: value for name, value in chosen.items() if value != _ANY}}


def _index(options: list[str], name: str) -> int:
    """Return where the value stands that the address has under `name`; 0 when it stands nowhere."""
    wanted = session.at(name)
    return options.index(wanted) if wanted in options else 0


def _chance(model: ModelInfo, offered: ModelOffer) -> dict[str, Any]:
    """How it is drawn: the seed, and of texts and sounds how boldly."""
    if offered.material == "pairs":
        return {"beams": st.number_input("Beams", 1, 8, 4, key="beams", width=130)}
    sampler: dict[str, float] = {
        "seed": st.number_input("Seed", 0, value=_seed(), key="seed", width=130)
    }
    found: dict[str, Any] = {"sampler": sampler}
    if offered.material != "images":
        sampler["temperature"] = st.number_input(
            "Temperature",
            0.0,
            2.0,
            0.0 if offered.material == "gaps" else 1.0,
            0.1,
            key="temperature",
            help="0: always the likeliest.",
            width=130,
        )
    if offered.material == "text":
        sampler["top_p"] = st.number_input(
            "Top p",
            0.05,
            1.0,
            1.0,
            0.05,
            key="top-p",
            help="Only the likeliest tokens that have this chance together.",
            width=130,
        )
        sampler["repetition_penalty"] = st.number_input(
            "Penalty of repeating", 1.0, 2.0, 1.0, 0.05, key="penalty", width=180
        )
        if model.datastore is not None:
            found["neighbours"] = st.toggle("Mix in its datastore", key="neighbours")
    return found


def _work(model: ModelInfo, task: str) -> dict[str, Any]:
    """What else a task, or a diffusion, is told."""
    found: dict[str, Any] = {}
    if task == "interpolate":
        found["steps"] = st.slider("Pictures from one to the other", 3, 16, 8, key="between")
    if task in ("translate", "denoise"):
        found["strength"] = st.slider(
            "Strength", 0.05, 1.0, 0.5, 0.05, key="strength", help="How much of it changes."
        )
    if task == "inpaint":
        mask = st.file_uploader("Mask: what is light is made anew", type=["png", "jpg"], key="mask")
        keep = st.segmented_control(
            "Or the half that stays", list(_KEPT), default="top", required=True, key="keep"
        )
        found |= {"mask": mask.getvalue()} if mask is not None else {"keep": keep}
    if model.family == "diffusion" and task != "interpolate":
        found |= _diffusion(model)
    return found


def _diffusion(model: ModelInfo) -> dict[str, Any]:
    with st.expander("Steps, solver and guidance", icon=":material/tune:"):
        own = int(model.config.get("solver_steps") or 20)
        steps = st.slider("Steps of the solver", 1, 100, min(own, 100), key="solver-steps")
        solver = st.selectbox("Solver", [_OWN, *_SOLVERS], key="solver")
        guidance = st.slider(
            "Guidance",
            0.5,
            8.0,
            float(model.config.get("guidance") or 1.0),
            0.5,
            key="guidance",
            help="More does more as it is told, and is less varied.",
        )
        guides = [one.name for one in session.client().models() if one.family == "clip"]
        guide, towards = "", ""
        if guides and not model.material.get("text"):
            guide = st.selectbox("Drawn towards a text by", ["", *guides], key="guide")
            towards = st.text_input("That text", key="towards")
    found: dict[str, Any] = {"steps": steps, "guidance": guidance}
    if solver != _OWN:
        found["solver"] = solver
    if guide and towards:
        found |= {"guide": guide, "prompt": towards}
    return found
