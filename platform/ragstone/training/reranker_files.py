"""Writing a trained reranker: the adapter, its settings, and a card that says how it was made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.encoders.rerankers import ADAPTER, WEIGHTS
from ragstone.training.writing import write_settings, written_adapter

if TYPE_CHECKING:
    import torch

REVISION = 1  # of the method; in the settings, and so in the digest of a folder

_CARD = """# A reranker

Trained by `ragstone train reranker`: an adapter of the text encoder `{base}`
(digest `{base_digest}`), whose token
vectors are compared by late interaction. It does nothing without that encoder.

Data: {examples:,} judged queries with passages that fit and passages that do not, and {passages:,}
passages whose sentences are queries for the rest of them.

Recipe: {recipe}.

{figures}{size:,} bytes, made in {seconds:,.0f} seconds.
"""


@dataclass(frozen=True, slots=True)
class TrainedReranker:
    """A reranker, and how well it tells passages apart.

    Parameters
    ----------
    folder
        To be given as `retrieval.reranker`.
    held_out
        Queries that it was not trained on; the mean reciprocal rank of what fits them, among what
        search had found for them, is `before` with the encoder's own token vectors and `after`.
    loss
        Mean cross-entropy of the last 50 steps.
    """

    folder: str
    base: str
    base_digest: str
    steps: int
    examples: int
    passages: int
    held_out: int
    before: float | None
    after: float | None
    loss: float
    seconds: float
    recipe: str
    size: int = 0


def write_reranker(
    made: TrainedReranker, tensors: dict[str, torch.Tensor], folder: Path
) -> TrainedReranker:
    """Write it into `folder`; return it with its size."""
    with written_adapter(folder, tensors) as place:
        made = replace(made, size=(place / WEIGHTS).stat().st_size)
        settings = {
            "model_type": ADAPTER,
            "revision": REVISION,
            "base": made.base,
            "base_digest": made.base_digest,
        }
        write_settings(place, settings)
        (place / "card.md").write_text(_card(made), encoding="utf-8")
    return made


def _card(made: TrainedReranker) -> str:
    figures = ""
    if made.held_out:
        figures = (
            f"The mean reciprocal rank of what fits {made.held_out:,} held-out queries, among what "
            f"search had found\nfor them: {made.after:.4f}, and {made.before:.4f} with the "
            "encoder's own token vectors.\n\n"
        )
    return _CARD.format(
        base=made.base,
        base_digest=made.base_digest,
        examples=made.examples,
        passages=made.passages,
        recipe=made.recipe,
        figures=figures,
        size=made.size,
        seconds=made.seconds,
    )
