"""The fingerprint of a recording: what survives re-encoding, noise and cutting, in few bytes.

Two sections, each for what the other cannot do.

* **Bands**, for recordings of 3 s and more: whether the energy difference of two neighbouring
  bands grows or falls over half a second, one bit for each of 32 pairs of bands from 250 to
  3,500 Hz (Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002). Three
  things differ from the paper: energies are smoothed and compared over 0.5 s instead of 12 ms, so
  that a frame every 64 ms is enough; each frame says which half of its bits are strong, and only
  bits that are strong in both recordings are compared; quiet and unchanging frames have no strong
  bit at all, so that silence never matches.
* **Clip**, for those of 6 s and less: finer frames that find candidates, and the sound itself below
  2 kHz as 8-bit samples at 4 kHz. Two takes of one word by one speaker differ in nothing that
  bands could hold; their waveforms do.

125 bytes a second, and 4,250 more for each second of a clip of 6 s and less.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]
Samples = NDArray[np.int16]

RATE = 16_000  # of the samples, Hz
CLIP_RATE = 4_000  # of the waveform of a clip, Hz
SHORTEST, LONGEST_CLIP = 3.0, 6.0  # seconds: bands from, clip up to; both in between
BITS = 32
ALGORITHM = "subband-1"  # names every number in this file: raise it with any of them

_WINDOW = 4_096  # samples of a spectrum, 256 ms
_BAND_EDGES = np.round(np.geomspace(250, 3_500, BITS + 2) / RATE * _WINDOW).astype(np.intp)
_FRAMES = 2_048  # spectra made at once; bounds the memory of a long recording
_QUIET = 1e-3  # of the loudest frame within 2 s: 30 dB below it
_SILENT = 1e-6  # mean square of the samples, full scale 1: -60 dB
_CHANGE = 0.002  # least change of a strong bit, as a share of the frame's energy
_HEADER = struct.Struct("<5I")


@dataclass(frozen=True, slots=True)
class Grid:
    """How frames are laid: steps and paddings in samples, smoothing and lag in frames."""

    step: int
    smoothing: int
    lag: int
    padding: int

    @property
    def seconds(self) -> float:
        """From one frame to the next."""
        return self.step / RATE


BANDS = Grid(step=1_024, smoothing=8, lag=8, padding=2_048)
CLIP = Grid(step=512, smoothing=4, lag=8, padding=4_096)


@dataclass(frozen=True, slots=True)
class Frames:
    """Bits of frames at equal steps, and which of them are strong; both of shape (n,)."""

    bits: Words
    strong: Words


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What `fingerprint` wrote; a section that does not apply is empty."""

    seconds: float
    bands: Frames
    clip: Frames
    waveform: NDArray[np.int8]  # shape (m,), 4 kHz, loudest sample 127


def fingerprint(samples: Samples) -> bytes:
    """Return the fingerprint of a recording, int16 of shape (n,), one channel at 16 kHz."""
    seconds = len(samples) / RATE
    nothing = Frames(np.zeros(0, np.uint32), np.zeros(0, np.uint32))
    bands = _frames(samples, BANDS) if seconds >= SHORTEST else nothing
    is_clip = seconds <= LONGEST_CLIP
    clip = _frames(samples, CLIP) if is_clip else nothing
    waveform = _waveform(samples) if is_clip else np.zeros(0, np.int8)
    header = _HEADER.pack(
        len(samples), len(bands.bits), len(clip.bits), len(waveform), int(seconds * 1000)
    )
    arrays = (bands.bits, bands.strong, clip.bits, clip.strong)
    return header + b"".join(a.astype("<u4").tobytes() for a in arrays) + waveform.tobytes()


def read_fingerprint(value: bytes) -> Fingerprint:
    """Return what `fingerprint` wrote; the arrays are views of `value`."""
    samples, bands, clip, waveform, _ = _HEADER.unpack_from(value)
    words = np.frombuffer(value, "<u4", 2 * (bands + clip), _HEADER.size)
    sections = np.split(words, np.cumsum((bands, bands, clip)))
    return Fingerprint(
        samples / RATE,
        Frames(sections[0], sections[1]),
        Frames(sections[2], sections[3]),
        np.frombuffer(value, np.int8, waveform, _HEADER.size + words.nbytes),
    )


def _frames(samples: Samples, grid: Grid) -> Frames:
    energies = _smooth(_energies(samples, grid), grid.smoothing)  # (frames, 33)
    slopes = energies[:, :-1] - energies[:, 1:]
    changes = slopes[grid.lag :] - slopes[: -grid.lag]  # (n, 32)
    totals = energies.sum(axis=1)
    totals = totals[grid.lag :] + totals[: -grid.lag]
    sizes = np.abs(changes)
    strong = sizes >= np.median(sizes, axis=1, keepdims=True)
    strong &= sizes >= _CHANGE * totals[:, None]
    strong &= _heard(totals, grid)[:, None]
    return Frames(_packed(changes > 0), _packed(strong))


def _energies(samples: Samples, grid: Grid) -> NDArray[np.float32]:
    """Return the energies of the bands, float32 of shape (frames, 33), full scale 1."""
    from scipy.fft import rfft

    padded = np.pad(samples, grid.padding)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[:: grid.step]
    taper = np.hanning(_WINDOW).astype(np.float32)
    taper /= np.float32(32_768 * np.sqrt(_WINDOW * (taper**2).sum() / 2))  # to mean squares
    energies = np.empty((len(windows), BITS + 1), np.float32)
    for start in range(0, len(windows), _FRAMES):
        spectra = rfft(windows[start : start + _FRAMES] * taper, axis=1)
        power = spectra.real**2 + spectra.imag**2
        sums = np.add.reduceat(power[:, : _BAND_EDGES[-1]], _BAND_EDGES[:-1], axis=1)
        energies[start : start + len(sums)] = sums
    return energies


def _smooth(energies: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    weights = np.hanning(width + 2)[1:-1].astype(np.float32)
    weights /= weights.sum()
    padded = np.pad(energies, ((width // 2, width - 1 - width // 2), (0, 0)))
    smoothed = np.zeros_like(energies)
    for shift, weight in enumerate(weights):
        smoothed += weight * padded[shift : shift + len(energies)]
    return smoothed


def _heard(totals: NDArray[np.float32], grid: Grid) -> NDArray[np.bool_]:
    """Tell which frames are loud enough, in themselves and beside those around them."""
    from scipy.ndimage import maximum_filter1d

    around = 2 * round(2.0 / grid.seconds) + 1
    loudest: NDArray[np.float32] = maximum_filter1d(totals, around, mode="nearest")
    heard: NDArray[np.bool_] = totals > np.maximum(_QUIET * loudest, 2 * _SILENT)
    return heard


def _packed(flags: NDArray[np.bool_]) -> Words:
    """Return rows of 32 flags as numbers, the lowest band in the lowest bit."""
    return np.packbits(flags, axis=1, bitorder="little").view("<u4").ravel().astype(np.uint32)


def _waveform(samples: Samples) -> NDArray[np.int8]:
    from scipy.signal import resample_poly

    low = resample_poly(samples.astype(np.float32), CLIP_RATE, RATE) if len(samples) else samples
    loudest = float(np.abs(low).max(initial=0))
    if loudest < 32_768 * np.sqrt(_SILENT):
        return np.zeros(0, np.int8)
    samples_8: NDArray[np.int8] = np.rint(low * (127 / loudest)).astype(np.int8)
    return samples_8
