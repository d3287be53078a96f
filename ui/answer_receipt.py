"""The receipt of an answer: what made it, made again on demand, and followed to its bytes."""

from __future__ import annotations

import streamlit as st

from ragstone.schemas.answers import StoredAnswer
from ragstone.schemas.tracing import Explanation, Replay
from ragstone.ui import inert, session, wording
from ragstone.ui.failures import shown


def draw(stored: StoredAnswer) -> None:
    """Show the receipt, closed until somebody wants it."""
    id = stored.answer.answer_id  # noqa: A001
    with st.expander("Receipt", icon=":material/receipt_long:"):
        _made_from(stored)
        with st.container(horizontal=True):
            again = st.button(
                "Replay",
                icon=":material/replay:",
                key=f"replay-{id}",
                help="Make the answer again from its record, and compare byte for byte.",
            )
            why = st.button(
                "Explain",
                icon=":material/account_tree:",
                key=f"explain-{id}",
                help="Follow each sentence to the bytes of its sources.",
            )
        if again:
            with shown(), st.spinner("Making the answer again"):
                _replayed(session.client().replay(id))
        if why:
            with shown(), st.spinner("Reading the sources"):
                _explained(session.client().explain(id))


def _made_from(stored: StoredAnswer) -> None:
    receipt = stored.receipt
    inert.show(
        inert.pairs({"version digest": stored.version_digest[: wording.DIGEST]}),
        inert.pairs(stored.settings),
    )
    if receipt is not None:
        inert.show(
            inert.pairs({"Ragstone": receipt.release, "passages": receipt.k}),
            inert.facts(*receipt.where),
            inert.pairs({name: digest[:12] for name, digest in receipt.digests.items()}),
        )
    if stored.prompt:
        st.caption("Prompt, as the generator got it")
        inert.show(inert.text(stored.prompt))


def _replayed(replay: Replay) -> None:
    if replay.same:
        st.success("The same, byte for byte.", icon=":material/verified:")
    else:
        st.warning("Not the same. What differs:", icon=":material/difference:")
    for difference in replay.differences:
        inert.show(
            inert.title(f"{difference.kind}: {difference.problem}"),
            inert.facts(difference.before, difference.after),
        )
    inert.show(
        inert.facts(
            f"{replay.seconds:.1f} s",
            f"seal {replay.seal[: wording.DIGEST]}" if replay.seal else "no seal",
            f"not compared: {', '.join(replay.missing)}" if replay.missing else "",
        )
    )


def _explained(explanation: Explanation) -> None:
    if not explanation.claims:
        st.info("Nothing was said, so there is nothing to explain.")
    for claim in explanation.claims:
        inert.show(inert.title(claim.text))
        for entry in claim.citations:
            source, chunk = entry.bytes, entry.chunk
            place = ""
            if source and source.start is not None:
                place = f"bytes {source.start:,} to {source.end:,} of {source.size:,}"
            inert.show(
                inert.facts(
                    f"[{entry.citation.number}] {entry.name}",
                    "verbatim" if entry.verbatim else "not in the text at its place",
                    f"found at rank {chunk.rank}" if chunk and chunk.rank else "",
                    place,
                    f"digest {source.digest[: wording.DIGEST]}" if source else "",
                    ("whole" if source.whole else "changed since") if source else "",
                )
            )
