"""A small network that tells what is said in a clip, to measure clips that a model made.

It reads the description of the embedded encoder of recordings. Half of what it learns from has
noise added, so that it does not take a noisy clip for another word.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from ragstone.encoders.audio_descriptor import AudioDescriptor
from ragstone.ingestion.parsers.decoding_audio import RATE
from ragstone.schemas.records import Modality, Payload

_HIDDEN, _DROPOUT = 128, 0.3
_STEPS, _BATCH = 1_500, 64
_NOISE = 10.0, 40.0  # dB below the clip
_FULL = 32_767

Waves = Sequence[NDArray[np.int16]]


class Recogniser:
    """Learns labels from clips.

    Parameters
    ----------
    waves
        int16, each (samples,).
    labels
        int64 (clips,).
    rate
        Of the clips, Hz.
    """

    def __init__(self, waves: Waves, labels: NDArray[np.int64], rate: int, seed: int = 0) -> None:
        self._rate = rate
        chance = np.random.default_rng(seed)
        noisy = [_with_noise(wave, chance) for wave in waves]
        vectors = np.concatenate([self._vectors(waves), self._vectors(noisy)])
        self._mean, self._spread = vectors.mean(0), vectors.std(0) + 1e-4
        self._network = self._trained(self._scaled(vectors), np.tile(labels, 2), seed)

    @torch.inference_mode()
    def labels(self, waves: Waves) -> NDArray[np.int64]:
        """Return the likeliest label of each clip, int64 (clips,)."""
        logits = self._network(self._scaled(self._vectors(waves)))
        found: NDArray[np.int64] = logits.argmax(-1).numpy()
        return found

    def share(self, waves: Waves, labels: NDArray[np.int64]) -> float:
        """Return the share of clips whose likeliest label is theirs."""
        return float((self.labels(waves) == labels).mean())

    def _vectors(self, waves: Waves) -> NDArray[np.float32]:
        from scipy.signal import resample_poly

        common = gcd(self._rate, RATE)
        up, down = RATE // common, self._rate // common
        heard = [resample_poly(wave.astype(np.float32), up, down) for wave in waves]
        return AudioDescriptor().encode_media(
            [Payload(Modality.AUDIO, _rounded(wave), (0, 0)) for wave in heard]
        )

    def _scaled(self, vectors: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy((vectors - self._mean) / self._spread)

    @staticmethod
    def _trained(vectors: torch.Tensor, labels: NDArray[np.int64], seed: int) -> nn.Module:
        chance = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = nn.Sequential(
                nn.Linear(vectors.shape[1], _HIDDEN),
                nn.ReLU(),
                nn.Dropout(_DROPOUT),
                nn.Linear(_HIDDEN, int(labels.max()) + 1),
            )
            wanted = torch.from_numpy(labels)
            optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.05)
            for _ in range(_STEPS):
                some = torch.randint(len(wanted), (_BATCH,), generator=chance)
                loss = functional.cross_entropy(network(vectors[some]), wanted[some])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        return network.eval()


def _with_noise(wave: NDArray[np.int16], chance: np.random.Generator) -> NDArray[np.int16]:
    loud = np.sqrt(np.square(wave.astype(np.float64)).mean())
    noise = chance.normal(size=len(wave)) * loud * 10 ** (-chance.uniform(*_NOISE) / 20)
    return _rounded(wave + noise)


def _rounded(wave: NDArray[np.floating]) -> NDArray[np.int16]:
    rounded: NDArray[np.int16] = np.rint(np.clip(wave, -_FULL, _FULL)).astype(np.int16)
    return rounded
