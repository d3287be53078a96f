"""Recordings as images: how loud each frequency is at each time, and back to sound.

A square has `size` frequencies from 0 up and `size` times; a level is linear in decibels. Phases
are lost, and found again by the method of Griffin and Lim (1984), with the momentum of Perraudin
and others (2013).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.models.images import FILE, ImageCodec
from ragstone.models.waves import as_loud, wav

_RANGE = 70.0  # dB from the loudest level to silence
_FULL = 32_767
_TURNS, _MOMENTUM = 60, 0.99
_PAUSE = 0.25  # seconds between recordings of one file


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrogramCodec(ImageCodec):
    """Turns samples into squares, and back.

    Parameters
    ----------
    rate
        Samples a second.
    hop
        Samples from one column to the next.
    """

    rate: int
    hop: int

    @property
    def about(self) -> str:
        """What it is, for the card."""
        seconds = self.size * self.hop / self.rate
        told = f", {len(self.labels)} labels" if self.labels else ""
        return (
            f"spectrograms of {seconds:.2f} s at {self.rate:,} Hz, {self.size} x {self.size}{told}"
        )

    def squares(self, samples: NDArray[np.int16]) -> NDArray[np.uint8]:
        """Return the square of a recording at the codec's rate, (1, size, size).

        What is longer is cut, what is shorter has silence at the end. High frequencies are above.
        """
        length = (self.size - 1) * self.hop
        own = as_loud(samples[:length])
        padded = np.pad(own, (0, length - len(own))).astype(np.float32) / _FULL
        loud = spectrum(torch.from_numpy(padded), self.size, self.hop).abs()[: self.size]
        decibels = 20 * torch.log10(loud / (self.size / 2) + 1e-9)
        levels = ((decibels / _RANGE + 1).clamp(0, 1) * 255).round().to(torch.uint8)
        return levels.flip(0)[None].numpy()

    def samples(self, square: NDArray[np.uint8]) -> NDArray[np.int16]:
        """Return a recording with this square, (1, size, size), as near as one is found."""
        levels = torch.from_numpy(square[0].copy()).flip(0).float() / 255
        loud = 10 ** ((levels - 1) * _RANGE / 20) * (self.size / 2)
        loud = torch.where(levels > 0, loud, 0.0)
        whole = torch.cat([loud, torch.zeros(1, self.size)])  # the highest was left out
        found = sounding(whole, self.size, self.hop)
        return as_loud(torch.round(found.clamp(-1, 1) * _FULL).to(torch.int16).numpy())

    def file(self, images: NDArray[np.uint8]) -> tuple[bytes, str]:
        """Return recordings, one after the other, as a WAV file."""
        pause = np.zeros(round(_PAUSE * self.rate), np.int16)
        parts = [part for image in images for part in (pause, self.samples(image))]
        return wav(np.concatenate(parts[1:]), self.rate), "audio/wav"


def codec_in(folder: Path) -> ImageCodec:
    """Return the codec that a model of images, or of spectrograms, keeps in its folder."""
    found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return SpectrogramCodec.of(found) if "hop" in found else ImageCodec.of(found)


def spectrum(wave: torch.Tensor, size: int, hop: int) -> torch.Tensor:
    """Return the short-time Fourier transform of samples (n,), complex (size + 1, 1 + n / hop)."""
    window = torch.hann_window(2 * size)
    return torch.stft(wave, 2 * size, hop, window=window, pad_mode="constant", return_complex=True)


def sounding(loud: torch.Tensor, size: int, hop: int, seed: int = 0) -> torch.Tensor:
    """Return samples whose spectrum is as loud as `loud`, (size + 1, columns), nearly.

    From phases by chance, it goes back and forth between sound and spectrum: the phases of the
    sound are kept, and the loudness is put right.
    """
    window, length = torch.hann_window(2 * size), (loud.shape[1] - 1) * hop
    chance = torch.Generator().manual_seed(seed)
    angles = torch.rand(loud.shape, generator=chance) * (2 * torch.pi)
    guess = torch.polar(loud, angles)
    last = torch.zeros_like(guess)
    for _ in range(_TURNS):
        wave = torch.istft(guess, 2 * size, hop, window=window, length=length)
        found = spectrum(wave, size, hop)
        ahead = found + _MOMENTUM * (found - last)
        guess, last = torch.polar(loud, ahead.angle()), found
    return torch.istft(guess, 2 * size, hop, window=window, length=length)
