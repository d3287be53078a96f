"""What the explore page shows of a version: filters, what models made, and the order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from ragstone.schemas.api import FieldInfo
from ragstone.schemas.synthetic import Synthetic
from ragstone.ui import session
from ragstone.ui.session import Choice

WHERE = "where"  # key of the pills, and name in the URL
_MADE: Final[dict[str, Synthetic]] = {"left out": False, "with them": True, "only them": "only"}
_AS_CAME = "as they came"
_COMPARED = ("=", "!=", ">=", "<=", ">", "<", "~")
_PRESENT = ("exists", "missing")
_VALUES = 50  # offered of a field


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which items to show, and in which order."""

    where: list[str]
    synthetic: Synthetic
    order: str


def choose(choice: Choice, fields: Sequence[FieldInfo]) -> Wanted:
    """Show the row of filters and return what it says."""
    left, middle, right = st.columns([5, 2, 2], vertical_alignment="bottom")
    with left:
        where = st.multiselect(
            "Filters",
            [],
            accept_new_options=True,
            key=WHERE,
            bind="query-params",
            placeholder="year>=2020",
            help="Type FIELD OPERATOR VALUE and press Enter, or click on a bar below. All filters "
            "must hold; the cross on one takes it out.",
            on_change=_first_page,
        )
    with middle:
        sortable = [
            _AS_CAME,
            *(name for field in fields for name in (field.name, f"-{field.name}")),
        ]
        order = st.selectbox(
            "Order",
            sortable,
            key="order",
            bind="query-params",
            help="A minus: the largest first.",
            on_change=_first_page,
        )
    with right:
        _add(choice, fields)
        made = _made_by_models(choice)
    return Wanted(where, made, "" if order == _AS_CAME else order)


def add(expression: str) -> None:
    """Add a filter, for callbacks; one that is there already is not added again."""
    before = list(st.session_state.get(WHERE, []))
    if expression not in before:
        st.session_state[WHERE] = [*before, expression]
    _first_page()


def equals(field: str, value: str) -> str:
    """Return the filter for exactly this value."""
    quote = '"' if '"' not in value else "'" if "'" not in value else ""
    return f"{field}={quote}{value}{quote}"


def between(field: str, low: str, high: str) -> str:
    """Return the filter for what is not below `low`, and below `high`."""
    return f"{field}>={low} and {field}<{high}"


def _first_page() -> None:
    session.go(page=None)


def _made_by_models(choice: Choice) -> Synthetic:
    """Ask for what models made, where there is any."""
    if not choice.version.synthetic:
        return False
    made = st.selectbox(
        "Made by models", list(_MADE), key="made", bind="query-params", on_change=_first_page
    )
    return _MADE[made]


def _add(choice: Choice, fields: Sequence[FieldInfo]) -> None:
    """Offer to put a filter together from what there is: the way without a mouse."""
    with st.popover("Add a filter", icon=":material/filter_alt:", width="stretch"):
        field = st.selectbox("Field", [field.name for field in fields], key="new-field")
        operator = st.selectbox("Comparison", [*_COMPARED, *_PRESENT], key="new-operator")
        value: str | None = ""
        if operator not in _PRESENT:
            values = _values(choice, field) if _kind(fields, field) == "value" else []
            value = st.selectbox(
                "Value", values, accept_new_options=True, index=None, key="new-value"
            )
        ready = bool(value) or operator in _PRESENT
        st.button(
            "Add",
            icon=":material/add:",
            key="add-filter",
            disabled=not ready,
            on_click=_put_together,
            args=(field, operator, value or ""),
        )


def _put_together(field: str, operator: str, value: str) -> None:
    if operator in _PRESENT:
        add(f"{field} {operator}")
    else:
        add(equals(field, value) if operator == "=" else f"{field}{operator}{value}")


def _kind(fields: Sequence[FieldInfo], name: str) -> str:
    return next((field.kind for field in fields if field.name == name), "text")


def _values(choice: Choice, field: str) -> list[str]:
    (facet,) = session.client().facets(choice.reference, [field], limit=_VALUES, synthetic=True)
    return [value.value for value in facet.values]
