"""Finding which recordings share frames at a constant shift, by an index of short bit patterns.

A key is a group of neighbouring bands at a few times. Noise spoils the bands in which there is
little sound and leaves the others alone, so a key of few bands survives where a frame of all 32
does not. Keys that two recordings share at one shift, a few times, make a candidate; the
candidate's shift is then verified on the bits of all frames that overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragstone.ingestion.dedup.fingerprint import BITS, Frames

Numbers = NDArray[np.int64]

_SHIFTS = 1 << 21  # more than any shift in frames, with its sign: 18 hours
_REPEATS = 32  # of one key in one recording; a loop has thousands, which say nothing new
_INDEXED_KEYS, _KNOWN_KEYS = 1 << 23, 1 << 21  # held and looked up at once: bounds the memory
_VERIFIED = 1 << 22  # frames compared at once
_SAMPLED = 32  # frames of a candidate that are looked at first


@dataclass(frozen=True, slots=True)
class Scheme:
    """Which patterns are keys, and how many must agree."""

    bands: int  # of one key
    stride: int  # in bands from one key to the next
    times: int  # of one key
    step: int  # frames from one time to the next
    strong: int  # bits of a key that must be strong
    hits: int  # keys at one shift, or beside it, that make a candidate
    shifts: int  # per pair that are verified

    @property
    def groups(self) -> range:
        """The first band of each key."""
        return range(0, BITS - self.bands + 1, self.stride)

    @property
    def size(self) -> int:
        """How many different keys there are."""
        return len(self.groups) << (self.bands * self.times)


@dataclass(frozen=True, slots=True)
class Section:
    """The frames of many recordings, one after the other."""

    bits: NDArray[np.uint32]
    strong: NDArray[np.uint32]
    starts: Numbers  # shape (n + 1,): recording i has the frames [starts[i], starts[i + 1])

    @classmethod
    def of(cls, recordings: Sequence[Frames]) -> Section:
        """Join the frames of recordings; each keeps its place in the order."""
        lengths = [len(recording.bits) for recording in recordings]
        nothing = [np.zeros(0, np.uint32)]
        return cls(
            np.concatenate([r.bits for r in recordings] or nothing),
            np.concatenate([r.strong for r in recordings] or nothing),
            np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64),
        )

    @property
    def lengths(self) -> Numbers:
        """How many frames each recording has."""
        return np.diff(self.starts)


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of recordings, with the recording and the frame each is from; all of shape (n,)."""

    values: Numbers
    recordings: Numbers
    frames: Numbers


@dataclass(frozen=True, slots=True)
class Matches:
    """Pairs of recordings at a shift: frame f of `first` is frame f + shift of `second`."""

    first: Numbers
    second: Numbers
    shift: Numbers
    overlap: Numbers  # frames that both have
    compared: Numbers  # bits that are strong in both
    errors: Numbers  # of those, the ones that differ

    def __len__(self) -> int:
        return len(self.first)

    @property
    def rates(self) -> NDArray[np.float64]:
        """The bit error rates; 0.5 where nothing was compared."""
        compared = np.maximum(self.compared, 1)
        return np.where(self.compared > 0, self.errors / compared, 0.5)

    def only(self, chosen: NDArray[np.bool_] | Numbers) -> Matches:
        """Return the chosen ones."""
        return Matches(
            self.first[chosen], self.second[chosen], self.shift[chosen],
            self.overlap[chosen], self.compared[chosen], self.errors[chosen],
        )  # fmt: skip

    def best(self) -> Matches:
        """Return for each pair the shift with most bits that agree over those that do not."""
        order = np.lexsort((2 * self.errors - self.compared, self.second, self.first))
        first, second = self.first[order], self.second[order]
        new = np.ones(len(order), np.bool_)
        new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
        return self.only(order[new])


def find_matches(new: Section, known: Section, scheme: Scheme, *, same: bool) -> Iterator[Matches]:
    """Yield verified shifts of candidates, several for a pair, for some of `known` at a time.

    With `same` the two are one, and only pairs with `first < second` are given.
    """
    for first, last in _stretches(new, scheme, 0, _INDEXED_KEYS):
        index = _Index.of(_ordered(new, first, last, scheme), scheme.size)
        for begin, end in _stretches(known, scheme, first if same else 0, _KNOWN_KEYS):
            keys = _keys(known, begin, end, scheme)
            found = _candidates(index, keys, scheme, len(known.lengths), same=same)
            yield from _verified(new, known, *found)


