"""The map: items as points, coloured by a field; a lasso chooses those for the grid below."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import streamlit as st
from numpy.typing import NDArray

from ragstone.errors import NoMap
from ragstone.schemas.api import FieldInfo, Projection
from ragstone.ui import inert, session
from ragstone.ui.explore_filters import Wanted
from ragstone.ui.session import Choice

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")  # Okabe and Ito
_GREY = "#9aa5b1"
_NONE = "one colour"
_CORNERS = 48  # of a lasso in the URL
_POINT = re.compile(r"(-?[\d.]+(?:e-?\d+)?),(-?[\d.]+(?:e-?\d+)?)")
_HEIGHT = 460
_METHODS = ("pca", "umap")
_LOOK_EVERY = 2.0  # seconds

Corners = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Selection:
    """The items inside the lasso; None when there is no lasso."""

    items: list[str] | None


def chart(choice: Choice, wanted: Wanted, fields: Sequence[FieldInfo]) -> Selection:
    """Show the map and return what the lasso holds."""
    found = _settings(choice, wanted, fields)
    if found is None:
        return Selection(None)
    if not found.items:
        st.info("None of these items has a vector to place it by.")
        return Selection([])
    corners = _corners()
    key = f"map-{found.dataset}-{found.version}-{found.space}-{found.method}"

    def chosen() -> None:
        areas = st.session_state[key].selection.areas
        session.go(lasso=_written(areas[-1]) if areas else None, page=None)

    st.echarts_chart(
        _spec(found, corners),
        height=_HEIGHT,
        key=key,
        on_select=chosen,
        alt="The items as points; draw around some of them to choose them. Filters do the same.",
    )
    _notes(found)
    if corners is None:
        return Selection(None)
    inside = _inside(np.array(found.x), np.array(found.y), corners)
    return Selection([item for item, here in zip(found.items, inside, strict=True) if here])


def _settings(choice: Choice, wanted: Wanted, fields: Sequence[FieldInfo]) -> Projection | None:
    """Ask how to draw the map, and return it; None when it has to be made first."""
    spaces = session.spaces(choice.reference, choice.version.digest)
    left, middle, right = st.columns(3)
    with left:
        names = [_NONE, *(field.name for field in fields if field.kind != "text")]
        label = st.selectbox("Colour by", names, key="colour", bind="query-params")
    with middle:
        space = st.selectbox(
            "Embedding space",
            spaces,
            key="space",
            bind="query-params",
            help="Where the vectors are from that are compared.",
        )
    with right:
        method = st.selectbox(
            "Method",
            _METHODS,
            key="method",
            bind="query-params",
            help="pca: the two directions in which the vectors differ most. umap: keeps neighbours "
            "together; needs pip install ragstone[map].",
        )
    try:
        with st.spinner("Drawing the map"):  # the first time its points are computed
            return session.projection(
                choice.reference,
                choice.version.digest,
                space or "",
                method,
                "" if label == _NONE else label,
                tuple(wanted.where),
                wanted.synthetic,
            )
    except NoMap:
        _to_be_made(choice, space or "", method)
        return None


def _to_be_made(choice: Choice, space: str, method: str) -> None:
    """Offer to have the map made, and wait for it; it is made whether somebody waits or not."""
    name = choice.dataset.name
    made = [job for job in session.client().jobs(name) if job.kind == "map"]
    under_way = next((job for job in made if not job.ended_for_good), None)
    if under_way:
        _wait(under_way.job)
        return
    if made and made[0].error:
        st.error("The map could not be made.", icon=":material/error:")
        inert.show(inert.text(made[0].error.message), inert.facts(made[0].error.hint))
    st.info("This map was not made yet. It takes up to some minutes.", icon=":material/hub:")
    if st.button("Make the map", icon=":material/play_arrow:", key="make-map"):
        reference = f"{name}@{choice.version.version}"
        _wait(session.client().submit_map(reference, space=space, method=method).job)


@st.fragment(run_every=_LOOK_EVERY)
def _wait(job: str) -> None:
    """Look now and then how far the job is, and draw the page again when it has ended."""
    found = session.client().job(job)
    if found.ended_for_good:
        st.rerun()
    if found.state == "queued":
        st.caption("The map waits for its turn: the server is at work on other jobs.")
    else:
        st.caption("The map is being made. You may leave this page meanwhile.")


def _notes(found: Projection) -> None:
    shown = f"{len(found.items):,} points"
    if found.sampled:
        shown += f", of a sample of {found.placed:,} from {found.total:,} items"
    inert.show(
        inert.facts(
            shown,
            "each the mean of the item's chunks",
            f"the axes show {sum(found.explained):.0%} of the variance" if found.explained else "",
        )
    )
    st.caption(
        "Choose the lasso or the rectangle on top, and draw around some points: the grid shows "
        "their items. The last sign on top, or a double click, takes it away."
    )


# ---------------------------------------------------------------- the lasso


def _written(area: dict[str, Any]) -> str:
    """Return the corners of a brush as they stand in the URL."""
    corners = area["coord_range"]
    if area["brush_type"] == "rect":
        (left, right), (low, high) = corners
        corners = [(left, low), (right, low), (right, high), (left, high)]
    step = -(-len(corners) // _CORNERS)
    return ";".join(f"{x:.4g},{y:.4g}" for x, y in corners[::step])


def _corners() -> Corners | None:
    """Return the corners that the URL names; None without, or with fewer than three."""
    found = [(float(x), float(y)) for x, y in _POINT.findall(session.at("lasso") or "")]
    return found[:1_000] if len(found) > 2 else None


def _inside(x: NDArray[np.float64], y: NDArray[np.float64], corners: Corners) -> NDArray[np.bool_]:
    """Return which points are inside: a ray from them crosses the outline an odd number of times.

    All arrays are of shape (n,).
    """
    inside = np.zeros(len(x), np.bool_)
    for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if ay != by:
            crossed = (ay > y) != (by > y)
            inside ^= crossed & (x < ax + (y - ay) * (bx - ax) / (by - ay))
    return inside


# ---------------------------------------------------------------- drawing


def _groups(found: Projection) -> list[tuple[str, str, NDArray[np.bool_]]]:
    """Return name, colour and points of each series, the most frequent value first, rest grey."""
    if not found.labels:
        return [("items", COLOURS[0], np.ones(len(found.items), np.bool_))]
    labels = np.array(found.labels, dtype=object)
    counted = Counter(label for label in found.labels if label)
    common = [label for label, _ in counted.most_common(len(COLOURS))]
    groups = [
        (label, colour, labels == label)
        for label, colour in zip(sorted(common), COLOURS, strict=False)
    ]
    rest = ~np.isin(labels.astype(str), common)
    return [*groups, ("other or none", _GREY, rest)] if rest.any() else groups


def _spec(found: Projection, corners: Corners | None) -> dict[str, Any]:
    groups = _groups(found)
    x, y = np.array(found.x, np.float32), np.array(found.y, np.float32)
    size = 7 if len(x) < 2_000 else 4
    series: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "name": _short(name),
            "datasetIndex": number,
            "encode": {"x": "x", "y": "y"},
            "symbolSize": size,
            "itemStyle": {"color": colour, "opacity": 0.75},
            "large": False,  # or the brush has no points to look at
        }
        for number, (name, colour, _) in enumerate(groups)
    ]
    if corners:
        outline = [*corners, corners[0]]
        series.append(
            {
                "type": "line",
                "data": [list(corner) for corner in outline],
                "symbol": "none",
                "silent": True,
                "lineStyle": {"color": "#52606d", "type": "dashed", "width": 1},
            }
        )
    return {
        "dataset": [{"source": pa.table({"x": x[of], "y": y[of]})} for _, _, of in groups],
        "grid": {"left": 8, "right": 8, "top": 48, "bottom": 8, "containLabel": False},
        "legend": {"type": "scroll", "left": 120, "top": 10, "show": bool(found.labels)},
        "xAxis": _axis(found.x),
        "yAxis": _axis(found.y),
        "toolbox": {
            "left": 0,
            "top": 0,
            "itemSize": 20,
            "feature": {"brush": {"type": ["polygon", "rect", "clear"]}},
        },
        "brush": {
            "xAxisIndex": "all",
            "yAxisIndex": "all",
            "brushMode": "single",
            "throttleType": "debounce",
            "throttleDelay": 300,
            "outOfBrush": {"colorAlpha": 0.25},
        },
        "tooltip": {"show": False},
        "animation": False,
        "series": series,
    }


def _axis(values: Sequence[float]) -> dict[str, Any]:
    """Return an axis without numbers, which would say nothing; its ends do not follow a lasso."""
    low, high = min(values), max(values)
    margin = (high - low) * 0.05 or 1.0
    hidden = {"show": False}
    return {
        "type": "value",
        "min": low - margin,
        "max": high + margin,
        **dict.fromkeys(("axisLabel", "axisLine", "axisTick", "splitLine"), hidden),
    }


def _short(name: str) -> str:
    line = " ".join(name.split())
    return line if len(line) <= 24 else f"{line[:23]}…"
