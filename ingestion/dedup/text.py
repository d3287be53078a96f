"""Near-duplicates of texts: signed where they are parsed, found by bands, verified by Jaccard.

A text gets two signatures. `payload` is the digest of the text itself, white space apart: texts
with equal ones are exact duplicates, whatever the markup around them was. `text` holds a digest of
its set of shingles and the keys of its MinHash bands.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from ragstone.ingestion.dedup.base import DuplicateKind, Pair, Signed
from ragstone.ingestion.dedup.groups import backbone
from ragstone.ingestion.dedup.minhash import ALGORITHM, BANDS, band_keys
from ragstone.ingestion.dedup.shingles import shared, shingles
from ragstone.schemas.records import Signature

PAYLOAD_ALGORITHM = "blake3-text-1"
FLOOR = 0.5  # a pair of less Jaccard similarity is not kept; policies decide above it

_VALUE = np.dtype("<u8")
_SPACED = bytes(32 if byte < 128 and chr(byte).isspace() else byte for byte in range(256))
_KEPT_BYTES = 256 * 2**20  # of sets that stand in memory while pairs are verified

Candidates = Callable[[Signed, Signed], NDArray[np.int64]]
"""From new and known items to pairs of keys that may be duplicates, shape (m, 2)."""


def sign_text(text: str) -> tuple[Signature, ...]:
    """Return the signatures of `text`: none without any visible character.

    The value of the near one is little-endian uint64 of shape (22,): the digest of the set of
    shingles, then a key for each of the 21 bands. A text without a word has no near one.
    """
    plain = _plain(text)
    if not plain:
        return ()
    payload = Signature("payload", PAYLOAD_ALGORITHM, blake3(plain).digest())
    numbers = shingles(text)
    if not len(numbers):
        return (payload,)
    own = blake3(numbers.astype(_VALUE, copy=False).tobytes()).digest(8)
    keys = band_keys(numbers).astype(_VALUE, copy=False)
    return payload, Signature("text", ALGORITHM, own + keys.tobytes())


def _plain(text: str) -> bytes:
    """Return `text` in NFC and UTF-8, with one space for each stretch of white space."""
    if not text.isascii():
        joined = " ".join(unicodedata.normalize("NFC", text).split())
        return joined.encode("utf-8", "surrogatepass")
    spaced = text.encode("ascii").translate(_SPACED)  # the same, five times as fast
    while b"  " in spaced:
        spaced = spaced.replace(b"  ", b" ")
    return spaced.strip()


def unpacked(values: Sequence[bytes]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return set digests, shape (n,), and band keys, shape (n, 21), of near signatures."""
    rows = np.frombuffer(b"".join(values), _VALUE).astype(np.uint64).reshape(-1, 1 + BANDS)
    return np.ascontiguousarray(rows[:, 0]), np.ascontiguousarray(rows[:, 1:])


def meet_in_memory(new: Signed, known: Signed) -> NDArray[np.int64]:
    """Return the candidates among `new`, and between `new` and `known`, without a catalog.

    The same join as on the catalog's table, on one that lives as long as this call.
    """
    import duckdb

    from ragstone.storage.bands import CREATE_TABLE, BandTable

    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        connection.execute(CREATE_TABLE)
        table = BandTable(connection, "", ALGORITHM)
        if len(known.keys):
            table.add(known.keys, *unpacked(known.values))
        return table.candidates(new.keys, *unpacked(new.values))


@dataclass(frozen=True, slots=True)
class TextFinder:
    """Finds texts of nearly the same words; a `Finder`.

    Parameters
    ----------
    candidates
        Which pairs are worth a second look. With the catalog's table, which knows all stored items
        by itself, `known` may be empty.

    Notes
    -----
    The distance of a pair is 1 - J, J the Jaccard similarity of the sets of shingles; pairs of
    J >= 0.5 are kept. Items of equal sets are linked in a star, only one of them meets other sets,
    and of a crowd the `backbone` is kept: n copies cost n - 1 pairs, and groups are the same at
    every threshold. So when an item is removed, those that were paired with it have to be found
    again, as new ones.
    """

    candidates: Candidates = meet_in_memory
    kind: DuplicateKind = field(default=DuplicateKind.TEXT, init=False)
    algorithm: str = field(default=ALGORITHM, init=False)

    def find(self, new: Signed, known: Signed, content: Callable[[int], Any]) -> list[Pair]:
        """Return the pairs within `new`, and between `new` and `known`, each once, verified.

        `content` returns the text of an item by its key.
        """
        if not len(new.keys):
            return []
        keys = self.candidates(new, known)
        sizes, common = _compared(keys, _Sets(content))
        union = sizes.sum(axis=1) - common
        near = (common >= FLOOR * union) & (common > 0)
        keys, sizes, common, union = keys[near], sizes[near], common[near], union[near]
        # of whole numbers, so that 3 of 10 is 0.3, and not a trifle more as 1 - 0.7 is
        distances = (union - common) / union
        return [
            _pair(keys[place], sizes[place], int(common[place]), float(distances[place]))
            for place in np.flatnonzero(backbone(keys, distances)).tolist()
        ]


def _compared(keys: NDArray[np.int64], sets: _Sets) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sizes of both sets of each pair, shape (m, 2), and what they share, shape (m,)."""
    sizes, common = np.empty(keys.shape, np.int64), np.zeros(len(keys), np.int64)
    for place, (one, other) in enumerate(keys.tolist()):
        first, second = sets.of(one), sets.of(other)
        sizes[place] = len(first), len(second)
        if FLOOR <= len(first) / max(len(second), 1) <= 1 / FLOOR:  # J is at most that
            common[place] = shared(first, second)
    return sizes, common


def _pair(keys: NDArray[np.int64], sizes: NDArray[np.int64], common: int, distance: float) -> Pair:
    first, second = keys.tolist()
    evidence = {"jaccard": 1.0 - distance, "shared": common, "shingles": sizes.tolist()}
    return Pair(first, second, DuplicateKind.TEXT, distance, ALGORITHM, evidence)


class _Sets:
    """The sets of shingles of items, made when they are asked for; the oldest are given up."""

    def __init__(self, content: Callable[[int], Any]) -> None:
        self._content = content
        self._made: dict[int, NDArray[np.uint64]] = {}
        self._bytes = 0

    def of(self, key: int) -> NDArray[np.uint64]:
        """Return the set of the item `key`, as of `shingles`."""
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = shingles(str(self._content(key)))
            self._bytes += made.nbytes
            while self._bytes > _KEPT_BYTES and len(self._made) > 2:
                self._bytes -= self._made.pop(next(iter(self._made))).nbytes
        return made
