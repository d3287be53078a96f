"""Curves of trainings, as charts: one run with what was measured, or several on one axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from ragstone.schemas.runs import RunCurve, RunPoint
from ragstone.ui.trained import COLOURS

_HEIGHT = 260  # pixels
_SYMBOLS = ("circle", "rect", "triangle", "diamond", "pin", "arrow")
_NAMES = {
    "learning_rate": "Learning rate",
    "gradient_norm": "Norm of the gradients",
    "examples_per_second": "Examples per second",
}


@dataclass(frozen=True, slots=True)
class Line:
    """Values by step."""

    name: str
    values: Sequence[tuple[int, float]]
    dots: bool = False  # few values, each of them a dot


def show(curve: RunCurve) -> None:
    """Draw the curves of a run."""
    points = curve.points
    if not points:
        st.caption("Nothing was measured yet.")
        return
    log = _log_switch()
    _chart(
        "Loss",
        [
            Line("loss", [(p.step, p.loss) for p in points]),
            Line("held out", _values(points, "validation"), dots=True),
        ],
        log=log,
    )
    left, right = st.columns(2)
    for number, name in enumerate(_NAMES):
        with (left, right)[number % 2]:
            _chart(_NAMES[name], [Line(_NAMES[name], _values(points, name))], log=False)
    figures = sorted({name for point in points for name in point.figures})
    if figures:
        with right:
            lines = [
                Line(name, [(p.step, p.figures[name]) for p in points if name in p.figures], True)
                for name in figures
            ]
            _chart("Measured on what is held out", lines, log=False)


def compare(curves: Sequence[tuple[str, RunCurve]]) -> None:
    """Draw the losses of several runs, by the names they are to have, on one axis."""
    log = _log_switch()
    held_out = [Line(name, _values(c.points, "validation"), dots=True) for name, c in curves]
    losses = [Line(name, [(p.step, p.loss) for p in c.points]) for name, c in curves]
    _chart("Loss on what is held out", held_out, log=log)
    _chart("Loss", losses, log=log)


def _log_switch() -> bool:
    return st.toggle("Logarithmic axis of losses", key="log", bind="query-params")


def _values(points: Iterable[RunPoint], name: str) -> list[tuple[int, float]]:
    found = ((point.step, getattr(point, name)) for point in points)
    return [(step, value) for step, value in found if value is not None]


def option(title: str, lines: Sequence[Line], *, log: bool) -> dict[str, Any]:
    """Return a chart as ECharts takes it; a logarithmic axis leaves out what is not above zero."""
    series = [
        {
            "name": line.name,
            "type": "line",
            "data": [list(value) for value in line.values if value[1] > 0 or not log],
            "showSymbol": line.dots or len(line.values) == 1,
            "symbol": _SYMBOLS[number % len(_SYMBOLS)],
            "symbolSize": 7,
            "lineStyle": {"width": 2, "type": "dashed" if line.dots else "solid"},
            "itemStyle": {"color": COLOURS[number % len(COLOURS)]},
        }
        for number, line in enumerate(lines)
        if line.values
    ]
    return {
        "animation": False,  # it is drawn anew every few seconds
        "title": {"text": title, "textStyle": {"fontSize": 14}},
        "legend": {"show": len(series) > 1, "top": 22, "type": "scroll"},
        "grid": {"left": 8, "right": 16, "top": 56, "bottom": 8, "containLabel": True},
        "tooltip": {"trigger": "axis", "renderMode": "richText", "valueFormatter": "%.5g"},
        "xAxis": {"type": "value", "name": "step", "max": "dataMax", "min": 0},
        "yAxis": {"type": "log" if log else "value", "scale": True},
        "series": series,
    }


def _chart(title: str, lines: Sequence[Line], *, log: bool) -> None:
    chart = option(title, lines, log=log)
    if chart["series"]:
        st.echarts_chart(chart, height=_HEIGHT, key=f"chart-{title}")
