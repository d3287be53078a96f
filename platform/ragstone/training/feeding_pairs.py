"""What a translator is trained on: pairs of texts, in batches of similar length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from blake3 import blake3
from numpy.typing import NDArray

from ragstone.errors import InvalidArgument
from ragstone.models.base import Batch
from ragstone.models.encdec import IGNORED
from ragstone.training.feeding import batches_alike

_POOL = 64  # batches that are put in order of length together

Pair = tuple[NDArray[np.integer], NDArray[np.integer]]  # tokens (source,) and (target,)


@dataclass(frozen=True, slots=True)
class Padding:
    """How pairs become a batch.

    Parameters
    ----------
    end
        The token after each text, before each target, and where there is nothing.
    context
        Tokens of a text with its end, at most; the others are left out.
    """

    end: int
    context: int

    def batch(self, pairs: Sequence[Pair]) -> Batch:
        """Return what `EncDec.training_step` takes, all int64.

        `source` (batch, source), `lengths` (batch,), `tokens` and `targets` (batch, time).
        """
        source, lengths = self.sources([source for source, _ in pairs])
        targets = [self._cut(target) for _, target in pairs]
        time = 1 + max(map(len, targets))
        tokens = torch.full((len(pairs), time), self.end)
        following = torch.full((len(pairs), time), IGNORED)
        for row, target in enumerate(targets):
            there = torch.from_numpy(target.astype(np.int64))
            tokens[row, 1 : 1 + len(target)] = there
            following[row, : len(target)] = there
            following[row, len(target)] = self.end
        return {"source": source, "lengths": lengths, "tokens": tokens, "targets": following}

    def sources(self, texts: Sequence[NDArray[np.integer]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return texts with their ends, int64 (batch, source), and their lengths, (batch,)."""
        cut = [self._cut(text) for text in texts]
        lengths = torch.tensor([1 + len(text) for text in cut])
        source = torch.full((len(cut), int(lengths.max())), self.end)
        for row, text in enumerate(cut):
            source[row, : len(text)] = torch.from_numpy(text.astype(np.int64))
        return source, lengths

    def _cut(self, text: NDArray[np.integer]) -> NDArray[np.integer]:
        return text[: self.context - 1]


class PairData:
    """Pairs of texts.

    Each pass over them takes each pair once, in an order drawn anew. Stretches of that order are
    sorted by length before they are cut into batches, so that little of a batch is padding; then
    the batches are shuffled. The first pairs of a pass fill its last batch.

    Parameters
    ----------
    ids
        Of the items of the pairs to train on; may be left out.

    Raises
    ------
    InvalidArgument
        There is no pair to train on, or none to validate by.
    """

    def __init__(
        self,
        training: Sequence[Pair],
        held_out: Sequence[Pair],
        padding: Padding,
        ids: Sequence[str] = (),
    ) -> None:
        self._training, self._held_out, self._padding = training, held_out, padding
        self._ids = ids
        if not training or not held_out:
            expected = f"with more pairs: it has {len(training):,} to train on and "
            expected += f"{len(held_out):,} to validate by"
            raise InvalidArgument("dataset", None, expected)
        self._lengths = _lengths(training)

    @cached_property
    def digest(self) -> str:
        """BLAKE3 of all pairs."""
        hasher = blake3()
        for pairs in (self._training, self._held_out):
            hasher.update(len(pairs).to_bytes(8))
            for text in (text for pair in pairs for text in pair):
                hasher.update(len(text).to_bytes(8))
                hasher.update(np.ascontiguousarray(text, "<i4").tobytes())
        return hasher.hexdigest()

    def batch(self, step: int, size: int, seed: int) -> Batch:
        """Return what `Padding.batch` makes of `size` pairs."""
        return self._padding.batch([self._training[n] for n in self._numbers(step, size, seed)])

    def names(self, step: int, size: int, seed: int) -> list[str]:
        """Return the ids of the items of a batch."""
        numbers = self._numbers(step, size, seed)
        return [self._ids[n] if self._ids else f"pair {n}" for n in numbers]

    def _numbers(self, step: int, size: int, seed: int) -> list[int]:
        epoch, place = divmod(step, self._batches(size))
        return [int(number) for number in self._pass(seed, epoch, size)[place]]

    def validation(self, size: int) -> Iterator[tuple[Batch, int]]:
        """Yield what is held out, by length, and how many targets it has."""
        order = np.lexsort(_lengths(self._held_out))
        for first in range(0, len(order), size):
            batch = self._padding.batch([self._held_out[n] for n in order[first : first + size]])
            yield batch, int((batch["targets"] != IGNORED).sum())

    def _batches(self, size: int) -> int:
        return -(-len(self._training) // size)

    @lru_cache(maxsize=2)  # noqa: B019 - lives as long as a training
    def _pass(self, seed: int, epoch: int, size: int) -> NDArray[np.int64]:
        """Return the pairs of each batch of a pass, (batches, size)."""
        chance = np.random.default_rng([seed, epoch])
        return batches_alike(self._lengths, self._batches(size), size, _POOL, chance)


def _lengths(pairs: Sequence[Pair]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the lengths of the sources and of the targets, each (pairs,)."""
    sources, targets = zip(*((len(source), len(target)) for source, target in pairs), strict=True)
    return np.asarray(sources), np.asarray(targets)
