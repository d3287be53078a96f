"""Writing a trained verifier: the adapter, its settings, and a card that says how it was made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.encoders.rerankers import WEIGHTS
from ragstone.encoders.verifiers import VERIFIER
from ragstone.training.writing import write_settings, written_adapter

if TYPE_CHECKING:
    import torch

REVISION = 1  # of the method; in the settings, and so in the digest of a folder

_CARD = """# A verifier

Trained by `ragstone train verifier`: an adapter of the text encoder `{base}`
(digest `{base_digest}`) and a head that
tells whether a quote supports a claim, contradicts it, or does neither. It does nothing without
that encoder.

Data: {claims:,} claims with quotes, made of or read from
{sources}

Recipe: {recipe}.

On {held_out:,} held-out claims: accuracy {accuracy:.4f}, mean F1 of the verdicts {macro_f1:.4f}.
Outputs are divided by {temperature}; a claim is supported from a chance of {threshold} on.

{size:,} bytes, made in {seconds:,.0f} seconds.
"""


@dataclass(frozen=True, slots=True)
class TrainedVerifier:
    """A verifier, and how well it judges.

    Parameters
    ----------
    folder
        To be given as `generation.verifier`.
    claims, held_out
        How many it was trained on, and how many of other articles it was measured with.
    threshold
        Least chance from which on a claim counts as supported.
    sources
        What it was trained on: name and BLAKE3 of each file.
    """

    folder: str
    base: str
    base_digest: str
    claims: int
    held_out: int
    accuracy: float
    macro_f1: float
    temperature: float
    threshold: float
    loss: float
    seconds: float
    recipe: str
    sources: tuple[str, ...] = ()
    size: int = 0


def write_verifier(
    made: TrainedVerifier, tensors: dict[str, torch.Tensor], folder: Path
) -> TrainedVerifier:
    """Write it into `folder`; return it with its size."""
    with written_adapter(folder, tensors) as place:
        made = replace(made, size=(place / WEIGHTS).stat().st_size)
        settings = {
            "model_type": VERIFIER,
            "revision": REVISION,
            "base": made.base,
            "base_digest": made.base_digest,
            "temperature": made.temperature,
            "threshold": made.threshold,
        }
        write_settings(place, settings)
        (place / "card.md").write_text(_card(made), encoding="utf-8")
    return made


def _card(made: TrainedVerifier) -> str:
    listed = "\n".join(f"* {source}" for source in made.sources)
    fields = {name: getattr(made, name) for name in made.__slots__}
    return _CARD.format(**{**fields, "sources": listed})
