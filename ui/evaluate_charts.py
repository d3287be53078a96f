"""Charts of measures: bars with their intervals, and differences beside zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from ragstone.ui.trained import COLOURS


@dataclass(frozen=True, slots=True)
class Point:
    """A measure of one series, with its 95 % confidence interval, if that is known."""

    measure: str
    series: str
    value: float
    low: float | None = None
    high: float | None = None


def bars(points: Sequence[Point], title: str) -> None:
    """Draw a bar for each measure and series, from 0 to 1, and what it may be as a line."""
    if points:
        _show(specification(points, title, {"type": "bar", "opacity": 0.75}, zero=False))


def differences(points: Sequence[Point], title: str) -> None:
    """Draw differences as dots with their intervals; one that does not meet zero is no luck."""
    if points:
        _show(
            specification(points, title, {"type": "point", "filled": True, "size": 80}, zero=True)
        )


def _show(spec: dict[str, Any]) -> None:
    st.vega_lite_chart(spec, width="stretch")


def specification(
    points: Sequence[Point], title: str, mark: dict[str, Any], *, zero: bool
) -> dict[str, Any]:
    """Return a chart as Vega-Lite takes it."""
    series = list(dict.fromkeys(point.series for point in points))
    place = {"field": "measure", "type": "nominal", "title": None, "sort": None}
    beside = {"field": "series", "sort": None}
    colour = {
        **beside,
        "type": "nominal",
        "title": None,
        "scale": {"domain": series, "range": list(COLOURS[: max(1, len(series))])},
        "legend": {"orient": "top", "columns": 1, "labelLimit": 600} if len(series) > 1 else None,
    }
    scale = {} if zero else {"scale": {"domain": [0, 1]}}  # bars are shares
    shared = {"y": place, "yOffset": beside}
    layers: list[dict[str, Any]] = [
        {
            "mark": mark,
            "encoding": {
                **shared,
                "x": {"field": "value", "type": "quantitative", "title": title, **scale},
                "color": colour,
            },
        },
        {
            "transform": [{"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "strokeWidth": 2, "color": "#808080"},
            "encoding": {
                **shared,
                "x": {"field": "low", "type": "quantitative"},
                "x2": {"field": "high"},
            },
        },
    ]
    if zero:
        layers.append(
            {"mark": {"type": "rule", "strokeDash": [4, 4]}, "encoding": {"x": {"datum": 0}}}
        )
    values = [
        {
            "measure": point.measure,
            "series": point.series,
            "value": point.value,
            "low": point.low,
            "high": point.high,
        }
        for point in points
    ]
    return {
        "data": {"values": values},
        "height": {"step": max(14, 30 // len(series))},
        "layer": layers,
    }
