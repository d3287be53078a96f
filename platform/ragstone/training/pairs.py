"""A text encoder's network that learns to read two texts at once: adapters in all layers, a head.

Hu and others, "LoRA", ICLR 2022, on the pairs of Devlin and others, "BERT", NAACL 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ragstone.encoders.loaded_pairs import PairTokenizer, padded, positions_of, read_windows
from ragstone.encoders.loaded_rerankers import trunk
from ragstone.encoders.pairs import HEAD_BIAS, HEAD_WEIGHT
from ragstone.training.adapting import adapt, adapter_tensors

if TYPE_CHECKING:
    from tokenizers import Encoding

    from ragstone.encoders.pairs import Window
    from ragstone.encoders.weights import ModelFiles

_POOL = 20  # batches that are drawn together and sorted by length


@dataclass(frozen=True, slots=True)
class PairRecipe:
    """How a network that reads pairs is trained."""

    encoder: str
    epochs: float
    batch: int = 24
    rank: int = 32
    learning_rate: float = 5e-4
    seed: int = 0
    held_out: int = 10  # per cent of the articles, to measure with

    def words(self, steps: int) -> str:
        """Say in one line what decides the outcome beside the data."""
        return (
            f"{steps:,} steps of {self.batch}, rank {self.rank} in all layers, learning rate "
            f"{self.learning_rate:g}, seed {self.seed}"
        )


class AdaptedPairs:
    """Outputs of a head for each token of pairs of texts.

    Parameters
    ----------
    outputs
        Of the head.

    Raises
    ------
    InvalidArgument
        The network is not of the BERT kind.
    """

    def __init__(self, base: ModelFiles, rank: int, outputs: int) -> None:
        self._network: Any = trunk(base).auto_model  # loaded for inference: no dropout
        for parameter in self._network.parameters():
            parameter.requires_grad_(False)
        self._adapted = adapt(base.identity.name, self._network, None, rank)
        self._head = nn.Linear(base.identity.dimension, outputs)
        nn.init.normal_(self._head.weight, std=0.02)
        nn.init.zeros_(self._head.bias)
        self._tokenizer = PairTokenizer(base, positions_of(self._network))

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What is trained."""
        adapters = [part for one in self._adapted.values() for part in (one.down, one.up)]
        return [*adapters, *self._head.parameters()]

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return adapter and head as they are written: float16."""
        head = {HEAD_WEIGHT: self._head.weight, HEAD_BIAS: self._head.bias}
        kept = {name: tensor.detach().half().contiguous() for name, tensor in head.items()}
        return adapter_tensors(self._adapted) | kept

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[Encoding]:
        """Return the tokens of each pair; what does not fit overflows, as when it is used."""
        return self._tokenizer.encode(pairs)

    @torch.no_grad()
    def read(self, pairs: Sequence[tuple[str, str]]) -> list[list[Window]]:
        """Return the windows of each pair, as `PairNetwork.read` gives them."""
        return read_windows(self.encode(pairs), self)

    def __call__(self, encodings: Sequence[Encoding]) -> torch.Tensor:
        """Return the head's outputs, (texts, tokens, outputs); those of padding mean nothing."""
        ids, types, mask = padded(encodings)
        states = self._network(
            input_ids=ids, token_type_ids=types, attention_mask=mask
        ).last_hidden_state
        return functional.linear(states, self._head.weight, self._head.bias)


class Batches:
    """Batches of texts of like length, in an order that is a function of seed and step.

    Parameters
    ----------
    lengths
        Of each example, in tokens.
    """

    def __init__(self, lengths: Sequence[int], size: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._size, self._seed = size, seed
        self._per_epoch = -(-len(lengths) // size)
        self._epoch = -1
        self._batches: list[list[int]] = []

    def __getitem__(self, step: int) -> list[int]:
        """Return which examples the batch of a step holds."""
        epoch, place = divmod(step, self._per_epoch)
        if epoch != self._epoch:
            chance = np.random.default_rng([self._seed, epoch])
            drawn = list(self._drawn(chance))
            self._batches = [drawn[i] for i in chance.permutation(len(drawn)).tolist()]
            self._epoch = epoch
        return self._batches[place]

    def steps(self, epochs: float) -> int:
        """Return how many batches so many passes take."""
        return max(1, round(epochs * self._per_epoch))

    def _drawn(self, chance: np.random.Generator) -> Iterator[list[int]]:
        order = chance.permutation(len(self._lengths))
        for begin in range(0, len(order), self._size * _POOL):
            pool = order[begin : begin + self._size * _POOL]
            pool = pool[np.argsort(self._lengths[pool], kind="stable")]
            yield from (
                pool[at : at + self._size].tolist() for at in range(0, len(pool), self._size)
            )
