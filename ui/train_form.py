"""What is to be trained: family, name and settings; and how long it takes, before it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from ragstone.schemas.api import FieldInfo
from ragstone.schemas.models import FamilyInfo, SettingInfo
from ragstone.schemas.runs import Plan
from ragstone.ui import inert, session, trained, wording
from ragstone.ui.failures import shown
from ragstone.ui.session import Choice

# The trainer's `minutes` of each: fewer steps are made than the family's when they take longer.
_TIMES = {
    "Ten seconds": 1 / 6,
    "A minute": 1.0,
    "A quarter of an hour": 15.0,
    "As long as it takes": 0.0,
}
_USUAL_FAMILY = "vae"  # of images; of other kinds the first one
_NONE = "none"
_TEXT = "text"
_NEEDED = {"classifier": "label", "cyclegan": "label", "clip": "text"}  # they cannot do without
# What every item, picture or recording has: nothing to be told of.
_USUAL = set(
    "modality media_type size title name source added "
    "format height width mode rate channels".split()
)
_NOT_TOLD = ("quality.", "synthetic.", "language")  # beginnings of such names
_EVERY = "evaluate_every"
_VALIDATIONS = 10  # on the way, where the family makes none
_PLAN = "training plan"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What can be learnt from items of a modality."""

    name: str
    material: str
    modality: str
    settings: Mapping[str, str] = field(default_factory=dict)  # that it needs


_KINDS = (
    _Kind("Texts", "text", "text"),
    _Kind("Gaps in texts", "gaps", "text"),
    _Kind("Pairs of texts", "pairs", "text"),
    _Kind("Images", "images", "image"),
    _Kind("Recordings", "waves", "audio"),
    _Kind("Recordings as images", "images", "audio", {"from": "audio"}),
)


@dataclass(frozen=True, slots=True)
class Order:
    """A training that can be planned and started."""

    family: str
    dataset: str  # D or D@V
    name: str
    settings: Mapping[str, Any]
    restart: bool


def show(choice: Choice) -> None:
    """Draw the form, and the plan of what it says."""
    with st.spinner("Looking at what can learn from this version"):
        known = trained.families()
        held = trained.modalities(choice.reference, choice.version.digest)
        fields = session.fields(choice.reference, choice.version.digest)
    kinds = [kind for kind in _KINDS if kind.modality in held]
    if not kinds:
        st.info("This version holds nothing that a model learns from: texts, images, recordings.")
        return
    order = _order(choice, kinds, known, fields)
    if st.button("Estimate the time", icon=":material/timer:", type="primary"):
        st.session_state.pop(_PLAN, None)
        with shown(), st.spinner("Reading the version and timing a few steps"):
            plan = session.client().plan_model(
                order.family,
                order.dataset,
                order.name,
                order.settings,
                restart=order.restart,
            )
            st.session_state[_PLAN] = (order, plan)
    planned, plan = st.session_state.get(_PLAN, (None, None))
    if plan is not None and planned == order:
        _plan(order, plan)
    else:
        st.caption("The estimate times a few steps on this machine, and changes nothing.")


def _order(
    choice: Choice, kinds: Sequence[_Kind], known: Sequence[FamilyInfo], fields: Sequence[FieldInfo]
) -> Order:
    with st.container(border=True):
        kind, family = _family(kinds, known)
        name = st.text_input(
            "Name of the model",
            value=f"{choice.dataset.name}-{family.name}".lower(),
            key=f"name-{choice.dataset.name}-{family.name}",
            help="Small letters, digits and dashes. Each training of a name is its next number.",
        )
        time = st.segmented_control(
            "Time",
            list(_TIMES),
            default="A minute",
            required=True,
            key="time",
            bind="query-params",
            help="At most, on this machine. Without a limit all steps of the family are made.",
        )
        settings: dict[str, Any] = {"minutes": _TIMES[time]} if _TIMES[time] else {}
        settings |= {**kind.settings, **_fields(family, fields)}
        settings |= _on_the_way(family)
        settings |= _more(family, settings)
        restart = st.toggle(
            "Begin anew",
            key="restart",
            help="Where a training of this name was stopped, its steps are given up.",
        )
    return Order(family.name, choice.reference, name.strip(), settings, restart)


def _family(kinds: Sequence[_Kind], known: Sequence[FamilyInfo]) -> tuple[_Kind, FamilyInfo]:
    named = {kind.name: kind for kind in kinds}
    chosen = st.segmented_control(
        "Learns from",
        list(named),
        default=kinds[0].name,
        required=True,
        key="material",
        bind="query-params",
    )
    kind = named.get(chosen, kinds[0])
    fitting = {family.name: family for family in known if family.material == kind.material}
    name = st.selectbox(
        "Family",
        list(fitting),
        index=list(fitting).index(_USUAL_FAMILY) if _USUAL_FAMILY in fitting else 0,
        key="family",
        bind="query-params",
    )
    inert.show(inert.facts(fitting[name].about))
    return kind, fitting[name]


