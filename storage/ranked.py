"""A ranked list of chunks, as arrays: what an arm of the search gives and the fusion takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SCORE_DIGITS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Chunks with their scores, best first."""

    keys: NDArray[np.int64]  # (n,)
    scores: NDArray[np.float64]  # (n,)

    def __len__(self) -> int:
        return len(self.keys)

    def pairs(self, k: int | None = None) -> list[tuple[int, float]]:
        """Return the first `k` as (chunk key, score), best first."""
        return list(zip(self.keys[:k].tolist(), self.scores[:k].tolist(), strict=True))


NOTHING = Ranked(np.empty(0, np.int64), np.empty(0, np.float64))


def ranked(
    keys: NDArray[np.int64], scores: NDArray[np.float64] | NDArray[np.float32], k: int | None = None
) -> Ranked:
    """Order chunks by score, ties by key, and keep the best `k`.

    Scores are rounded to six digits first: their last bits depend on the order in which a library
    adds, and would decide ties by chance.
    """
    rounded = scores.astype(np.float64).round(SCORE_DIGITS)
    order = np.lexsort((keys, -rounded))[:k]
    return Ranked(keys[order], rounded[order])


def best_of(several: Sequence[Ranked], k: int) -> Ranked:
    """Return the best `k` of all chunks in `several`, each with the best of its scores."""
    if len(several) < 2:
        return several[0] if several else NOTHING
    keys, inverse = np.unique(np.concatenate([one.keys for one in several]), return_inverse=True)
    scores = np.full(len(keys), -np.inf)
    np.maximum.at(scores, inverse, np.concatenate([one.scores for one in several]))
    return ranked(keys, scores, k)
