"""A watermark that nobody hears, and its detector: spread spectrum in frames of a recording.

As `watermark_images`, whose references and statistic it has: a pattern of +1 and -1 that the key
tells is added to coefficients of the cosine transform of frames of 512 samples, each as loud as a
part of what is heard around it, and found again by its correlation with their soft signs. The
pattern repeats every eight frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from scipy.fft import dct, idct

from ragstone.training.watermark_images import Detection

FRAME, TILE = 512, 8  # samples of a frame, frames of a tile
SHORTEST = 2 * FRAME  # samples
THRESHOLD = 5.5  # of z: chance 2e-8
_FROM, _TO = 8, 448  # the coefficients used
_TARGET = 8.0  # of z when it is put in
_PARTS = np.geomspace(0.05, 0.5, 12)  # of what is heard, added to each coefficient
_LEAST_RATIO = 100.0  # of the power of the sound to that of the change: 20 dB

Samples = NDArray[np.int16]


def pattern(key: bytes) -> NDArray[np.float64]:
    """Return the pattern of a key, +1 and -1, (tile, coefficients)."""
    seed = int.from_bytes(blake3(b"ragstone watermark of sounds" + key).digest(16))
    signs = np.random.default_rng(seed).integers(0, 2, (TILE, _TO - _FROM))
    return signs.astype(np.float64) * 2 - 1


def marked(samples: Samples, key: bytes) -> Samples:
    """Return samples (n,) with the watermark; a recording that is too short as it is."""
    if len(samples) < SHORTEST:
        return samples
    frames = _frames(samples)
    signs = pattern(key)[np.arange(len(frames)) % TILE]
    change = np.zeros_like(frames)
    change[:, _FROM:_TO] = signs * _loudness(frames)
    added = np.zeros(len(samples))
    added[: frames.size] = idct(change, axis=1, norm="ortho").ravel()
    made = samples
    for part in _PARTS:
        heard = np.clip(np.rint(samples + part * added), -32_768, 32_767).astype(np.int16)
        if made is not samples and _ratio(samples, heard) < _LEAST_RATIO:
            break
        made = heard
        if detect([made], key).z >= _TARGET:
            break
    return made


def detect(recordings: Sequence[Samples], key: bytes) -> Detection:
    """Look for the watermark of a key in recordings, all together; samples (n,) of each.

    They have to begin as they were made.
    """
    total = np.zeros((TILE, _TO - _FROM))
    for samples in recordings:
        frames = _frames(samples)
        heard = frames[:, _FROM:_TO]
        soft = heard / (np.abs(heard) + _loudness(frames) + 1e-9)
        folded = np.stack([soft[place::TILE].sum(0) for place in range(TILE)])
        total += folded / (np.linalg.norm(folded) or 1.0)
    length = float(np.linalg.norm(total))
    z = float((pattern(key) * total).sum()) / length if length else 0.0
    return Detection(z, z >= THRESHOLD, None)


def _frames(samples: Samples) -> NDArray[np.float64]:
    """Return the coefficients of whole frames, (frames, 512)."""
    count = len(samples) // FRAME
    whole = samples[: count * FRAME].astype(np.float64).reshape(count, FRAME)
    found: NDArray[np.float64] = dct(whole, axis=1, norm="ortho")
    return found


def _loudness(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how loud it is around each coefficient used: a mean over 15 of them."""
    size = np.abs(frames)
    around = np.cumsum(np.pad(size, ((0, 0), (8, 7))), axis=1)
    mean: NDArray[np.float64] = (around[:, 15:] - around[:, :-15])[:, _FROM:_TO] / 15
    return mean


def _ratio(before: Samples, after: Samples) -> float:
    changed = float(np.square(after.astype(np.float64) - before).sum())
    return float(np.square(before.astype(np.float64)).sum()) / max(changed, 1e-9)
