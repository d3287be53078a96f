"""What an item has to do with others: those like it, where it came from, what was made with it."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlencode

import streamlit as st

from ragstone.schemas.api import ItemDetail
from ragstone.ui import inert, session, wording

_ALIKE = 8
_ANSWERS = 20
_SHOWN = 160  # characters of a neighbour's text
_PICTURES = ("image", "audio")


def alike(item: ItemDetail) -> None:
    """Show the items that are most like it, each of which can be opened."""
    with st.spinner("Looking for items like it"):
        found = session.client().similar(item.item_id, k=_ALIKE, synthetic=True).hits
    if not found:
        st.caption("Nothing in the newest version is like it.")
        return
    pictures = session.previews([hit.item_id for hit in found if hit.modality in _PICTURES])
    for hit in found:
        with st.container(border=True):
            picture = pictures.get(hit.item_id)
            if picture is not None:
                st.image(picture.content, width=160)
            inert.show(
                inert.title(hit.title or hit.name, hit.rank),
                inert.facts(hit.name, f"score {hit.score:.3f}"),
                inert.text(hit.text[:_SHOWN]) if picture is None else inert.facts(),
            )
            st.button(
                "Open",
                icon=":material/open_in_full:",
                type="tertiary",
                key=f"alike-{hit.item_id}",
                on_click=partial(session.go, open=hit.item_id, span=None),
            )


def lineage(item: ItemDetail) -> None:
    """Follow the item from its sources to the answers and models that used it."""
    found = session.client().trace(item.item_id, limit=_ANSWERS)
    made = found.made_by
    st.markdown("**Sources**")
    inert.show(inert.facts(*item.sources))
    if made is not None:
        st.markdown("**Made by a model**")
        inert.show(inert.facts(made.model, made.data, made.prompt), inert.pairs(made.conditions))
    st.markdown("**Item**")
    inert.show(
        inert.facts(
            f"BLAKE3 {item.item_id}",
            f"since version {item.added}",
            "" if item.removed is None else f"gone since version {item.removed}",
            wording.count(len(item.chunks), "chunk"),
        )
    )
    st.markdown(f"**Answers**: {found.total:,} found it, {found.cited:,} quote it")
    for answer in found.answers:
        quoted = "quotes it" if answer.cited else "found it"
        inert.show(
            inert.title(answer.question),
            inert.facts(
                f"{answer.dataset}@{answer.version}", quoted, wording.moment(answer.created)
            ),
        )
        st.link_button(
            "Open the answer",
            f"ask?{urlencode({'dataset': answer.dataset, 'answer': answer.answer_id})}",
            icon=":material/forum:",
            type="tertiary",
        )
    st.markdown(f"**Models**: {len(found.models):,} learnt from a version that holds it")
    for model in found.models:
        side = "" if model.side == "unknown" else f"used for {model.side}"
        inert.show(inert.facts(model.name, model.data, side))
    if found.made:
        st.markdown(f"**Items that these models made**: {len(found.made):,}")
