"""Writing a trained reader: the adapter, its settings, and a card that says how it was made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.encoders.readers import READER
from ragstone.encoders.rerankers import WEIGHTS
from ragstone.training.writing import write_settings, written_adapter

if TYPE_CHECKING:
    import torch

    from ragstone.training.calibrating import Curve

REVISION = 1  # of the method; in the settings, and so in the digest of a folder

_CARD = """# A reader

Trained by `ragstone train reader`: an adapter of the text encoder `{base}`
(digest `{base_digest}`) and a head that
finds the answer to a question in a passage, or that there is none. It does nothing without that
encoder.

Data: {questions:,} questions with passages, from
{sources}

Recipe: {recipe}.

On {held_out:,} questions of articles that were not trained on: F1 {f1:.4f} over the words of the
answer where there is one, and balanced accuracy {balanced_accuracy:.4f} in telling whether there
is one. Chances are 1 / (1 + exp(-({slope} x + {offset}))) of the score x.

{size:,} bytes, made in {seconds:,.0f} seconds.
"""


@dataclass(frozen=True, slots=True)
class TrainedReader:
    """A reader, and how well it answers.

    Parameters
    ----------
    folder
        To be given as `generation.reader`.
    questions, held_out
        How many it was trained on, and how many of other articles it was measured with; passages
        without an answer are counted.
    f1
        Mean over the held-out questions with an answer, of what it takes for the answer.
    balanced_accuracy
        Mean of the shares of answerable and unanswerable questions that are told right.
    sources
        What it was trained on: name and BLAKE3 of each file.
    """

    folder: str
    base: str
    base_digest: str
    questions: int
    held_out: int
    f1: float
    balanced_accuracy: float
    loss: float
    seconds: float
    recipe: str
    sources: tuple[str, ...] = ()
    size: int = 0


def write_reader(
    made: TrainedReader, curve: Curve, tensors: dict[str, torch.Tensor], folder: Path
) -> TrainedReader:
    """Write it into `folder`; return it with its size."""
    with written_adapter(folder, tensors) as place:
        made = replace(made, size=(place / WEIGHTS).stat().st_size)
        settings = {
            "model_type": READER,
            "revision": REVISION,
            "base": made.base,
            "base_digest": made.base_digest,
            "slope": curve.slope,
            "offset": curve.offset,
        }
        write_settings(place, settings)
        (place / "card.md").write_text(_card(made, curve), encoding="utf-8")
    return made


def _card(made: TrainedReader, curve: Curve) -> str:
    return _CARD.format(
        base=made.base,
        base_digest=made.base_digest,
        questions=made.questions,
        sources="\n".join(f"* {source}" for source in made.sources),
        recipe=made.recipe,
        held_out=made.held_out,
        f1=made.f1,
        balanced_accuracy=made.balanced_accuracy,
        slope=curve.slope,
        offset=curve.offset,
        size=made.size,
        seconds=made.seconds,
    )
