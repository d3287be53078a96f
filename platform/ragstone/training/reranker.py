"""Training a reranker: an adapter of a text encoder whose token vectors are compared.

Late interaction (Khattab and Zaharia, "ColBERT", SIGIR 2020) over low-rank adapters (Hu and others,
"LoRA", ICLR 2022). Each query has to tell the passage that fits it from all others of its batch, by
cross-entropy. Batches are a function of step and seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import torch
from torch.nn import functional

from ragstone.encoders.devices import limit_threads
from ragstone.encoders.weights import DEFAULT_MODEL, ModelFiles, find_model
from ragstone.encoders.writing import check_new
from ragstone.errors import InvalidArgument
from ragstone.training.adapting import AdaptedTrunk
from ragstone.training.descending import Heard, descend
from ragstone.training.examples import Batch, Example, Material, batch_of
from ragstone.training.reranker_files import TrainedReranker, write_reranker

_SCALE = 20.0  # of cosines, before the softmax
_HELD_OUT = 10  # every tenth example measures
_MOST_MEASURED = 100


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a reranker is trained; the defaults made the one that ships with Ragstone."""

    encoder: str = DEFAULT_MODEL
    steps: int = 400
    queries: int = 12  # in a batch
    others: int = 3  # passages found for a query that do not fit, in a batch
    layers: int = 3  # upper ones, that are adapted
    rank: int = 16
    learning_rate: float = 1e-4
    max_tokens: int = 160  # that are read of a passage while training
    seed: int = 0


def train_reranker(
    material: Material, folder: Path, recipe: Recipe, on_progress: Heard = lambda *_: None
) -> TrainedReranker:
    """Train a reranker and write it into `folder`.

    Raises
    ------
    InvalidArgument
        The folder is not empty, there is nothing to train on, or the encoder is of another kind.
    EncoderUnavailable
        The encoder is not on this machine.
    """
    check_new(folder)
    if not (material.passages or any(material.judged)):
        raise InvalidArgument("datasets", None, "at least one passage")
    limit_threads()
    started = monotonic()
    base = find_model(recipe.encoder)
    shaping, measuring = _split(material)
    torch.manual_seed(recipe.seed)
    learner = _Learner(base, recipe)
    before = learner.measured(measuring)

    def loss_of(step: int) -> torch.Tensor:
        batch = batch_of(shaping, step, recipe.seed, recipe.queries, recipe.others)
        return learner.loss(batch)

    rate = recipe.learning_rate
    loss = descend(learner.parameters, loss_of, recipe.steps, rate, on_progress)
    made = TrainedReranker(
        folder=str(folder),
        base=recipe.encoder,
        base_digest=base.identity.digest,
        steps=recipe.steps,
        examples=sum(map(len, shaping.judged)),
        passages=len(shaping.passages),
        held_out=len(measuring),
        before=before,
        after=learner.measured(measuring),
        loss=round(loss, 4),
        seconds=round(monotonic() - started, 1),
        recipe=recipe_words(recipe),
    )
    return write_reranker(made, learner.tensors(), folder)


def recipe_words(recipe: Recipe) -> str:
    """Say in one line what decides the outcome beside the data."""
    return (
        f"{recipe.steps:,} steps of {recipe.queries} queries with {recipe.others} passages that do "
        f"not fit, rank {recipe.rank} in the {recipe.layers} upper layers, learning rate "
        f"{recipe.learning_rate:g}, {recipe.max_tokens} tokens, seed {recipe.seed}"
    )


class _Learner:
    def __init__(self, base: ModelFiles, recipe: Recipe) -> None:
        self._trunk = AdaptedTrunk(base, recipe.layers, recipe.rank, recipe.max_tokens)
        self.parameters = self._trunk.parameters

    def tensors(self) -> dict[str, torch.Tensor]:
        return self._trunk.tensors()

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the mean cross-entropy of the fitting passages."""
        found = self._scores(batch.queries, batch.passages)
        # The same passage once more is no other one.
        again = torch.tensor(
            [
                [
                    text == batch.passages[own] and place != own
                    for place, text in enumerate(batch.passages)
                ]
                for own in batch.fitting
            ]
        )
        found = (found * _SCALE).masked_fill(again, -math.inf)
        return functional.cross_entropy(found, torch.tensor(batch.fitting))

    @torch.no_grad()
    def measured(self, examples: Sequence[Example]) -> float | None:
        """Return the mean reciprocal rank of a fitting passage among the others of its query."""
        ranks = []
        for example in examples:
            texts = [*example.fitting, *example.others[: 2 * _HELD_OUT]]
            found = self._scores([example.query], texts)[0]
            best = found[: len(example.fitting)].max()
            ranks.append(1 / (1 + int((found[len(example.fitting) :] >= best).sum())))
        return round(sum(ranks) / len(ranks), 4) if ranks else None

    def _scores(self, queries: Sequence[str], passages: Sequence[str]) -> torch.Tensor:
        """Return the mean over a query's tokens of their best match: (queries, passages)."""
        asked, asked_mask = self._units(queries)
        read, mask = self._units(passages)
        cosines = torch.einsum("qtd,nsd->qnts", asked, read)
        best = cosines.masked_fill(~mask[None, :, None, :], -1.0).amax(-1)
        real = asked_mask[:, None, :]
        return (best * real).sum(-1) / real.sum(-1)

    def _units(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        states, mask = self._trunk(texts)
        return functional.normalize(states, dim=-1), mask


def _split(material: Material) -> tuple[Material, list[Example]]:
    """Return what it is trained on, and every tenth example, to measure with."""
    shaping: list[list[Example]] = []
    measuring: list[Example] = []
    for examples in material.judged:
        shaping.append([e for place, e in enumerate(examples) if place % _HELD_OUT])
        measuring += examples[::_HELD_OUT]
    step = max(1, -(-len(measuring) // _MOST_MEASURED))
    kept = [examples for examples in shaping if examples]
    return Material(kept, material.passages), measuring[::step]
