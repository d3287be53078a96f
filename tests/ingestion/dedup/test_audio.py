"""Near-duplicate recordings: found through everything that is promised, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.signal import lfilter, resample_poly

from ragstone.ingestion.dedup.audio import ERROR_RATE, AudioFinder
from ragstone.ingestion.dedup.base import DuplicateKind, Finder, Pair, Signed
from ragstone.ingestion.dedup.clips import compare
from ragstone.ingestion.dedup.fingerprint import (
    ALGORITHM,
    RATE,
    Fingerprint,
    fingerprint,
    read_fingerprint,
)

Sound = NDArray[np.float64]
NONE = Signed(np.empty(0, np.int64), [])


def speech(seed: int, seconds: float, voice: int | None = None) -> Sound:
    """Syllables of a pulse train through resonances, with pauses; a voice has its own pitch."""
    random = np.random.default_rng(seed)
    pitch = np.random.default_rng(seed if voice is None else voice).uniform(80, 240)
    sound, place = np.zeros(round(seconds * RATE)), 0
    while place < len(sound):
        count = min(int(RATE * random.uniform(0.08, 0.3)), len(sound) - place)
        glide = pitch * (1 + 0.2 * random.normal() * np.linspace(0, 1, count))
        wave = np.diff(np.floor(np.cumsum(glide) / RATE), prepend=0).clip(0, 1)
        for low, high, width in ((250, 800, 80), (800, 2_300, 100), (2_200, 3_200, 150)):
            radius = np.exp(-np.pi * width / RATE)
            angle = 2 * np.pi * random.uniform(low, high) / RATE
            wave = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], wave)
        loud = np.hanning(count) / (np.abs(wave).max() + 1e-9)
        sound[place : place + count] = wave * loud * (random.random() > 0.1)
        place += count
    return sound * 0.7


def music(seed: int, seconds: float) -> Sound:
    """Notes of harmonics that fade."""
    random = np.random.default_rng(seed)
    sound, place = np.zeros(round(seconds * RATE)), 0
    while place < len(sound):
        count = min(int(RATE * random.uniform(0.15, 0.6)), len(sound) - place)
        times = np.arange(count) / RATE
        pitch = 110 * 2 ** (random.integers(0, 24) / 12)
        harmonics = range(1, 7)
        note = sum(
            np.sin(2 * np.pi * pitch * k * times + random.uniform(0, 6)) / k for k in harmonics
        )
        sound[place : place + count] = note * np.exp(-times / 0.3)
        place += count
    return sound / np.abs(sound).max() * 0.7


def coded(sound: Sound, kind: str, codec: str, level: float) -> Sound:
    target = io.BytesIO()
    mode = "CONSTANT" if kind == "MP3" else None
    soundfile.write(
        target, sound, RATE, format=kind, subtype=codec, compression_level=level, bitrate_mode=mode
    )
    if len(sound) > 5 * RATE:  # headers count in shorter ones
        assert len(target.getvalue()) * 8 * RATE / len(sound) < 34_000
    target.seek(0)
    return soundfile.read(target)[0]


def noisy(sound: Sound, decibels: float = 6) -> Sound:
    noise = np.random.default_rng(99).normal(0, 1, len(sound))
    noise *= np.sqrt((sound**2).mean() / (noise**2).mean() / 10 ** (decibels / 10))
    return np.clip((sound + noise) * 0.7, -1, 1)


def sign(sound: Sound) -> bytes:
    return fingerprint(np.rint(np.clip(sound, -1, 1) * 32_767).astype(np.int16))


def signed(sounds: Sequence[Sound], first: int = 0) -> Signed:
    keys = np.arange(first, first + len(sounds), dtype=np.int64)
    return Signed(keys, [sign(sound) for sound in sounds])


def find(new: Signed, known: Signed = NONE) -> list[Pair]:
    finder: Finder = AudioFinder()
    return finder.find(new, known, bytes)


CHANGES = {
    "MP3, 32 kbit/s": lambda x: coded(x, "MP3", "MPEG_LAYER_III", 0.84),
    "Opus, 32 kbit/s": lambda x: coded(x, "OGG", "OPUS", 0.9),
    "noise at 6 dB": noisy,
    "both ends cut": lambda x: x[round(0.06 * len(x)) : -round(0.05 * len(x)) + 3],
    "20 dB softer": lambda x: x * 0.1,
    "another rate": lambda x: resample_poly(resample_poly(x, 441, 160), 160, 441),
}


@pytest.fixture(scope="module")
def long() -> list[Sound]:
    return [*(speech(seed, 20) for seed in range(3)), *(music(seed, 20) for seed in range(3))]


@pytest.fixture(scope="module")
def known(long: list[Sound]) -> Signed:
    return signed(long)


@pytest.mark.parametrize("change", CHANGES)
def test_copies_of_recordings_are_found(change: str, long: list[Sound], known: Signed) -> None:
    copies = [CHANGES[change](sound) for sound in long]
    pairs = find(signed(copies, 100), known)
    crossing = {(pair.first, pair.second) for pair in pairs}
    assert crossing == {(place, 100 + place) for place in range(len(long))}
    for pair in pairs:
        assert pair.kind is DuplicateKind.AUDIO
        assert pair.algorithm == ALGORITHM == AudioFinder.algorithm
        assert 0 <= pair.distance <= ERROR_RATE
        assert pair.evidence["method"] == "bands"
        expected = 1.2 if change == "both ends cut" else 0
        assert pair.evidence["offset"] == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("change", ["plain", "MP3, 32 kbit/s", "Opus, 32 kbit/s", "noise at 6 dB"])
def test_parts_of_ten_seconds_are_found(change: str, long: list[Sound], known: Signed) -> None:
    starts = np.random.default_rng(3).integers(0, 10 * RATE, len(long)).tolist()
    parts = [sound[start : start + 10 * RATE] for sound, start in zip(long, starts, strict=True)]
    if change != "plain":
        parts = [CHANGES[change](part) for part in parts]
    pairs = find(signed(parts, 100), known)
    assert [(pair.first, pair.second) for pair in pairs] == [(i, 100 + i) for i in range(len(long))]
    for pair, start in zip(pairs, starts, strict=True):
        assert pair.evidence["offset"] == pytest.approx(start / RATE, abs=0.1)
        assert pair.evidence["overlap"] == pytest.approx(10, abs=0.1)


def test_different_recordings_are_no_pairs(known: Signed) -> None:
    assert find(known) == []
    assert find(signed([speech(seed, 8, voice=1) for seed in range(20, 40)])) == []


def test_recordings_that_share_a_beginning_are_two() -> None:
    jingle = music(7, 4)
    shows = [np.concatenate((jingle, speech(seed, 16))) for seed in (8, 9)]
    assert find(signed(shows)) == []


def test_short_clips_are_compared_by_their_waveforms() -> None:
    clips = [speech(seed, 0.4 + 0.1 * (seed % 12), voice=seed // 6) for seed in range(24)]
    known = signed(clips)
    assert find(known) == []
    for change in ("MP3, 32 kbit/s", "Opus, 32 kbit/s", "noise at 6 dB", "20 dB softer"):
        pairs = find(signed([CHANGES[change](clip) for clip in clips], 100), known)
        assert [(p.first, p.second) for p in pairs] == [(i, 100 + i) for i in range(24)], change
        assert {pair.evidence["method"] for pair in pairs} == {"waveform"}
        # MP3 begins with what its encoder put before; no player takes it off
        assert all(abs(pair.evidence["offset"]) < 0.1 for pair in pairs)


def test_offset_is_where_the_second_begins_in_the_first() -> None:
    sound = speech(1, 2.0)
    (pair,) = find(signed([sound[RATE // 4 :], sound]))
    assert pair.evidence["offset"] == pytest.approx(-0.25, abs=0.001)
    assert pair.evidence["overlap"] == pytest.approx(1.75, abs=0.001)
    (turned,) = find(signed([sound, sound[RATE // 4 :]]))
    assert turned.evidence["offset"] == pytest.approx(0.25, abs=0.001)
    assert turned.distance == pytest.approx(pair.distance, abs=1e-4)


def test_two_takes_of_one_word_are_two() -> None:
    """The same syllables in the same voice, each pulse a little elsewhere."""
    sound = speech(3, 1.0)
    course = np.linspace(0, 1, len(sound))
    places = [course**bend * (len(sound) - 1) for bend in np.linspace(0.92, 1.08, 8)]
    takes = [np.interp(place, np.arange(len(sound)), sound) for place in places]
    assert find(signed(takes)) == []


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.5, 2.0, 5.0, 30.0])
def test_silence_never_matches(seconds: float) -> None:
    count = round(seconds * RATE)
    hiss = np.random.default_rng(0).normal(0, 1e-4, count)
    assert find(signed([np.zeros(count), np.zeros(count), hiss, hiss])) == []


def test_tones_that_do_not_change_never_match() -> None:
    times = np.arange(10 * RATE) / RATE
    tones = [np.sin(2 * np.pi * pitch * times) * 0.5 for pitch in (440, 440.5, 443, 500)]
    assert find(signed(tones)) == []


def test_silence_around_a_sound_does_not_count() -> None:
    inner = speech(2, 6)
    padded = np.concatenate((np.zeros(40 * RATE), inner, np.zeros(40 * RATE)))
    (pair,) = find(signed([padded, inner]))
    assert pair.evidence["offset"] == pytest.approx(40, abs=0.1)


def test_new_ones_among_themselves_and_against_known_ones() -> None:
    sounds = [speech(seed, 5) for seed in range(4)]
    new = signed([sounds[0], sounds[0] * 0.5, sounds[1], sounds[2]], 0)
    known = signed([sounds[1], sounds[3], sounds[0]], 10)
    assert [(p.first, p.second) for p in find(new, known)] == [(0, 1), (0, 12), (1, 12), (2, 10)]
    shuffled = Signed(new.keys[::-1].copy(), list(new.values)[::-1])
    assert [(p.first, p.second) for p in find(shuffled, known)] == [
        (0, 1),
        (0, 12),
        (1, 12),
        (2, 10),
    ]
    assert find(NONE, known) == []


def test_many_copies_and_loops_stay_affordable() -> None:
    bar = music(1, 2)
    loops = [np.tile(bar, 30), np.tile(bar, 30) * 0.3]
    (pair,) = find(signed(loops))
    assert pair.distance < 0.02
    copies = [sign(speech(1, 4))] * 40
    assert len(find(Signed(np.arange(40), copies))) == 40 * 39 // 2


def test_fingerprints_are_read_as_written() -> None:
    for seconds, bands, clip in ((1, False, True), (4, True, True), (7, True, False)):
        found: Fingerprint = read_fingerprint(sign(speech(0, seconds)))
        assert found.seconds == seconds
        assert (len(found.bands.bits) > 0, len(found.clip.bits) > 0) == (bands, clip)
        assert (len(found.waveform) > 0) == clip
        strong = np.bitwise_count(found.bands.strong)
        assert (strong <= 17).all()
    assert len(sign(speech(0, 60))) < 60 * 130


def test_thresholds_of_clips() -> None:
    """Each of the two signs is enough, and coverage is needed for both."""
    wave = read_fingerprint(sign(speech(4, 1))).waveform
    same = compare(wave, wave)
    assert same.same
    assert not replace(same, covered=0.5).same
    assert replace(same, similarity=0.5, lowest=0.96, following=0.0).same
    assert not replace(same, similarity=0.5, lowest=0.96, following=0.5).same
    assert not replace(same, similarity=0.85, lowest=0.9, following=0.5).same
