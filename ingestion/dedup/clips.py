"""Whether two short clips are one recording, by their waveforms.

Bands of the spectrum cannot tell two takes of a word from two copies of one take; the waveform
can, because nobody says a word twice with the same phase. Copies are known by one of two signs:

* *clean*: all three bands below 2 kHz correlate, or the lowest almost wholly and the others well,
  as they do after a lossy encoder;
* *noisy*: the lowest band correlates strongly, and what is left when one clip is taken from the
  other does not follow the loudness of the speech. Added noise is the same in and between the
  sounds; the difference of two takes is there only where there is sound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ragstone.ingestion.dedup.fingerprint import CLIP_RATE

Signal = NDArray[np.float32]

_BANDS = ((200, 700), (700, 1_300), (1_300, 1_950))  # Hz
_WEIGHTS = np.array((0.5, 0.3, 0.2), np.float32)
_FINER = (
    4  # shifts are tried at quarters of a sample: at 1.9 kHz half of one is a phase of 85 degrees
)
_ENVELOPE = 128  # samples, 32 ms
# Measured in benchmarks/audio_duplicates.py on all pairs of one digit by one speaker.
_COVERED = 0.6  # least share of each clip's energy within the overlap
_CLEAN = 0.9  # similarity; two takes reach 0.888
_CODED, _CODED_LOWEST = 0.8, 0.985  # similarity and lowest band; two takes reach 0.981
_NOISY, _FOLLOWING = 0.95, (-0.25, 0.2)  # lowest band; two takes reach 0.948
_LEAST = 400  # samples of overlap: 100 ms


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two clips at the shift where they agree best."""

    similarity: float  # weighted mean of the bands' correlations
    lowest: float  # correlation of 200 to 700 Hz
    following: float  # 1 where the difference has the loudness of the sound, 0 for steady noise
    covered: float  # least share of each clip's energy within the overlap
    offset: float  # seconds into the second at which the first begins
    overlap: float  # seconds

    @property
    def clean(self) -> bool:
        """Whether they are one recording, encoded anew or cut."""
        coded = self.lowest >= _CODED_LOWEST and self.similarity >= _CODED
        return coded or self.similarity >= _CLEAN

    @property
    def noisy(self) -> bool:
        """Whether they are one recording, one of them under noise."""
        return self.lowest >= _NOISY and _FOLLOWING[0] <= self.following <= _FOLLOWING[1]

    @property
    def same(self) -> bool:
        """Whether they are copies of one recording."""
        return self.covered >= _COVERED and (self.clean or self.noisy)

    @property
    def correlation(self) -> float:
        """What speaks for one recording: of all bands, or of the lowest where noise is."""
        return self.similarity if self.clean else self.lowest


def compare(first: NDArray[np.int8], second: NDArray[np.int8]) -> Comparison:
    """Compare two waveforms, int8 of shapes (n,) and (m,) at 4 kHz, over all shifts."""
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(len(first) + len(second), real=True)
    masks = _masks(size)  # (3, bins)
    spectra = [rfft(signal.astype(np.float32), size) for signal in (first, second)]
    power = [(masks * np.abs(spectrum) ** 2).sum(axis=1) for spectrum in spectra]
    blend = (_WEIGHTS / (np.sqrt(power[0] * power[1]) + 1e-9)) @ masks
    agreement = irfft(spectra[1] * spectra[0].conj() * blend, size * _FINER)
    best = int(agreement.argmax())
    shift = (best if best < len(second) * _FINER else best - size * _FINER) / _FINER
    whole = int(np.floor(shift))
    start, other = max(0, -whole), max(0, whole)
    length = min(len(first) - start, len(second) - other)
    if length < _LEAST:
        return Comparison(0.0, 0.0, 1.0, 0.0, shift / CLIP_RATE, max(length, 0) / CLIP_RATE)
    angles = 2 * np.pi / size * (shift - whole) * np.arange(size // 2 + 1)
    turn = np.exp(1j * angles).astype(np.complex64)
    bands = [irfft(s * masks, size, axis=1) for s in (spectra[0], spectra[1] * turn)]
    energies = [
        float((b[:, :n] ** 2).sum()) for b, n in zip(bands, map(len, (first, second)), strict=True)
    ]
    cut = (bands[0][:, start : start + length], bands[1][:, other : other + length])
    return _compared(*cut, energies, shift)


def _compared(first: Signal, second: Signal, energies: list[float], shift: float) -> Comparison:
    """Compare aligned bands, each of shape (3, length); `energies` are of the whole clips."""
    inside = [(band**2).sum(axis=1) for band in (first, second)]
    correlations = (first * second).sum(axis=1) / np.sqrt(inside[0] * inside[1] + 1e-9)
    shares = [
        float(part.sum()) / (whole + 1e-9) for part, whole in zip(inside, energies, strict=True)
    ]
    a, b = first.sum(axis=0), second.sum(axis=0)
    return Comparison(
        similarity=float(correlations @ _WEIGHTS),
        lowest=float(correlations[0]),
        following=min(_following(a, b), _following(b, a)),
        covered=min(shares),
        offset=shift / CLIP_RATE,
        overlap=first.shape[1] / CLIP_RATE,
    )


def _following(clean: Signal, other: Signal) -> float:
    """Return how far the loudness of what `clean` does not explain of `other` follows its own."""
    gain = (clean * other).sum() / ((clean * clean).sum() + 1e-9)
    rest, sound = _envelope(other - gain * clean), _envelope(clean)
    return float(((rest - 1) * (sound - 1)).sum() / (((sound - 1) ** 2).sum() + 1e-9))


def _envelope(signal: Signal) -> Signal:
    """Return mean squares of 32 ms each, divided by their mean."""
    frames = signal[: len(signal) // _ENVELOPE * _ENVELOPE].reshape(-1, _ENVELOPE)
    energies: Signal = (frames**2).mean(axis=1)
    return np.asarray(energies / (energies.mean() + np.float32(1e-9)))


def _masks(size: int) -> Signal:
    """Return which bins of a spectrum belong to each band, float32 of shape (3, bins)."""
    frequencies = np.arange(size // 2 + 1) * (CLIP_RATE / size)
    return np.array(
        [(frequencies >= low) & (frequencies < high) for low, high in _BANDS], np.float32
    )
