"""What a training reads: batches that are a function of the data, a seed and the step."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from blake3 import blake3
from numpy.typing import NDArray

from ragstone.errors import InvalidArgument
from ragstone.models.base import Batch

_HASHED = 1 << 20  # tokens at once


class TrainingData(Protocol):
    """Examples to learn from, and others to validate by."""

    @property
    def digest(self) -> str:
        """Tells this data from any other."""
        ...

    def batch(self, step: int, size: int, seed: int) -> Batch:
        """Return `size` examples; the same ones for the same arguments."""
        ...

    def validation(self, size: int) -> Iterator[tuple[Batch, int]]:
        """Yield what is held out, in order, up to `size` examples at once, and its weight."""
        ...


def passes(count: int, step: int, size: int, seed: int) -> NDArray[np.int64]:
    """Return the numbers of a step's examples, int64 (size,), of `count` that there are.

    Each pass takes each once, in an order drawn anew; a step may begin one and end the one before.
    """
    numbers = np.arange(step * size, (step + 1) * size)
    found = [
        _order(count, seed, int(epoch))[place]
        for epoch, place in zip(*np.divmod(numbers, count), strict=True)
    ]
    return np.asarray(found, np.int64)


def batches_alike(
    lengths: Sequence[NDArray[np.int64]],
    count: int,
    size: int,
    pool: int,
    chance: np.random.Generator,
) -> NDArray[np.int64]:
    """Return the numbers of a pass in `count` batches of examples of like length, (count, size).

    `pool` batches of an order drawn anew are sorted by length together, so that little of a batch
    is padding; then the batches are shuffled. The first examples fill up the last batch.

    Parameters
    ----------
    lengths
        Of all examples, each (examples,); the last one counts first.
    """
    order = np.resize(chance.permutation(len(lengths[0])), count * size)
    for first in range(0, len(order), pool * size):
        some = order[first : first + pool * size]
        order[first : first + pool * size] = some[np.lexsort([own[some] for own in lengths])]
    shuffled: NDArray[np.int64] = chance.permutation(order.reshape(count, size))
    return shuffled


@lru_cache(maxsize=4)
def _order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(count)


@runtime_checkable
class NamedData(Protocol):
    """Training data that can say which examples a step reads, for when it goes wrong."""

    def names(self, step: int, size: int, seed: int) -> Sequence[str]:
        """Return what tells the examples of `TrainingData.batch` from others, in their order."""
        ...


class TokenData:
    """Stretches of tokens.

    Each pass over them begins at another token and takes each stretch once, in an order drawn anew.

    Parameters
    ----------
    training, held_out
        Tokens, integers of shape (tokens,); may be mapped from a file.
    context
        Tokens of a stretch.
    items
        Where each item's tokens to train on begin, ascending, and its id; may be left out.

    Raises
    ------
    InvalidArgument
        One of them has less than two stretches, or two tokens.
    """

    def __init__(
        self,
        training: NDArray[np.integer],
        held_out: NDArray[np.integer],
        context: int,
        items: Sequence[tuple[int, str]] = (),
    ) -> None:
        self._training, self._held_out, self._context = training, held_out, context
        self._items = items
        if len(training) < 2 * context + 1 or len(held_out) < 2:
            expected = f"with more text: it has {len(training):,} tokens to train on and "
            expected += f"{len(held_out):,} to validate by, for stretches of {context}"
            raise InvalidArgument("dataset", None, expected)

    @cached_property
    def digest(self) -> str:
        """BLAKE3 of both."""
        hasher = blake3(str(len(self._training)).encode())
        for part in (self._training, self._held_out):
            for begin in range(0, len(part), _HASHED):
                hasher.update(np.ascontiguousarray(part[begin : begin + _HASHED], "<i4").tobytes())
        return hasher.hexdigest()

    def batch(self, step: int, size: int, seed: int) -> Batch:
        """Return `tokens` and the `targets` after them, int64 (size, context)."""
        return self._stretch(self._training, self._begins(step, size, seed), self._context)

    def names(self, step: int, size: int, seed: int) -> list[str]:
        """Return the place of each stretch, and the ids of the items that it is of."""
        found = []
        for begin in self._begins(step, size, seed).tolist():
            end = begin + self._context
            first = max(0, bisect_right(self._items, begin, key=itemgetter(0)) - 1)
            last = bisect_left(self._items, end, key=itemgetter(0))
            ids = " and ".join(item for _, item in self._items[first:last])
            found.append(f"tokens {begin:,} to {end:,}" + (f" of item {ids}" if ids else ""))
        return found

    def _begins(self, step: int, size: int, seed: int) -> NDArray[np.int64]:
        numbers = np.arange(step * size, (step + 1) * size)
        begins = np.empty(size, np.int64)
        for place, (epoch, number) in enumerate(
            zip(*np.divmod(numbers, self._stretches), strict=True)
        ):
            order, shift = self._pass(seed, int(epoch))
            begins[place] = order[number] * self._context + shift
        return begins

    def validation(self, size: int) -> Iterator[tuple[Batch, int]]:
        """Yield the held-out text in stretches side by side, the last one as long as it is."""
        whole, rest = divmod(len(self._held_out) - 1, self._context)
        for first in range(0, whole, size):
            begins = np.arange(first, min(whole, first + size)) * self._context
            yield self._stretch(self._held_out, begins, self._context), len(begins) * self._context
        if rest:
            begins = np.array([whole * self._context])
            yield self._stretch(self._held_out, begins, rest), rest

    @property
    def _stretches(self) -> int:
        return (len(self._training) - 1) // self._context - 1

    @lru_cache(maxsize=2)  # noqa: B019 - lives as long as a training
    def _pass(self, seed: int, epoch: int) -> tuple[NDArray[np.int64], int]:
        chance = np.random.default_rng([seed, epoch])
        return chance.permutation(self._stretches), int(chance.integers(self._context))

    @staticmethod
    def _stretch(text: NDArray[np.integer], begins: NDArray[np.int64], length: int) -> Batch:
        rows = np.stack([text[begin : begin + length + 1] for begin in begins]).astype(np.int64)
        both = torch.from_numpy(rows)
        return {"tokens": both[:, :-1], "targets": both[:, 1:]}
