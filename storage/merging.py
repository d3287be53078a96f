"""Merging: many small segments become one, inside the commit that makes it due.

Segments of about the same size are merged when there are `FAN_IN` of them, as log-structured
stores do, so each vector (and each chunk of a keyword index) is written again once per step in
size. None grows over a largest size, which bounds time and memory of a merge. Readers keep the
segments of their own version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from pyroaring import BitMap64

from ragstone.storage.manifests import SegmentRef, unpack_bitmap
from ragstone.storage.segments import Segments
from ragstone.storage.vectors import read_keys, write_segment

FAN_IN = 12  # with 8, 100 changes of 1 % were written 3.5 times over; with this 2.5, with 16 2.4
SMALLEST = 1_024  # chunks; all smaller segments count as being of one size
LARGEST = 65_536  # chunks of a keyword index
LARGEST_VECTORS = 524_288  # 400 MB at 384 dimensions, sorted into cells and written in 5 seconds
_MOST = 2  # a search reads the dead vectors too


class Sized(Protocol):
    """A segment as the choice of what to merge sees it."""

    @property
    def held(self) -> int:
        """Chunks in its files."""

    @property
    def size(self) -> int:
        """Those of them that live."""


Some = TypeVar("Some", bound=Sized)


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A segment with the keys in it that still live."""

    ref: SegmentRef
    live: BitMap64

    @property
    def size(self) -> int:
        return len(self.live)

    @property
    def held(self) -> int:
        return self.ref.vectors


def due(segments: Sequence[Some], most: int, largest: int = LARGEST) -> list[Some]:
    """Return what to merge next: a mostly dead segment by itself, or the smallest crowded tier.

    A segment is mostly dead when it holds more than `most` times the chunks of it that live. None
    is merged into one of more than `largest`.
    """
    for one in segments:
        if one.size * most < one.held:
            return [one]
    tiers: dict[int, list[Some]] = {}
    for one in segments:
        if one.size <= largest // 2:
            tiers.setdefault(_tier(one.size), []).append(one)
    for tier in sorted(tiers):
        if len(tiers[tier]) >= FAN_IN:
            return _fitting(tiers[tier], largest)
    return []


def _tier(size: int) -> int:
    """Return the step in size: each is `FAN_IN` times the one before."""
    step, limit = 0, SMALLEST
    while size >= limit:
        step, limit = step + 1, limit * FAN_IN
    return step


def _fitting(crowded: Sequence[Some], largest: int) -> list[Some]:
    """Return the first segments that together stay within `largest`; any two do."""
    chosen: list[Some] = []
    total = 0
    for one in crowded:
        if total + one.size > largest:
            break
        chosen.append(one)
        total += one.size
    return chosen


def segment_keys(root: Path, segment: SegmentRef) -> BitMap64:
    """Return the chunk keys in a segment; in format 1 only the file knows them."""
    if segment.keys:
        return unpack_bitmap(segment.keys)
    return BitMap64(read_keys(root / segment.path))


def merged(
    root: Path,
    folder: Path,
    opened: Segments,
    segments: Sequence[SegmentRef],
    live: BitMap64 | None,
) -> tuple[list[SegmentRef], list[SegmentRef]]:
    """Return `segments` with what is due merged, and all that were written on the way.

    Those of different embedding spaces are never merged.

    Parameters
    ----------
    folder
        Of the dataset, where merged segments go.
    live
        Chunk keys of the next version; None when all live. Dead vectors are left out of a merge.
    """
    kept: list[SegmentRef] = []
    written: list[SegmentRef] = []
    for space in dict.fromkeys(segment.space for segment in segments):
        own = [s for s in segments if s.space == space and s.vectors]
        weighed = [_weigh(root, segment, live) for segment in own]
        while chosen := due(weighed, _MOST, LARGEST_VECTORS):
            made = _merge(root, folder, opened, chosen)
            weighed = [w for w in weighed if w not in chosen]
            if made:
                weighed.append(made)
                written.append(made.ref)
        kept += [w.ref for w in weighed]
    return kept, written


def _weigh(root: Path, segment: SegmentRef, live: BitMap64 | None) -> _Weighed:
    keys = segment_keys(root, segment)
    return _Weighed(segment, keys if live is None else keys & live)


def _merge(
    root: Path, folder: Path, opened: Segments, chosen: Sequence[_Weighed]
) -> _Weighed | None:
    """Write one segment of what lives in `chosen`; None when nothing does."""
    space = chosen[0].ref.space
    keys, vectors = [], []
    for one in chosen:
        held, rows = opened.contents(one.ref)
        alive = np.isin(held, np.fromiter(one.live, np.int64, len(one.live)))
        keys.append(held[alive])
        vectors.append(rows[alive])
    every = np.concatenate(keys)
    if not len(every):
        return None
    ref = write_segment(root, folder, space, every, np.concatenate(vectors))
    return _Weighed(ref, BitMap64(every))
