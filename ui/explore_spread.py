"""How the items that are shown spread over a field; a click on a bar adds its filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from ragstone.schemas.api import FieldInfo
from ragstone.ui import explore_filters, session
from ragstone.ui.explore_filters import Wanted
from ragstone.ui.session import Choice

_BINS = 20
_VALUES = 15
_ROW = 26  # pixels of a bar that lies
_FRAME = 60
_LONGEST = 22  # characters of a name at an axis
_BLUE = "#0072b2"
_OF_ALL = {"modality", "media_type", "size", "title", "name", "source", "added"}


@dataclass(frozen=True, slots=True)
class _Bars:
    names: list[str]
    items: list[int]
    filters: list[str]
    lying: bool


def spread(choice: Choice, wanted: Wanted, fields: Sequence[FieldInfo]) -> None:
    """Show the bars of one field, which the URL names."""
    known = {field.name: field for field in fields if field.kind != "text"}
    names = list(known)
    # What is written about the items says more than of which kind they are.
    own = next((name for name in names if name not in _OF_ALL), names[0])
    name = st.selectbox(
        "How they spread over",
        names,
        index=names.index(own),
        key="by",
        bind="query-params",
    )
    bars = (_of_values if known[name].kind == "value" else _in_bins)(choice, wanted, name)
    if not bars.names:
        st.caption("None of these items has a value there.")
        return
    # Another key each time that the bars are other ones: a choice made before is of those.
    key = f"bars-{name}-{hash((choice.version.digest, tuple(bars.names), tuple(bars.items)))}"
    st.echarts_chart(
        _lying(bars) if bars.lying else _standing(bars),
        height=_FRAME + _ROW * len(bars.names) if bars.lying else 260,
        key=key,
        on_select=partial(_add, key, bars.filters),
        alt="How many of the items have which value; a click on a bar adds its filter",
    )
    st.caption("Click on a bar to add its filter.")


def _add(key: str, filters: Sequence[str]) -> None:
    for group in st.session_state[key].selection.selected:
        for place in group["data_indices"][:1]:
            if place < len(filters):
                explore_filters.add(filters[place])


def _of_values(choice: Choice, wanted: Wanted, name: str) -> _Bars:
    (facet,) = session.client().facets(
        choice.reference, [name], where=wanted.where, limit=_VALUES, synthetic=wanted.synthetic
    )
    values = [value.value for value in facet.values]
    return _Bars(
        values,
        [value.items for value in facet.values],
        [explore_filters.equals(name, value) for value in values],
        lying=True,
    )


def _in_bins(choice: Choice, wanted: Wanted, name: str) -> _Bars:
    found = session.client().histogram(
        choice.reference, name, where=wanted.where, bins=_BINS, synthetic=wanted.synthetic
    )
    return _Bars(
        [one.low for one in found.bins],
        [one.items for one in found.bins],
        [explore_filters.between(name, one.low, one.high) for one in found.bins],
        lying=False,
    )


def _series(bars: _Bars) -> dict[str, Any]:
    return {
        "type": "bar",
        "data": bars.items,
        "selectedMode": "single",
        "itemStyle": {"color": _BLUE},
        "barMinHeight": 2,
        "cursor": "pointer",
    }


def _lying(bars: _Bars) -> dict[str, Any]:
    """Bars from left to right, the first on top, each with its number."""
    return {
        "grid": {"left": 8, "right": 48, "top": 8, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value", "show": False},
        "yAxis": {
            "type": "category",
            "inverse": True,
            "data": [_short(name) for name in bars.names],
            "axisTick": {"show": False},
        },
        "tooltip": {"renderMode": "richText"},
        "series": [_series(bars) | {"label": {"show": True, "position": "right"}}],
    }


def _standing(bars: _Bars) -> dict[str, Any]:
    return {
        "grid": {"left": 8, "right": 8, "top": 16, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "category", "data": bars.names, "axisTick": {"alignWithLabel": True}},
        "yAxis": {"type": "value", "minInterval": 1},
        "tooltip": {"renderMode": "richText"},
        "series": [_series(bars) | {"barCategoryGap": "8%"}],
    }


def _short(name: str) -> str:
    line = " ".join(name.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
