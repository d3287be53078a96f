"""Spectrograms: recordings as images, and sound again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ragstone.models.spectrograms import SpectrogramCodec, codec_in, sounding, spectrum

RATE = 8_000
CODEC = SpectrogramCodec(size=64, channels=1, rate=RATE, hop=32, labels=("a", "b"))


def tone(hertz: float, samples: int = 63 * 32) -> NDArray[np.int16]:
    time = np.arange(samples) / RATE
    return (20_000 * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def loudest(wave: NDArray[np.int16]) -> float:
    """Return the frequency with the most in it, Hz."""
    strengths = np.abs(np.fft.rfft(wave.astype(float)))
    return float(np.fft.rfftfreq(len(wave), 1 / RATE)[strengths.argmax()])


@pytest.mark.parametrize("hertz", [500.0, 1_400.0, 3_000.0])
def test_a_tone_comes_back(hertz: float) -> None:
    square = CODEC.squares(tone(hertz))
    assert square.shape == (1, 64, 64)
    row = 63 - int(square[0].astype(float).sum(1).argmax())
    assert row * RATE / 128 == pytest.approx(hertz, abs=RATE / 128)
    back = CODEC.samples(square)
    assert back.dtype == np.int16
    assert loudest(back) == pytest.approx(hertz, abs=15)


def test_phases_are_found_that_fit() -> None:
    """Spectral convergence: how far the spectrum of what is found is from what was asked for."""
    chance = np.random.default_rng(0)
    wave = sum(
        np.sin(2 * np.pi * hertz * np.arange(2_016) / RATE + chance.uniform(0, 6))
        for hertz in (400, 900, 1_700)
    )
    wanted = spectrum(torch.from_numpy(np.asarray(wave, np.float32)), 64, 32).abs()
    found = spectrum(sounding(wanted, 64, 32), 64, 32).abs()
    assert float((found - wanted).norm() / wanted.norm()) < 0.08
    chance_phases = torch.polar(wanted, torch.rand(wanted.shape) * 6.28)
    window = torch.hann_window(128)
    naive = spectrum(torch.istft(chance_phases, 128, 32, window=window, length=2_016), 64, 32).abs()
    assert float((naive - wanted).norm() / wanted.norm()) > 0.3


def test_silence_and_short_recordings(tmp_path: Path) -> None:
    assert not CODEC.squares(np.zeros(500, np.int16)).any()
    assert not CODEC.samples(np.zeros((1, 64, 64), np.uint8)).any()
    half = CODEC.squares(tone(1_000, 1_000))
    assert half[0, :, :25].any()
    assert not half[0, :, 40:].any()
    CODEC.save(tmp_path)
    assert codec_in(tmp_path) == CODEC
    content, media_type = CODEC.file(np.stack([half, half]))
    assert media_type == "audio/wav"
    assert content[:4] == b"RIFF"
    assert len(content) > 2 * 2 * 2_000