def _stretches(
    section: Section, scheme: Scheme, begin: int, keys: int
) -> Iterator[tuple[int, int]]:
    """Yield runs [begin, end) of recordings with so many keys together, or one that has more."""
    most, count = keys // len(scheme.groups), len(section.lengths)
    while begin < count:
        end = int(np.searchsorted(section.starts, section.starts[begin] + most, side="right")) - 1
        end = max(end, begin + 1)
        yield begin, min(end, count)
        begin = end


def _keys(section: Section, begin: int, end: int, scheme: Scheme) -> Keys:
    """Return the keys of the recordings [begin, end), by group and then by frame."""
    low, high = int(section.starts[begin]), int(section.starts[end])
    bits, strong = section.bits[low:high], section.strong[low:high]
    span = scheme.step * (scheme.times - 1)
    owners = np.repeat(np.arange(begin, end), section.lengths[begin:end])
    places = np.arange(low, high) - section.starts[owners]
    usable = max(0, len(bits) - span)
    fits = places[:usable] + span < section.lengths[owners[:usable]]  # within one recording
    mask = np.uint32((1 << scheme.bands) - 1)
    values, frames = [], []
    for number, band in enumerate(scheme.groups):
        key = np.full(usable, number, np.int64)
        weight = np.zeros(usable, np.uint8)
        for time in range(scheme.times):
            part = slice(time * scheme.step, time * scheme.step + usable)
            key = (key << scheme.bands) | ((bits[part] >> np.uint32(band)) & mask)
            weight += np.bitwise_count((strong[part] >> np.uint32(band)) & mask)
        kept = np.flatnonzero(fits & (weight >= scheme.strong))
        values.append(key[kept])
        frames.append(kept)
    chosen = np.concatenate(frames)
    return Keys(np.concatenate(values), owners[chosen], places[chosen])


def _ordered(section: Section, begin: int, end: int, scheme: Scheme) -> Keys:
    """Return the keys of the recordings [begin, end), ascending, each at most 32 times for one."""
    keys = _keys(section, begin, end, scheme)
    order = np.lexsort((keys.frames, keys.recordings, keys.values))
    keys = Keys(keys.values[order], keys.recordings[order], keys.frames[order])
    run = keys.values * len(section.lengths) + keys.recordings
    rank = np.arange(len(run)) - np.searchsorted(run, run, side="left")
    kept = rank < _REPEATS
    return Keys(keys.values[kept], keys.recordings[kept], keys.frames[kept])


@dataclass(frozen=True, slots=True)
class _Index:
    """Keys in ascending order, with where each begins."""

    keys: Keys
    places: NDArray[np.int32]  # by key: which of the different keys it is, -1 for none
    starts: Numbers  # by place: of the first one in `keys`, and at the end their number

    @classmethod
    def of(cls, keys: Keys, size: int) -> _Index:
        """Index `keys`, which are in ascending order and below `size`."""
        values, counts = _counted(keys.values)
        places = np.full(size, -1, np.int32)
        places[values] = np.arange(len(values), dtype=np.int32)
        return cls(keys, places, np.concatenate(([0], np.cumsum(counts))).astype(np.int64))

    def matching(self, keys: Keys) -> tuple[Numbers, Numbers]:
        """Return all pairs of equal keys: places in the index, and in `keys`."""
        places = self.places[keys.values]
        source = np.flatnonzero(places >= 0)
        low = self.starts[places[source]]
        counts = self.starts[places[source] + 1] - low
        ends = np.cumsum(counts)
        target = np.arange(int(counts.sum())) + np.repeat(low - ends + counts, counts)
        return target, np.repeat(source, counts)


