"""Stretches of music, in another key each time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.models.base import Batch
from ragstone.models.tokenizers import FIRST_PITCH, PITCHES
from ragstone.storage.files import digest_bytes
from ragstone.training.feeding import TokenData


class NoteData(TokenData):
    """`TokenData` of notes, each stretch moved up or down by chance; what validates is not.

    Parameters
    ----------
    semitones
        At most.
    """

    def __init__(
        self,
        training: NDArray[np.integer],
        held_out: NDArray[np.integer],
        context: int,
        items: Sequence[tuple[int, str]],
        semitones: int,
    ) -> None:
        super().__init__(training, held_out, context, items)
        self._semitones = semitones

    @cached_property
    def digest(self) -> str:
        """BLAKE3 of both, and how far it is moved."""
        return digest_bytes(f"{super().digest} {self._semitones}".encode())

    def batch(self, step: int, size: int, seed: int) -> Batch:
        """See `TokenData.batch`; the keys are a function of the same arguments."""
        chance = np.random.default_rng([seed, step, self._semitones])
        moves = chance.integers(-self._semitones, self._semitones, size=(size, 1), endpoint=True)
        plain = super().batch(step, size, seed)
        return {name: _moved(tokens, torch.from_numpy(moves)) for name, tokens in plain.items()}


def _moved(tokens: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
    """Return `tokens` (size, time), their pitches moved by `moves` (size, 1), within MIDI's."""
    pitches = (tokens - FIRST_PITCH + moves).clamp(0, PITCHES - 1)
    return torch.where(tokens >= FIRST_PITCH, pitches + FIRST_PITCH, tokens)
