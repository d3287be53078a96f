"""Trainings beside each other: what was set differently, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from ragstone.errors import UnknownModel
from ragstone.schemas.models import ModelInfo
from ragstone.schemas.runs import Run, RunCurve
from ragstone.ui import inert, session, train_curves, train_run, trained
from ragstone.ui.failures import shown

_MOST = 6  # colours that people tell apart
_ID = 4  # last characters of a run's id tell those of one name apart


def show(ids: Sequence[str]) -> None:
    """Draw the comparison of runs, by their ids."""
    st.button(
        "All runs",
        icon=":material/arrow_back:",
        type="tertiary",
        on_click=session.go,
        kwargs={"compare": None},
    )
    if len(ids) > _MOST:
        st.warning(f"Only the first {_MOST:,} runs are compared.")
    curves = [session.client().run(one) for one in dict.fromkeys(ids[:_MOST])]
    named = [(_name(curve.run), curve) for curve in curves]
    _settings(named)
    st.subheader("Curves")
    train_curves.compare(named)
    models = [(name, _model(curve.run)) for name, curve in named]
    _metrics(named, models)
    _samples(models)


def _name(run: Run) -> str:
    return f"{run.model or run.name} ({run.run[-_ID:]})"


def _model(run: Run) -> ModelInfo | None:
    """Return the model of a run; None when there is none, or not any more."""
    if not run.model:
        return None
    try:
        return session.client().model(run.model)
    except UnknownModel:
        return None


def _settings(named: Sequence[tuple[str, RunCurve]]) -> None:
    st.subheader("Settings that differ")
    rows = differing([about(curve.run) for _, curve in named])
    if not rows:
        st.caption("All were made with the same settings, data and seed.")
        return
    st.dataframe(
        {
            "Setting": list(rows),
            **{name: [values[n] for values in rows.values()] for n, (name, _) in enumerate(named)},
        },
        hide_index=True,
    )


def about(run: Run) -> dict[str, str]:
    """Return what makes a run what it is, by name, in words."""
    said: dict[str, Any] = {
        "family": run.family,
        "data": f"{run.dataset}@{run.version}",
        "data digest": run.data_digest[:12],
        **run.settings,
        "device": run.device,
    }
    return {name: str(value) for name, value in said.items()}


def differing(runs: Sequence[dict[str, str]]) -> dict[str, list[str]]:
    """Return the values of each run, a dash for none, of what is not the same for all."""
    names = list(dict.fromkeys(name for run in runs for name in run))
    values = {name: [run.get(name, "–") for run in runs] for name in names}
    return {name: each for name, each in values.items() if len(set(each)) > 1}


def _metrics(
    named: Sequence[tuple[str, RunCurve]], models: Sequence[tuple[str, ModelInfo | None]]
) -> None:
    st.subheader("Measures")
    of_runs: dict[str, Callable[[Run], Any]] = {
        "steps": lambda run: f"{run.step:,}",
        "last loss": lambda run: trained.figure(run.loss),
        "best loss on what is held out": lambda run: trained.figure(run.validation),
        "parameters": lambda run: f"{run.parameters:,}",
        "state": lambda run: run.state,
    }
    rows = {name: [of(curve.run) for _, curve in named] for name, of in of_runs.items()}
    rows["seconds"] = [trained.figure(model.seconds if model else None) for _, model in models]
    rows["bits per byte"] = [
        trained.figure(model.bits_per_byte if model else None) for _, model in models
    ]
    measured = [model.measures if model else {} for _, model in models]
    for name in dict.fromkeys(name for each in measured for name in each):
        rows[name] = [trained.figure(each.get(name)) for each in measured]
    st.dataframe(
        {
            "Measure": list(rows),
            **{name: [values[n] for values in rows.values()] for n, (name, _) in enumerate(named)},
        },
        hide_index=True,
    )
    if not any(measured):
        st.caption("Measured further under Evaluate, models.")


def _samples(models: Sequence[tuple[str, ModelInfo | None]]) -> None:
    st.subheader("Samples of the same seeds")
    for column, (name, model) in zip(st.columns(len(models)), models, strict=True):
        with column, shown():
            inert.show(inert.title(name))
            if model is None:
                st.caption("No model came of it.")
            else:
                train_run.samples(model)
