"""What the parts of the page Evaluate share: tables of differences, and names of measures."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from ragstone.schemas.api import Difference
from ragstone.ui import evaluate_charts, inert
from ragstone.ui.evaluate_charts import Point

_SURE = 0.05  # a p-value below it is hardly luck


def compared(
    before: str,
    after: str,
    measures: Mapping[str, Difference],
    counts: tuple[int, int, int],
) -> None:
    """Show two ways side by side: what each measure was and is, and how sure the difference is.

    Parameters
    ----------
    counts
        Questions that are better, worse, and as before.
    """
    better, worse, same = counts
    inert.show(inert.title(f"{before} → {after}"))
    st.dataframe(
        {
            "Measure": [name.replace("_", " ") for name in measures],
            "Before": [f"{d.before:.4f}" for d in measures.values()],
            "After": [f"{d.after:.4f}" for d in measures.values()],
            "Difference": [f"{d.difference:+.4f}" for d in measures.values()],
            "95 % interval": [f"{d.low:+.4f} to {d.high:+.4f}" for d in measures.values()],
            "p": [f"{d.p_value:.4f}" for d in measures.values()],
            "Sure": [_sure(d) for d in measures.values()],
        },
        hide_index=True,
    )
    st.caption(f"{better:,} better, {worse:,} worse, {same:,} as before.")
    evaluate_charts.differences(
        [
            Point(name.replace("_", " "), "difference", d.difference, d.low, d.high)
            for name, d in measures.items()
            if d.difference
        ],
        "difference, with its 95 % interval",
    )


def _sure(found: Difference) -> str:
    if not found.difference:
        return "the same"
    return "yes" if found.p_value < _SURE else "may be luck"
