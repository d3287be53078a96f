"""Near-duplicate recordings: the same sound, encoded anew, under noise, cut, or a part of it.

Recordings of 3 s and more are compared by the bands of their fingerprints; a clip under 3 s by its
waveform with those up to 6 s, so that two takes of one word stay two. It is never searched for in a
long recording: a word is said in many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ragstone.ingestion.dedup.base import DuplicateKind, Pair, Signed
from ragstone.ingestion.dedup.clips import compare
from ragstone.ingestion.dedup.fingerprint import (
    ALGORITHM,
    BANDS,
    Fingerprint,
    read_fingerprint,
)
from ragstone.ingestion.dedup.postings import Matches, Scheme, Section, find_matches

# Measured in benchmarks/audio_duplicates.py: copies stay below 0.06, strangers above 0.2.
ERROR_RATE = 0.12  # largest share of the bits compared that may differ
_COMPARED = 250  # least number of bits compared
_LEAST_FRAMES = round(2.0 / BANDS.seconds)  # of overlap; a frame reaches half a second around it
_CLIP_ERROR_RATE = 0.1  # of a clip's frames, to compare waveforms at all
_CLIP_COMPARED, _CLIP_SHARE = 30, 0.6  # bits compared; of the strong ones of the poorer clip
_BAND_KEYS = Scheme(bands=8, stride=8, times=3, step=4, strong=8, hits=6, shifts=4)
_CLIP_KEYS = Scheme(bands=6, stride=3, times=2, step=4, strong=4, hits=2, shifts=3)


class AudioFinder:
    """Finds recordings that are copies or parts of each other; a `Finder`.

    `distance` is the share of the compared bits that differ; of clips, what that share is expected
    to be at the correlation of their waveforms, arccos(r) / pi. `evidence` has `offset`, the
    second of the first recording at which the second one begins (below 0 when it begins before),
    and `overlap` in seconds.
    """

    kind = DuplicateKind.AUDIO
    algorithm = ALGORITHM

    def find(
        self,
        new: Signed,
        known: Signed,
        content: Callable[[int], Any],  # noqa: ARG002 - the signature says it all
    ) -> list[Pair]:
        """Return every pair within `new`, and between `new` and `known`, each once, verified."""
        ours = _Side(new)
        pairs = list(_pairs(ours, ours, same=True))
        if len(known.keys):
            pairs += _pairs(ours, _Side(known), same=False)
        return sorted(pairs, key=lambda pair: (pair.first, pair.second))


class _Side:
    """The fingerprints of one side, with their frames laid out for the index."""

    def __init__(self, signed: Signed) -> None:
        self.keys = signed.keys
        self.prints: list[Fingerprint] = [read_fingerprint(value) for value in signed.values]
        self.bands = Section.of([one.bands for one in self.prints])
        self.clips = Section.of([one.clip for one in self.prints])
        self.has_bands = self.bands.lengths > 0
        bits = [np.bitwise_count(one.clip.strong).sum() for one in self.prints]
        self.clip_bits = np.array(bits, np.int64)


def _pairs(new: _Side, known: _Side, *, same: bool) -> Iterator[Pair]:
    """Yield pairs of clips, one of them under 3 s, and of recordings that both have bands."""
    for matches in find_matches(new.clips, known.clips, _CLIP_KEYS, same=same):
        least = _CLIP_SHARE * np.minimum(
            new.clip_bits[matches.first], known.clip_bits[matches.second]
        )
        likely = matches.rates <= _CLIP_ERROR_RATE
        likely &= matches.compared >= np.maximum(_CLIP_COMPARED, least)
        likely &= ~(new.has_bands[matches.first] & known.has_bands[matches.second])
        yield from _clip_pairs(new, known, matches.only(likely).best())
    for matches in find_matches(new.bands, known.bands, _BAND_KEYS, same=same):
        shorter = np.minimum(new.bands.lengths[matches.first], known.bands.lengths[matches.second])
        good = matches.rates <= ERROR_RATE
        good &= matches.compared >= _COMPARED
        good &= matches.overlap >= np.maximum(_LEAST_FRAMES, shorter / 2)
        yield from _band_pairs(new, known, matches.only(good).best())


def _band_pairs(new: _Side, known: _Side, matches: Matches) -> Iterator[Pair]:
    for place, rate in enumerate(matches.rates.tolist()):
        first, second = int(matches.first[place]), int(matches.second[place])
        one, other = new.prints[first], known.prints[second]
        shift = -int(matches.shift[place]) * BANDS.seconds
        evidence = {
            "method": "bands",
            "overlap": _overlap(one.seconds, other.seconds, shift),
            "bits": int(matches.compared[place]),
        }
        yield _pair(int(new.keys[first]), int(known.keys[second]), rate, shift, evidence)


def _clip_pairs(new: _Side, known: _Side, matches: Matches) -> Iterator[Pair]:
    for first, second in zip(matches.first.tolist(), matches.second.tolist(), strict=True):
        found = compare(new.prints[first].waveform, known.prints[second].waveform)
        if not found.same:
            continue
        distance = float(np.arccos(np.clip(found.correlation, -1, 1)) / np.pi)
        evidence = {
            "method": "waveform",
            "overlap": round(found.overlap, 3),
            "correlation": round(found.correlation, 4),
        }
        keys = int(new.keys[first]), int(known.keys[second])
        yield _pair(*keys, distance, -found.offset, evidence)


def _pair(first: int, second: int, distance: float, shift: float, evidence: dict[str, Any]) -> Pair:
    """Return the pair in the order of its keys; `shift` is where the second begins in the first."""
    if first > second:
        first, second, shift = second, first, -shift
    evidence["offset"] = round(shift, 3) + 0.0  # no negative zero
    return Pair(first, second, DuplicateKind.AUDIO, round(distance, 5), ALGORITHM, evidence)


def _overlap(first: float, second: float, shift: float) -> float:
    """Return how many seconds two recordings share when the second begins at `shift`."""
    return round(min(first, shift + second) - max(0.0, shift), 3)


__all__ = ["ERROR_RATE", "AudioFinder"]
