"""The images of a version that are the oddest to a model, the oddest first."""

from __future__ import annotations

import streamlit as st

from ragstone.schemas.models import Anomaly
from ragstone.ui import explore_grid, inert, session, trained
from ragstone.ui.session import Choice

_MOST = 10 * explore_grid.PAGE
_FOUND = "oddest"


def show(choice: Choice) -> None:
    """Let a model be chosen, and show what it finds odd."""
    telling = {family.name for family in trained.families() if family.finds_odd}
    known = session.client().models()
    models = [trained.reference(info) for info in known if info.family in telling]
    if not models:
        st.info("Train an autoencoder, a flow or a classifier of images first: it tells.")
        return
    wanted = session.at("eye")
    index = models.index(wanted) if wanted in models else len(models) - 1
    model = st.selectbox("As seen by", models, index=index)
    session.go(eye=model)
    found = _oddest(choice, model)
    if not found:
        st.info("This version has no image that the model could look at.")
        return
    pages = -(-len(found) // explore_grid.PAGE)
    number = explore_grid.number_of_page(pages)
    explore_grid.turn(pages, number)
    page = found[(number - 1) * explore_grid.PAGE : number * explore_grid.PAGE]
    inert.show(
        inert.facts(
            f"From {page[0].deviations:,.1f} down to {page[-1].deviations:,.1f} standard "
            "deviations above the median of the version"
        )
    )
    items = {
        item.item_id: item
        for item in session.client().items(
            choice.reference,
            where=[f"item_id in ({', '.join(one.item_id for one in page)})"],
            limit=explore_grid.PAGE,
        )
    }
    explore_grid.cards([items[one.item_id] for one in page if one.item_id in items])


def _oddest(choice: Choice, model: str) -> list[Anomaly]:
    """Ask the model, and keep what it said of a version: it looks at every image."""
    asked = choice.version.digest, model
    kept: tuple[tuple[str, str], list[Anomaly]] | None = st.session_state.get(_FOUND)
    if kept is not None and kept[0] == asked:
        return kept[1]
    with st.spinner("The model looks at every image"):
        found = session.client().anomalies(choice.reference, model, limit=_MOST)
    st.session_state[_FOUND] = asked, found
    return found
