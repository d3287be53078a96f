"""The embedded encoder of recordings: a fixed description of how a sound changes, without weights.

Mel-frequency cepstral coefficients (Davis and Mermelstein, "Comparison of Parametric
Representations for Monosyllabic Word Recognition", IEEE ASSP 1980) of the part that sounds, less
their mean, in 16 overlapping stretches of it, and their changes (Furui, IEEE ASSP 1986) likewise;
with less weight that mean, and how far coefficients and changes deviate from theirs. So clips that
sound alike in the same order are near each other, however long each takes; among those, voice and
microphone count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ragstone.encoders.base import EncoderIdentity, Vectors
from ragstone.errors import InvalidArgument

if TYPE_CHECKING:
    from ragstone.schemas.records import Payload

_REVISION = "1"  # raise it when any recording gets another vector
_RATE = 16_000
_FRAME, _HOP, _SIZE = 400, 160, 512  # samples: 25 ms every 10 ms
_BANDS, _LOW, _HIGH = 40, 60.0, 7_600.0  # mel bands, Hz
_PREEMPHASIS = 0.97
_FLOOR_DB = 80.0  # below the loudest band nothing counts
_ACTIVE_DB = 30.0  # frames softer than the loudest by more are silence at the ends
_COEFFICIENTS = 13  # whose course is described
_SPREAD = 20  # whose mean and deviation are
_STRETCHES = 16
# Weights beside the course of the coefficients, chosen in benchmarks/audio_descriptor.py.
_CHANGES, _MEANS, _DEVIATIONS = 0.5, 0.5, 0.4
_BLANK = 1e-3  # the same for all; it alone is left of silence
_DIMENSION = 2 * _STRETCHES * _COEFFICIENTS + 3 * _SPREAD

Floats = NDArray[np.float64]


class AudioDescriptor:
    """Describes windows of recordings by numbers from their samples alone; a `MediaEncoder`."""

    @property
    def identity(self) -> EncoderIdentity:
        """Name and digest of the method; there are no weights."""
        numbers = (
            _FRAME, _HOP, _SIZE, _BANDS, _LOW, _HIGH, _PREEMPHASIS, _FLOOR_DB, _ACTIVE_DB,
            _COEFFICIENTS, _SPREAD, _STRETCHES, _CHANGES, _MEANS, _DEVIATIONS, _BLANK,
        )  # fmt: skip
        digest = hashlib.sha256(f"{_REVISION} {numbers}".encode()).hexdigest()
        return EncoderIdentity("audio-descriptor", digest, _DIMENSION, 0, modality="audio")

    @property
    def reads_text(self) -> bool:
        """False: words have no place beside sounds."""
        return False

    def encode_media(
        self, payloads: Sequence[Payload], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        """Return unit vectors, float32 of shape (len(payloads), 476), in the given order."""
        vectors = np.empty((len(payloads), _DIMENSION), np.float32)
        for place, payload in enumerate(payloads):
            vectors[place] = _described(payload.data)
            if on_batch is not None:
                on_batch(place + 1)
        return vectors

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Refuse: see `reads_text`."""
        expected = "a recording; a CLAP network in encoder.audio lets words find sounds"
        raise InvalidArgument("query", list(texts), expected)


def _described(samples: NDArray[np.generic]) -> Floats:
    """Return the unit vector (476,) of int16 samples (n,)."""
    power = _mel_power(samples.astype(np.float64) / 32_768)
    coefficients = _cepstrum(power)
    loud = 10 * np.log10(power.sum(axis=1) + 1e-12)
    sounding = np.flatnonzero(loud > loud.max() - _ACTIVE_DB)
    part = coefficients[sounding[0] : sounding[-1] + 1]
    changes, means = _changes(part), part.mean(axis=0)
    course = part[:, :_COEFFICIENTS] - means[:_COEFFICIENTS]
    # The first mean is the loudness, which says nothing of the sound; a constant has its place.
    blocks = (
        _unit(_stretched(course).ravel()),
        _CHANGES * _unit(_stretched(changes[:, :_COEFFICIENTS]).ravel()),
        np.array([_BLANK]),
        _MEANS * _unit(means[1:]),
        _DEVIATIONS * _unit(part.std(axis=0)),
        _DEVIATIONS * _unit(changes.std(axis=0)),
    )
    return _unit(np.concatenate(blocks))


def _mel_power(samples: Floats) -> Floats:
    """Return the power in mel bands, (frames, 40)."""
    from scipy.fft import rfft

    sharp = np.append(samples[:1], samples[1:] - _PREEMPHASIS * samples[:-1])
    if len(sharp) < _FRAME:
        sharp = np.pad(sharp, (0, _FRAME - len(sharp)))
    frames = np.lib.stride_tricks.sliding_window_view(sharp, _FRAME)[::_HOP]
    spectrum = np.abs(rfft(frames * np.hanning(_FRAME), _SIZE, axis=1)) ** 2
    power: Floats = spectrum @ _mel_bands().T
    return power


@lru_cache(maxsize=1)
def _mel_bands() -> Floats:
    """Return the triangles of the mel scale, (40, 257)."""
    low, high = (2_595 * np.log10(1 + hertz / 700) for hertz in (_LOW, _HIGH))
    edges = np.linspace(low, high, _BANDS + 2)
    hertz = 700 * (10 ** (edges / 2_595) - 1)
    bins = np.arange(_SIZE // 2 + 1) * _RATE / _SIZE
    up = (bins - hertz[:-2, None]) / (hertz[1:-1] - hertz[:-2])[:, None]
    down = (hertz[2:, None] - bins) / (hertz[2:] - hertz[1:-1])[:, None]
    bands: Floats = np.maximum(0, np.minimum(up, down))
    return bands


def _cepstrum(power: Floats) -> Floats:
    """Return the coefficients, (frames, 20), higher ones weighted up as they are smaller."""
    from scipy.fft import dct

    floor = power.max() * 10 ** (-_FLOOR_DB / 10) + 1e-12
    logarithm = 10 * np.log10(np.maximum(power, floor))
    found = dct(logarithm, norm="ortho", axis=1)[:, :_SPREAD]
    lifted: Floats = found * np.arange(1.0, _SPREAD + 1)
    return lifted


def _changes(part: Floats) -> Floats:
    """Return the slopes over five frames, of the same shape."""
    wide = np.pad(part, ((2, 2), (0, 0)), mode="edge")
    count = len(part)
    first = wide[3 : 3 + count] - wide[1 : 1 + count]
    second = wide[4 : 4 + count] - wide[:count]
    slopes: Floats = (first + 2 * second) / 10
    return slopes


def _stretched(part: Floats) -> Floats:
    """Return the means of 16 overlapping stretches of (frames, 13), in their order."""
    count = len(part)
    centres = (np.arange(_STRETCHES) + 0.5) / _STRETCHES * count - 0.5
    away = np.abs(np.arange(count)[:, None] - centres)
    weights = np.maximum(0, 1 - away / max(count / _STRETCHES, 1))
    weights /= np.maximum(weights.sum(axis=0), 1e-9)
    means: Floats = weights.T @ part
    return means


def _unit(vector: Floats) -> Floats:
    """Return a vector of length 1, or nothing much for one that is nearly nothing."""
    divided: Floats = vector / np.sqrt((vector**2).sum() + 1e-12)
    return divided
