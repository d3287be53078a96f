"""Near-duplicates of pictures: found by hash or by windows, verified pixel by pixel.

Pictures whose hashes are within 31 bits, in one of the eight ways to turn and mirror them, and
those that are alike in low frequencies, for crops and small rotations, are laid on each other, and
the detail of both has to agree where they overlap. If the files hold more than the grey copies,
they are looked at again at 192 pixels, so that two forms with other words in them stay two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragstone.config import LimitSettings
from ragstone.ingestion.dedup.base import DuplicateKind, Pair, Signed
from ragstone.ingestion.dedup.groups import NEAREST, backbone
from ragstone.ingestion.dedup.image_candidates import Candidates, find_candidates
from ragstone.ingestion.dedup.image_geometry import compare, fit, refine, standard
from ragstone.ingestion.dedup.image_hash import (
    ALGORITHM,
    TURNS,
    Floats,
    Pictures,
    grey_copy,
    spread,
    turned,
    turned_hashes,
    unpacked,
)

HAMMING = 31  # bits of 256 in which hashes of the same picture differ at most
LEAST_DETAIL = 1.0  # grey levels: a picture with less has nothing to be recognised by

# Least correlations of detail, by what else is known of the two pictures. Measured on photographs,
# on 12,000 pictures of 32 pixels (the first wrong pair is at 0.904) and on 10,000 digits.
_HASHES_AGREE = 0.8
_LARGE = 0.75  # the second look decides
_SMALL = 0.91  # there is no second look
_NARROW = 0.97  # small, little detail, and only the hashes speak for it
_SPREAD = 0.85  # detail in fewer fields is too easily laid on other detail
# The same at the second look. What compression and blur leave alike is on both grey copies where
# the hashes agree; else another page of the same layout reaches 0.79, a crop 0.86.
_CLOSE_HASHES_AGREE = 0.4
_CLOSE = 0.82
_CLOSE_NARROW = 0.9

_CLOSE_SIDES = (96, 192)  # of the copies for the second look, the last if both files are as large
_CLOSE_FROM = 64  # pixels of the shorter side from which there is more to see
_CLOSE_KEPT = 1_024  # of these copies, up to 144 KiB each
_BATCH = 256  # pairs that are laid on each other at a time


@dataclass(frozen=True, slots=True)
class ImageFinder:
    """Finds pictures that show the same; a `Finder`.

    Notes
    -----
    The distance of a pair is 1 - c, c the correlation of the detail of the grey copies where they
    overlap. Equal signatures are linked in a star, and of a crowd the `backbone` is kept, so n
    copies cost n - 1 pairs. Pictures without detail (one colour, a smooth gradient) are duplicates
    only when their pixels are equal.
    """

    kind: DuplicateKind = field(default=DuplicateKind.IMAGE, init=False)
    algorithm: str = field(default=ALGORITHM, init=False)

    def find(self, new: Signed, known: Signed, content: Callable[[int], Any]) -> list[Pair]:
        """Return the pairs within `new`, and between `new` and `known`, each once, verified.

        `content` returns the bytes of an item's file by its key; it is asked only for pictures that
        were found to be alike.
        """
        if not len(new.keys):
            return []
        equal, queries, others = _without_copies(new, known)
        keys = np.array([key for key, _ in (*queries, *others)], np.int64)
        pictures = unpacked([value for _, value in (*queries, *others)])
        asked = _detailed(pictures, np.arange(len(queries)))
        rest = _detailed(pictures, np.arange(len(queries), len(keys)))
        if not len(asked):
            return equal
        places = np.concatenate([asked, rest])
        verified = _verified(_part(pictures, places), len(asked), keys[places], _Closer(content))
        return equal + _few(verified)


_Keyed = list[tuple[int, bytes]]


def _without_copies(new: Signed, known: Signed) -> tuple[list[Pair], _Keyed, _Keyed]:
    """Return pairs of new items with equal signatures, and one item for each signature.

    The items are the new ones that equal no known one, by key, and the known ones.
    """
    least: dict[bytes, int] = {}
    for key, value in sorted(zip(known.keys.tolist(), known.values, strict=True)):
        least.setdefault(value, key)
    others = [(key, value) for value, key in least.items()]
    pairs, queries = [], []
    for key, value in sorted(zip(new.keys.tolist(), new.values, strict=True)):
        standing = least.setdefault(value, key)
        if standing == key:
            queries.append((key, value))
        elif unpacked([value]).detail[0] >= LEAST_DETAIL:
            ends = min(standing, key), max(standing, key)
            evidence = {"hamming": 0, "turn": "upright", "correlation": 1.0, "overlap": 1.0}
            pairs.append(Pair(*ends, DuplicateKind.IMAGE, 0.0, ALGORITHM, evidence))
    return pairs, queries, others


def _detailed(pictures: Pictures, places: NDArray[np.int64]) -> NDArray[np.int64]:
    return places[pictures.detail[places] >= LEAST_DETAIL]


def _part(pictures: Pictures, places: NDArray[np.int64]) -> Pictures:
    return Pictures(
        pictures.hashes[places],
        pictures.detail[places],
        pictures.sides[places],
        pictures.grey[places],
    )


def _verified(
    pictures: Pictures, count: int, keys: NDArray[np.int64], closer: _Closer
) -> list[Pair]:
    """Return the verified pairs of the first `count` pictures with each other and with the rest."""
    found = find_candidates(_part(pictures, np.arange(count)), pictures)
    best: dict[tuple[int, int], Pair] = {}
    for start in range(0, len(found), _BATCH):
        batch = found.take(np.arange(start, min(start + _BATCH, len(found))))
        for pair in _laid(batch, pictures, keys, closer):
            ends = pair.first, pair.second
            if ends not in best or pair.distance < best[ends].distance:
                best[ends] = pair
    return [best[ends] for ends in sorted(best)]


def _laid(
    found: Candidates, pictures: Pictures, keys: NDArray[np.int64], closer: _Closer
) -> Iterator[Pair]:
    """Lay the candidates on each other, and yield the pairs that agree."""
    query, hamming = _turned_queries(found, pictures)
    demands = _demands(found, pictures, hamming)
    possible = np.flatnonzero(demands.correlation <= 1)
    found, query, hamming = found.take(possible), query[possible], hamming[possible]
    demands = demands.take(possible)
    target, swap = pictures.grey[found.targets], found.of_target[:, None, None]
    fitted = fit(np.where(swap, target, query), np.where(swap, query, target), found.windows)
    for place in np.flatnonzero(fitted.correlation >= demands.correlation).tolist():
        evidence: dict[str, Any] = {
            "hamming": int(hamming[place]),
            "turn": list(TURNS)[found.turns[place]],
            "correlation": round(float(fitted.correlation[place]), 4),
            "overlap": round(float(fitted.overlap[place]), 4),
        }
        one, other = int(keys[found.queries[place]]), int(keys[found.targets[place]])
        if demands.sides[place]:
            ends = (one, evidence["turn"]), (other, "upright")
            first, second = reversed(ends) if found.of_target[place] else ends
            close = closer.correlation(first, second, fitted.maps[place], demands.sides[place])
            if close < demands.close[place]:
                continue
            evidence["close"] = round(close, 4)
        distance = max(round(1 - evidence["correlation"], 4), 0.0)
        low, high = sorted((one, other))
        yield Pair(low, high, DuplicateKind.IMAGE, distance, ALGORITHM, evidence)


def _turned_queries(
    found: Candidates, pictures: Pictures
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the grey copies of the queries, turned, and the bits in which the hashes differ."""
    query, hashes = pictures.grey[found.queries].copy(), pictures.hashes[found.queries].copy()
    for place, name in enumerate(TURNS):
        chosen = found.turns == place
        if chosen.any():
            query[chosen] = turned(query[chosen], name)
            hashes[chosen] = turned_hashes(hashes[chosen], name)
    differing = np.bitwise_count(hashes ^ pictures.hashes[found.targets])
    return query, differing.sum(axis=1, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Demands:
    """What m candidates have to reach, in arrays of shape (m,)."""

    correlation: Floats
    close: Floats
    sides: NDArray[np.int64]  # of the second look; 0 when there is no more to see in the files

    def take(self, places: NDArray[np.int64]) -> _Demands:
        """Return those at `places`."""
        return _Demands(self.correlation[places], self.close[places], self.sides[places])


def _demands(found: Candidates, pictures: Pictures, hamming: NDArray[np.int64]) -> _Demands:
    sides = np.minimum(pictures.sides[found.queries], pictures.sides[found.targets])
    queries, targets = pictures.grey[found.queries], pictures.grey[found.targets]
    wide = np.minimum(spread(queries), spread(targets)) >= _SPREAD
    large, near = sides >= _CLOSE_FROM, hamming <= HAMMING
    agreeing = np.where(wide | large, _HASHES_AGREE, _NARROW)
    others = np.where(wide & large, _LARGE, np.where(wide | large, _SMALL, np.inf))
    close = np.where(near, _CLOSE_HASHES_AGREE, np.where(wide, _CLOSE, _CLOSE_NARROW))
    low, high = _CLOSE_SIDES
    return _Demands(
        correlation=np.where(near, agreeing, others).astype(np.float32),
        close=close.astype(np.float32),
        sides=np.where(large, np.where(near | (sides < high), low, high), 0),
    )


class _Closer:
    """The second look: larger grey copies, made from the files when they are asked for."""

    def __init__(self, content: Callable[[int], Any]) -> None:
        self._content = content
        self._made: dict[tuple[int, int], Floats] = {}

    def correlation(
        self, first: tuple[int, str], second: tuple[int, str], mapped: Floats, largest: int
    ) -> float:
        """Return the correlation of detail of two pictures, each by its key and turn.

        `mapped` is made better on the way, from copy to larger copy, up to `largest`.
        """
        maps, correlation = mapped[None], -1.0
        for side in _CLOSE_SIDES:
            if side > largest:
                break
            one, other = (
                turned(self._copy(key, side)[None], turn) for key, turn in (first, second)
            )
            fits = [compare(one, other, each) for each in (maps, refine(one, other, maps))]
            best = max(fits, key=lambda found: float(found.correlation[0]))
            maps, correlation = best.maps, float(best.correlation[0])
        return correlation

    def _copy(self, key: int, side: int) -> Floats:
        made = self._made.get((key, side))
        if made is None:
            from ragstone.ingestion.parsers.pixels import decode, pixels

            # It was read before, within the limits of that time.
            limits = LimitSettings(pixels=2**62)
            picture = decode(self._content(key), limits, draft=side)
            made = standard(grey_copy(pixels(picture.image), side)[None])[0]
            self._made[key, side] = made
            if len(self._made) > _CLOSE_KEPT:
                self._made.pop(next(iter(self._made)))
        return made


def _few(pairs: list[Pair]) -> list[Pair]:
    """Return the pairs without most of those within a crowd."""
    if len(pairs) <= NEAREST:
        return pairs
    ends = np.array([(pair.first, pair.second) for pair in pairs], np.int64)
    kept = backbone(ends, np.array([pair.distance for pair in pairs]))
    return [pair for pair, keep in zip(pairs, kept.tolist(), strict=True) if keep]
