"""Clips of sound that a training reads, whole and from their beginnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from blake3 import blake3
from numpy.typing import NDArray

from ragstone.errors import InvalidArgument
from ragstone.models.base import Batch
from ragstone.training.feeding import batches_alike

_ALIKE = 16  # batches whose clips are sorted by length: little padding, and still much chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Clips:
    """Clips, their samples one after the other.

    Parameters
    ----------
    levels
        uint8 (samples,), of all of them; may be mapped from a file.
    begins, lengths
        Where each lies in `levels`, int64 (clips,).
    labels, speakers
        By their numbers, int64 (clips,).
    ids
        Of their items; may be left out.
    """

    levels: NDArray[np.uint8]
    begins: NDArray[np.int64]
    lengths: NDArray[np.int64]
    labels: NDArray[np.int64]
    speakers: NDArray[np.int64]
    ids: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def samples(self) -> int:
        """Samples of all clips."""
        return int(self.lengths.sum())

    def levels_of(self, number: int) -> NDArray[np.uint8]:
        """Return the levels of a clip, uint8 (its length,)."""
        begin = self.begins[number]
        return self.levels[begin : begin + self.lengths[number]]

    def within(self, longest: int) -> Clips:
        """Return these clips, of longer ones the beginning."""
        return replace(self, lengths=np.minimum(self.lengths, longest))

    def batch(self, numbers: NDArray[np.int64]) -> Batch:
        """Return clips as `WaveNet` reads them; rows are as long as the longest, filled with 0."""
        lengths = self.lengths[numbers]
        levels = np.zeros((len(numbers), lengths.max()), np.int64)
        for row, number in zip(levels, numbers, strict=True):
            row[: self.lengths[number]] = self.levels_of(number)
        found = {
            "levels": levels,
            "lengths": lengths,
            "label": self.labels[numbers],
            "speaker": self.speakers[numbers],
        }
        return {name: torch.from_numpy(values) for name, values in found.items()}


class ClipData:
    """Clips to learn from, each once in every pass, and others to validate by.

    Raises
    ------
    InvalidArgument
        There is none of one of them.
    """

    def __init__(self, training: Clips, held_out: Clips) -> None:
        self.training, self.held_out = training, held_out
        if not len(training) or not len(held_out):
            expected = f"with more recordings: it has {len(training):,} to learn from and "
            expected += f"{len(held_out):,} to validate by"
            raise InvalidArgument("dataset", None, expected)

    @cached_property
    def digest(self) -> str:
        """BLAKE3 of both."""
        hasher = blake3(str(len(self.training)).encode())
        for clips in (self.training, self.held_out):
            for values in (clips.lengths, clips.labels, clips.speakers):
                hasher.update(values.astype("<i8").tobytes())
            for number in range(len(clips)):
                hasher.update(clips.levels_of(number).tobytes())
        return hasher.hexdigest()

    def batch(self, step: int, size: int, seed: int) -> Batch:
        """Return `size` clips, of lengths that are nearly alike."""
        return self.training.batch(self._numbers(step, size, seed))

    def names(self, step: int, size: int, seed: int) -> list[str]:
        """Return the ids of the items of a batch."""
        numbers = self._numbers(step, size, seed).tolist()
        return [self.training.ids[n] if self.training.ids else f"clip {n}" for n in numbers]

    def _numbers(self, step: int, size: int, seed: int) -> NDArray[np.int64]:
        epoch, place = divmod(step, max(1, len(self.training) // size))
        numbers: NDArray[np.int64] = self._pass(seed, epoch, size)[place]
        return numbers

    def validation(self, size: int) -> Iterator[tuple[Batch, int]]:
        """Yield what is held out, short ones first, up to `size` clips at once, and its samples."""
        order = np.argsort(self.held_out.lengths, kind="stable")
        for first in range(0, len(order), size):
            chosen = order[first : first + size]
            yield self.held_out.batch(chosen), int(self.held_out.lengths[chosen].sum())

    @lru_cache(maxsize=2)  # noqa: B019 - lives as long as a training
    def _pass(self, seed: int, epoch: int, size: int) -> NDArray[np.int64]:
        """Return the clips of each batch of a pass, (batches, size); a few are left for others."""
        count, chance = max(1, len(self.training) // size), np.random.default_rng([seed, epoch])
        return batches_alike([self.training.lengths], count, size, _ALIKE, chance)