def _fields(family: FamilyInfo, fields: Sequence[FieldInfo]) -> dict[str, str]:
    """Return the fields of the metadata that the model is told of."""
    own = [f for f in fields if f.name not in _USUAL and not f.name.startswith(_NOT_TOLD)]
    named, few = [f.name for f in own], [f.name for f in own if f.kind == "value"]
    needed, key = _NEEDED.get(family.name), f"field-{family.name}"
    label = few if needed == "label" else [_NONE, *few]
    text = named if needed == "text" else [_NONE, *named]
    found: dict[str, str | None] = {}
    with st.container(horizontal=True):
        if family.material in ("images", "waves"):
            found["label"] = st.selectbox("Label field", label, key=f"{key}-label", width=220)
        if family.material == "images":
            found["text"] = st.selectbox("Text field", text, key=f"{key}-text", width=220)
        if family.material == "waves":
            found["speaker"] = st.selectbox(
                "Speaker field", [_NONE, *few], key=f"{key}-speaker", width=220
            )
        if family.material == "pairs":
            found["source"] = st.selectbox(
                "Text that is read", [_TEXT, *named], key=f"{key}-source", width=220
            )
            found["target"] = st.selectbox(
                "Text that is written", [*named, _TEXT], key=f"{key}-target", width=220
            )
    return {name: field for name, field in found.items() if field not in (None, _NONE)}


def _on_the_way(family: FamilyInfo) -> dict[str, int]:
    """Return how often the model is validated, where the family does it at the end alone."""
    default = {s.name: s.default for s in family.settings if s.part == "trainer"}
    if default.get(_EVERY):
        return {}
    wanted = st.toggle(
        "Validate on the way",
        value=True,
        key="on-the-way",
        help="Ten times, so that the curve shows how it goes. It takes a little longer.",
    )
    return {_EVERY: max(1, int(default["steps"]) // _VALIDATIONS)} if wanted else {}


def _more(family: FamilyInfo, said: Mapping[str, Any]) -> dict[str, str]:
    """Return the other settings that were changed; they stand in a table that can be edited."""
    others = [s for s in family.settings if s.name not in said]
    with st.expander("More settings", icon=":material/tune:"):
        st.caption("Type into the column Value; docs/models.md says what each of them does.")
        table: dict[str, list[str]] = {
            "Setting": [s.name for s in others],
            "Value": ["" for _ in others],
            "Default": [_default(s) for s in others],
            "Kind": [s.kind for s in others],
            "Of the": [s.part for s in others],
        }
        edited = st.data_editor(
            table,
            disabled=["Setting", "Default", "Kind", "Of the"],
            hide_index=True,
            key=f"more-{family.name}-{'-'.join(sorted(said))}",
        )
    return changed(edited["Setting"], edited["Value"])


def changed(names: Sequence[str], values: Sequence[str | None]) -> dict[str, str]:
    """Return the settings that somebody gave a value."""
    given = ((name, (value or "").strip()) for name, value in zip(names, values, strict=True))
    return {name: value for name, value in given if value}


def _default(setting: SettingInfo) -> str:
    return "as the data ask for" if setting.default is None else str(setting.default)


def _plan(order: Order, plan: Plan) -> None:
    """Say what is going to be done, and let it be started."""
    with st.container(border=True):
        begun = f"goes on after step {plan.begin:,}" if plan.begin else ""
        inert.show(
            inert.title(f"About {trained.lasting(plan.seconds)} on this machine"),
            inert.facts(
                f"{order.name}, {order.family} on {order.dataset}",
                wording.count(plan.steps, "step"),
                wording.count(plan.parameters, "parameter"),
                begun,
            ),
            inert.facts(*plan.damaged),
        )
        if st.button("Start training", icon=":material/play_arrow:", type="primary"):
            with shown():
                job = session.client().submit_train(
                    order.family,
                    order.dataset,
                    order.name,
                    _settled(order, plan),
                    restart=order.restart,
                )
                st.session_state.pop(_PLAN, None)
                session.go(run=job.job)
                st.rerun()


def _settled(order: Order, plan: Plan) -> dict[str, Any]:
    """Return the settings, with ten validations of the steps that there is time for."""
    settings = dict(order.settings)
    if _EVERY in settings:
        settings[_EVERY] = min(int(settings[_EVERY]), max(1, plan.steps // _VALIDATIONS))
    return settings
