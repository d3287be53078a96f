"""Exact duplicates: items whose payloads have the same digest."""

from __future__ import annotations

from ragstone.ingestion.dedup.base import DuplicateKind, Pair, Signed


def exact_pairs(signed: Signed, algorithm: str) -> list[Pair]:
    """Return the pairs of items with equal payload signatures, all of `algorithm`.

    Those that are equal make a star around the one with the least key: n copies cost n - 1 pairs.
    It takes a second for a million items, so it can be asked anew whenever items come or go.
    """
    first: dict[bytes, int] = {}
    pairs = []
    for key, value in sorted(zip(signed.keys.tolist(), signed.values, strict=True)):
        least = first.setdefault(value, key)
        if least != key:
            pairs.append(Pair(least, key, DuplicateKind.EXACT, 0.0, algorithm))
    return pairs
