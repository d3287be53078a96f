"""MinHash signatures and their bands: sets that overlap share a band with a known probability.

126 permutations in 21 bands of 6 rows (Broder 1997; Leskovec et al., "Mining of Massive Datasets",
3.4): two sets of Jaccard similarity J share a band with probability 1 - (1 - J^6)^21.

    J            0.5    0.6    0.7    0.8    0.9
    probability  0.28   0.63   0.928  0.998  1.000

A band shared is a candidate, never a verdict: candidates are verified on the sets themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash

from ragstone.ingestion.dedup.shingles import WIDTH

BANDS = 21
ROWS = 6
PERMUTATIONS = BANDS * ROWS
SEED = 7

# rensa promises equal digests for equal numbers within one version of its algorithm; another one
# makes another name, and signatures of different names are never compared.
ALGORITHM = f"minhash-w{WIDTH}-{PERMUTATIONS}-{BANDS}x{ROWS}-rensa{RMinHash.ALGORITHM_VERSION}"


def _odd_numbers(count: int) -> NDArray[np.uint64]:
    """Return `count` odd numbers that look random: splitmix64 from a fixed start."""
    numbers, state = [], SEED
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        mixed = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % 2**64
        numbers.append(mixed ^ (mixed >> 31) | 1)
    return np.array(numbers, np.uint64)


_FACTORS = _odd_numbers(PERMUTATIONS).reshape(BANDS, ROWS)  # each band its own: keys never mix


def band_keys(shingles: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the keys of the bands of a set of shingles, uint64 of shape (21,).

    `shingles` are distinct numbers, uint64 of shape (n,), n > 0.
    """
    rows = np.array((0, len(shingles)), np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(shingles, rows, PERMUTATIONS, SEED)
    digest = np.array(matrix.to_rows()[0], np.uint64).reshape(BANDS, ROWS)  # of 32 bits
    keys: NDArray[np.uint64] = (digest * _FACTORS).sum(axis=1, dtype=np.uint64)
    keys ^= keys >> np.uint64(32)
    return keys