def _candidates(
    index: _Index, keys: Keys, scheme: Scheme, known: int, *, same: bool
) -> tuple[Numbers, Numbers, Numbers]:
    """Return first, second and shift of the pairs that share enough keys."""
    target, source = index.matching(keys)
    first, second = index.keys.recordings[target], keys.recordings[source]
    shift = keys.frames[source] - index.keys.frames[target]
    if same:
        ordered = first < second
        first, second, shift = first[ordered], second[ordered], shift[ordered]
    packed = (first * known + second) * _SHIFTS + shift + _SHIFTS // 2
    packed.sort()
    values, numbers = _counted(packed)
    support = numbers.copy()
    beside = np.flatnonzero(np.diff(values) == 1)
    support[beside] += numbers[beside + 1]
    support[beside + 1] += numbers[beside]
    enough = support >= scheme.hits
    values, support = values[enough], support[enough]
    pairs = values // _SHIFTS
    order = np.lexsort((-support, pairs))
    sorted_pairs = pairs[order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_pairs, sorted_pairs, side="left")
    values = values[order[rank < scheme.shifts]]
    pairs = values // _SHIFTS
    return pairs // known, pairs % known, values % _SHIFTS - _SHIFTS // 2


def _counted(ordered: Numbers) -> tuple[Numbers, Numbers]:
    """Return the different values of a sorted array, and how often each is there."""
    if not len(ordered):
        return ordered, ordered
    edges = np.concatenate(([0], np.flatnonzero(np.diff(ordered)) + 1, [len(ordered)]))
    return ordered[edges[:-1]], np.diff(edges)


def _verified(
    new: Section, known: Section, first: Numbers, second: Numbers, shift: Numbers
) -> Iterator[Matches]:
    """Yield the candidates with their bits compared, a bounded number of frames at a time.

    Of most candidates a few frames show that they are strangers; those are left out.
    """
    begin = np.maximum(0, -shift)
    overlap = np.minimum(new.lengths[first], known.lengths[second] - shift) - begin
    left, right = new.starts[first] + begin, known.starts[second] + begin + shift
    likely = np.flatnonzero((overlap > 0) & _likely(new, known, left, right, overlap))
    batch = np.cumsum(overlap[likely]) // _VERIFIED
    for part in np.split(likely, np.flatnonzero(np.diff(batch)) + 1):
        if not len(part):
            continue
        sizes = overlap[part]
        starts = np.cumsum(sizes) - sizes
        within = np.arange(int(sizes.sum())) - np.repeat(starts, sizes)
        ours = within + np.repeat(left[part], sizes)
        theirs = within + np.repeat(right[part], sizes)
        both = new.strong[ours] & known.strong[theirs]
        wrong = both & (new.bits[ours] ^ known.bits[theirs])
        yield Matches(
            first[part], second[part], shift[part], sizes,
            _sums(both, starts, sizes), _sums(wrong, starts, sizes),
        )  # fmt: skip


def _likely(
    new: Section, known: Section, left: Numbers, right: Numbers, overlap: Numbers
) -> NDArray[np.bool_]:
    """Tell where at most a quarter of the bits differ in a sample of frames."""
    likely = np.ones(len(overlap), np.bool_)
    steps = np.arange(_SAMPLED)
    for start in range(0, len(overlap), _VERIFIED // _SAMPLED):
        part = slice(start, start + _VERIFIED // _SAMPLED)
        places = np.maximum(overlap[part, None], 0) * steps // _SAMPLED
        # a shift that leaves nothing in common may point beyond the end
        ours = np.minimum(left[part, None] + places, len(new.bits) - 1)
        theirs = np.minimum(right[part, None] + places, len(known.bits) - 1)
        both = new.strong[ours] & known.strong[theirs]
        wrong = both & (new.bits[ours] ^ known.bits[theirs])
        differing = np.bitwise_count(wrong).sum(axis=1, dtype=np.int64)
        likely[part] = 4 * differing <= np.bitwise_count(both).sum(axis=1, dtype=np.int64)
    return likely


def _sums(words: NDArray[np.uint32], starts: Numbers, sizes: Numbers) -> Numbers:
    """Return how many bits are set in each run of words."""
    totals = np.concatenate(([0], np.cumsum(np.bitwise_count(words), dtype=np.int64)))
    sums: Numbers = totals[starts + sizes] - totals[starts]
    return sums
