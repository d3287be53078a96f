"""How good models are: measures with intervals, side by side; licences, and how even it is."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ragstone.schemas.models import BiasReport, LicenceSummary, ModelInfo, ModelMeasures
from ragstone.ui import evaluate_charts, inert, session, trained, wording
from ragstone.ui.evaluate_charts import Point
from ragstone.ui.failures import shown

_MOST = 2  # models side by side
_NEWEST = "the newest of its dataset"
_OWN = "what it learnt from"
_KEPT = "measured models"


def show() -> None:
    """Draw the part of the page."""
    models = session.client().models()
    if not models:
        st.info("No model was trained here yet. Train one, then measure it.")
        return
    named = {trained.reference(m): m for m in sorted(models, key=lambda m: m.created, reverse=True)}
    chosen = _choose(list(named))
    if not chosen:
        st.caption("Choose a model, or two to see them side by side.")
        return
    picked = [named[name] for name in chosen]
    _measure(picked, named)
    _measures(picked)
    st.subheader("What it learnt from")
    for column, model in zip(st.columns(len(picked)), picked, strict=True):
        with column:
            inert.show(inert.title(trained.reference(model)))
            _origin(model)


def _choose(names: Sequence[str]) -> list[str]:
    """Show the choice of models; the address names them."""
    wanted = (session.at("models") or "").split(",")
    default = [name for name in wanted if name in names][:_MOST] or [names[0]]
    chosen = st.multiselect("Models", names, default=default, max_selections=_MOST)
    session.go(models=",".join(chosen) or None)
    return chosen


def _measure(picked: Sequence[ModelInfo], named: dict[str, ModelInfo]) -> None:
    """Let models be measured; what is measured on the data of their own stands in their cards."""
    datasets = [info.name for info in session.client().datasets()]
    judges = [name for name, model in named.items() if model.family == "classifier"]
    with st.form("measure-models"):
        with st.container(horizontal=True):
            data = st.selectbox("On", [_OWN, *datasets], key="measured-on", width=220)
            samples = st.number_input(
                "Samples", 0, 10_000, 200, 100, key="measured-samples", width=150
            )
            extractor = st.selectbox(
                "Classifier that images are measured by",
                [_NEWEST, *judges],
                key="extractor",
                width=300,
            )
        sent = st.form_submit_button("Measure", icon=":material/straighten:", type="primary")
    if not sent:
        return
    for model in picked:
        with shown(), st.spinner("Measuring: it may take minutes"):
            images = "size" in model.config
            found = session.client().evaluate_model(
                trained.reference(model),
                "" if data == _OWN else data,
                samples=int(samples),
                extractor=extractor if images and extractor != _NEWEST else "",
            )
            st.session_state.setdefault(_KEPT, {})[model.digest] = found


def _measures(picked: Sequence[ModelInfo]) -> None:
    """Show what was measured now, or what stands in the cards."""
    st.subheader("Measures")
    now: dict[str, ModelMeasures] = st.session_state.get(_KEPT, {})
    tables, points, intervals = [], [], False
    for model in picked:
        values, sure = _values(model, now.get(model.digest))
        tables.append({name: _cell(value, sure.get(name)) for name, value in values.items()})
        for name, (low, high) in sure.items():
            intervals = True
            points.append(Point(name, trained.reference(model), values[name], low, high))
    names = list(dict.fromkeys(name for table in tables for name in table))
    st.dataframe(
        {
            "Measure": names,
            **{
                trained.reference(model): [table.get(name, "–") for name in names]
                for model, table in zip(picked, tables, strict=True)
            },
        },
        hide_index=True,
        height="content",
    )
    if intervals:
        st.caption("In brackets the 95 % interval, of another draw of samples.")
    evaluate_charts.bars([p for p in points if 0 <= p.value <= 1], "share, with its 95 % interval")
    for model in picked:
        found = now.get(model.digest)
        if found is None:
            st.caption("What was not measured now is from the card of the model.")
        else:
            inert.show(
                inert.facts(found.model, f"on {found.data}", found.likelihood, found.extractor),
                *(inert.facts(note) for note in found.notes),
            )


def _values(
    model: ModelInfo, found: ModelMeasures | None
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Return measures by name, and the intervals of some."""
    loss, bits = (found.loss, found.bits_per_byte) if found else (model.loss, model.bits_per_byte)
    values = {"loss on what is held out": loss}
    if bits is not None:
        values["bits per byte"] = bits
    values |= found.measures if found else model.measures
    sure = found.intervals if found else {}
    return values, {name: each for name, each in sure.items() if name in values}


def _cell(value: float, interval: tuple[float, float] | None) -> str:
    if interval is None:
        return trained.figure(value)
    return (
        f"{trained.figure(value)} ({trained.figure(interval[0])} to {trained.figure(interval[1])})"
    )


# ---------------------------------------------------------------- what a model learnt from


def _origin(model: ModelInfo) -> None:
    name = trained.reference(model)
    with shown(), st.spinner("Counting licences"):
        _licences(session.client().licences(f"model:{name}"))
    looks = model.material.get("label") and "size" in model.config
    st.caption("How even the data are, and what the model makes of that:")
    if st.button("Look at the balance", icon=":material/balance:", key=f"bias-{name}"):
        with shown(), st.spinner("Counting, and letting the model make some"):
            fields = [model.material["label"]] if model.material.get("label") else []
            _bias(
                session.client().bias(
                    trained.learnt_from(model),
                    fields,
                    model=name if looks and _judged(model) else "",
                    samples=200,
                )
            )


def _judged(model: ModelInfo) -> bool:
    """Whether a classifier of the same data can look at what a model makes."""
    if "sample" not in trained.offer(model).tasks:
        return False
    return any(
        one.family == "classifier" and one.data.dataset == model.data.dataset
        for one in session.client().models()
    )


def _licences(found: LicenceSummary) -> None:
    st.dataframe(
        {
            "Licence": [*(one.licence for one in found.licences), "(none named)"],
            "Items": [*(one.items for one in found.licences), found.missing],
            "Asks for": [*(", ".join(one.terms) for one in found.licences), ""],
        },
        hide_index=True,
    )
    for conflict in found.conflicts:
        inert.show(inert.facts(conflict))


def _bias(found: BiasReport) -> None:
    for spread in found.spreads:
        inert.show(
            inert.title(spread.field),
            inert.facts(
                f"evenness {spread.evenness:.3f}",
                f"the most frequent {spread.imbalance:.1f} times the rarest",
                wording.count(spread.missing, "item") + " without it",
            ),
        )
        if spread.values:
            st.dataframe(
                {
                    "Value": [one.value for one in spread.values],
                    "Items": [one.items for one in spread.values],
                },
                hide_index=True,
            )
    if found.labels:
        st.dataframe(
            {
                "Label": [one.label for one in found.labels],
                "Of the data": [f"{one.data:.1%}" for one in found.labels],
                "Made unasked": [f"{one.made:.1%}" for one in found.labels],
                "Right when asked": [
                    "–" if one.right is None else f"{one.right:.1%}" for one in found.labels
                ],
            },
            hide_index=True,
        )
    for note in found.notes:
        inert.show(inert.facts(note))
