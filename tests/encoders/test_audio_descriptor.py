"""The embedded encoder of recordings: unit vectors of anything, near for what sounds alike."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from ragstone.config import LimitSettings
from ragstone.encoders import audio_descriptor
from ragstone.encoders.audio_descriptor import AudioDescriptor
from ragstone.encoders.base import MediaEncoder, Vectors
from ragstone.errors import InvalidArgument
from ragstone.ingestion.parsers.audio import parse_audio
from ragstone.schemas.records import Modality, Payload

RATE = 16_000
Samples = NDArray[np.int16]
VOWELS = ((300, 2_300), (700, 1_200), (350, 800), (500, 1_800))  # two resonances, Hz


def vowel(number: int, seconds: float, pitch: float) -> NDArray[np.float64]:
    count = round(seconds * RATE)
    wave = np.diff(np.floor(np.arange(count) * pitch / RATE), prepend=0)
    for centre in VOWELS[number]:
        angle = 2 * np.pi * centre / RATE
        wave = lfilter([0.02], [1, -2 * 0.98 * np.cos(angle), 0.98**2], wave)
    return wave / np.abs(wave).max() * np.hanning(count)


def word(vowels: tuple[int, ...], seconds: float = 0.6, pitch: float = 120) -> Samples:
    parts = [vowel(number, seconds / len(vowels), pitch) for number in vowels]
    return (np.concatenate(parts) * 16_000).astype(np.int16)


def encode(*sounds: Samples) -> Vectors:
    encoder: MediaEncoder = AudioDescriptor()
    return encoder.encode_media([Payload(Modality.AUDIO, sound) for sound in sounds])


def test_unit_vectors_of_anything() -> None:
    random = np.random.default_rng(0)
    sounds = [
        np.zeros(0, np.int16),
        np.zeros(1, np.int16),
        np.zeros(160_000, np.int16),
        np.full(16_000, -32_768, np.int16),
        np.array([5], np.int16),
        random.integers(-32_768, 32_767, 100).astype(np.int16),
        random.integers(-32_768, 32_767, 160_000).astype(np.int16),
        word((0, 1)),
    ]
    vectors = encode(*sounds)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(sounds), AudioDescriptor().identity.dimension)
    assert np.isfinite(vectors).all()
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_equal_sounds_have_equal_vectors_alone_or_together() -> None:
    sounds = [word((0, 1)), word((2, 3)), word((1, 0, 2))]
    together = encode(*sounds)
    assert np.array_equal(together, np.concatenate([encode(sound) for sound in sounds]))


def test_loudness_and_silence_around_do_not_count() -> None:
    sound = word((0, 1, 2))
    silence = np.zeros(8_000, np.int16)
    plain, soft, padded = encode(sound, sound // 4, np.concatenate((silence, sound, silence)))
    assert plain @ soft > 0.98
    assert plain @ padded > 0.98


def test_order_counts_and_pace_does_not() -> None:
    there, slower, back = encode(word((0, 1, 2)), word((0, 1, 2), 0.9), word((2, 1, 0)))
    assert there @ slower > there @ back + 0.3


def test_silence_is_near_silence_only() -> None:
    short, long, sound = encode(np.zeros(100, np.int16), np.zeros(9_999, np.int16), word((0, 1)))
    assert short @ long > 0.999
    assert short @ sound < 0.1


def test_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = AudioDescriptor().identity
    assert identity.modality == "audio"
    assert identity.space.startswith("audio.audio-descriptor-")
    assert identity.dimension <= 1_024
    assert AudioDescriptor().identity == identity
    monkeypatch.setattr(audio_descriptor, "_MEANS", 0.4)
    assert AudioDescriptor().identity.digest != identity.digest


def test_progress_and_no_text() -> None:
    encoder, done = AudioDescriptor(), list[int]()
    payloads = [Payload(Modality.AUDIO, word((0, 1)))] * 3
    encoder.encode_media(payloads, done.append)
    assert done == [1, 2, 3]
    assert encoder.encode_media([]).shape == (0, encoder.identity.dimension)
    assert not encoder.reads_text
    with pytest.raises(InvalidArgument):
        encoder.encode_queries(["a dog"])


def test_digits_by_their_neighbours(data: Path) -> None:
    """A tenth of the digits; benchmarks/audio_descriptor.py measures all of them."""
    folder = data / "fsdd"
    with zipfile.ZipFile(folder / "recordings.zip") as archive:
        files = {PurePosixPath(name).name: name for name in archive.namelist()}
        with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["take"]) < 5]
        contents = [archive.read(files[row["file"]]) for row in rows]
    limits = LimitSettings()
    vectors = encode(*(parse_audio(c, limits).payloads[0].data for c in contents))  # type: ignore[arg-type]
    digits = np.array([int(row["digit"]) for row in rows])
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -2)
    nearest = digits[np.argsort(-likeness, axis=1)[:, :3]]
    votes = (nearest[:, :, None] == np.arange(10)).sum(axis=1)
    assert len(rows) == 300
    assert (votes.argmax(axis=1) == digits).mean() > 0.85
