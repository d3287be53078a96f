"""kNN-LM: a language model that also looks up what followed similar texts.

Khandelwal and others, "Generalization through Memorization", ICLR 2020: the model's chance of the
next token is mixed with that of the tokens that followed the nearest states in a datastore,

    p = weight * softmax(-distance² / temperature) summed by token + (1 - weight) * p of the model.

A weight of 0 is the model itself, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.models.language import LanguageModel

_CELLS_FROM = 50_000  # entries; fewer are compared one by one
_PROBES = 32  # cells looked into
_TRAINED_ON = 64  # entries for each cell
_AT_ONCE = 64  # stretches of text
WEIGHTS = np.round(np.linspace(0, 0.6, 13), 2)
TEMPERATURES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)

INDEX, TOKENS = "knn.faiss", "knn-tokens.npy"


@dataclass(frozen=True, slots=True)
class Mixture:
    """How neighbours are weighed."""

    neighbours: int = 256
    weight: float = 0.0
    temperature: float = 1.0


class Datastore:
    """States of a model and the token that followed each; safe to share between threads."""

    def __init__(self, index: faiss.Index, tokens: NDArray[np.int32], mixture: Mixture) -> None:
        self._index, self._tokens, self.mixture = index, tokens, mixture

    def __len__(self) -> int:
        return len(self._tokens)

    @classmethod
    def build(cls, model: LanguageModel, text: NDArray[np.integer], mixture: Mixture) -> Datastore:
        """Read `text`, tokens (tokens,), and keep what the model makes of each."""
        states, _, following = read_states(model, text)
        width, count = states.shape[1], len(states)
        if count < _CELLS_FROM:
            index = faiss.IndexFlatL2(width)
        else:
            cells = int(2 ** round(np.log2(np.sqrt(count))))
            index = faiss.index_factory(width, f"IVF{cells},SQfp16")
            chosen = np.random.default_rng(0).permutation(count)[: cells * _TRAINED_ON]
            index.train(states[np.sort(chosen)])
            index.nprobe = _PROBES
        index.add(states)
        return cls(index, following, mixture)

    def with_mixture(self, mixture: Mixture) -> Datastore:
        """Return the same entries, weighed otherwise."""
        return Datastore(self._index, self._tokens, mixture)

    def save(self, folder: Path) -> None:
        """Write index and tokens into `folder`."""
        faiss.write_index(self._index, str(folder / INDEX))
        np.save(folder / TOKENS, self._tokens)

    @classmethod
    def open(cls, folder: Path, mixture: Mixture) -> Datastore:
        """Read what `save` wrote."""
        index = faiss.read_index(str(folder / INDEX))
        return cls(index, np.load(folder / TOKENS), mixture)

    def near(self, states: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return squared distances and tokens of the nearest entries, (states, neighbours)."""
        distances, places = self._index.search(states, self.mixture.neighbours)
        distances = np.where(places < 0, np.inf, distances)
        return distances.astype(np.float32), self._tokens[np.maximum(places, 0)]

    def mix(self, logits: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        """Return logits (vocabulary,) with the neighbours of `state`, a `lookup`, mixed in."""
        mixture = self.mixture
        if mixture.weight == 0:
            return logits
        distances, tokens = self.near(state.float().cpu().numpy()[None, :])
        chances = torch.softmax(-torch.from_numpy(distances[0]) / mixture.temperature, dim=0)
        own = torch.log_softmax(logits.float().cpu(), dim=-1)
        found = torch.zeros_like(own).index_add_(0, torch.from_numpy(tokens[0]).long(), chances)
        return torch.log(mixture.weight * found + (1 - mixture.weight) * own.exp())


@torch.inference_mode()
def read_states(
    model: LanguageModel, text: NDArray[np.integer]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    """Return `lookup` and what a model reads of each token but the last, and what follows it.

    The text is read in stretches that overlap by half, so that each state has seen half a context.
    """
    lookups: list[NDArray[np.float32]] = []
    states: list[NDArray[np.float32]] = []
    device = next(model.parameters()).device
    for begins, skip, length in _stretches(len(text) - 1, model.config.context):
        rows = np.stack([text[begin : begin + length] for begin in begins]).astype(np.int64)
        state = model.new_state(len(rows))
        read = model.read(torch.from_numpy(rows).to(device), state)
        assert state.lookup is not None
        for kept, found in ((lookups, state.lookup), (states, read)):
            kept.append(found[:, skip:].float().cpu().numpy().reshape(-1, found.shape[-1]))
    return np.concatenate(lookups), np.concatenate(states), np.asarray(text[1:], np.int32)


def _stretches(count: int, context: int) -> list[tuple[list[int], int, int]]:
    """Return where stretches begin, how many of their tokens were read before, and their length."""
    step = max(1, context // 2)
    found: list[tuple[list[int], int, int]] = [([0], 0, min(context, count))]
    begins = list(range(step, count - context + 1, step))
    found += [
        (begins[at : at + _AT_ONCE], context - step, context)
        for at in range(0, len(begins), _AT_ONCE)
    ]
    done = context if not begins else begins[-1] + context
    if done < count:
        begin = max(0, count - context)
        found.append(([begin], done - begin, count - begin))
    return found


@dataclass(frozen=True, slots=True)
class Chances:
    """How likely each token of a text was, to a model and by its neighbours."""

    own: NDArray[np.float64]  # (tokens,)
    distances: NDArray[np.float32]  # (tokens, neighbours), squared
    right: NDArray[np.bool_]  # (tokens, neighbours): the neighbour's token is the one that came

    def loss(self, mixture: Mixture, part: slice = slice(None)) -> float:
        """Return nats per token of a part of the text."""
        own, distances, right = self.own[part], self.distances[part], self.right[part]
        if mixture.weight == 0:
            return float(-np.log(own).mean())
        raised = np.exp((distances[:, :1] - distances) / mixture.temperature)
        found = (raised * right).sum(1) / raised.sum(1)
        return float(-np.log(mixture.weight * found + (1 - mixture.weight) * own).mean())

    def best(self, neighbours: int, part: slice) -> Mixture:
        """Return the weight and temperature with the least loss on a part of the text."""
        tried = [
            Mixture(neighbours, float(weight), temperature)
            for weight in WEIGHTS
            for temperature in TEMPERATURES
        ]
        return min(tried, key=lambda mixture: self.loss(mixture, part))


@torch.inference_mode()
def judge(model: LanguageModel, store: Datastore, text: NDArray[np.integer]) -> Chances:
    """Return the chances of each token of a text but the first."""
    lookups, states, following = read_states(model, text)
    distances, tokens = store.near(lookups)
    own = np.empty(len(states))
    device = next(model.parameters()).device
    for at in range(0, len(states), 4096):
        rows = torch.from_numpy(states[at : at + 4096]).to(device)
        chances = torch.softmax(model.predict(rows).double(), dim=-1).cpu()
        wanted = torch.from_numpy(following[at : at + 4096].astype(np.int64))
        own[at : at + 4096] = chances.gather(1, wanted[:, None])[:, 0].numpy()
    return Chances(own, distances, tokens == following[:, None])


def tuned(store: Datastore, chances: Chances) -> Datastore:
    """Return the datastore with the mixture that is best on the first half of a judged text."""
    half = slice(0, len(chances.own) // 2)
    return store.with_mixture(chances.best(store.mixture.neighbours, half))
