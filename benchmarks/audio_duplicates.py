"""Which changes of a recording the audio finder sees through, what it takes for one, how fast.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/audio_duplicates.py [--clips 300] [--scale N]

Known are 30 synthetic recordings of 30 s (melodies, chords, bands of noise, vowels, drums), 15 of
20 s joined from digits of one speaker (`fsdd`), 100 spoken captions (`flickr8k_1000`), and all
3,000 single digits. New are changed copies: recall is the share of copies paired with their own
original, wrong pairs are those with another one. Where `fpcalc` is installed, Chromaprint stands
beside it for the long ones: pairs by the bit error rate at the best shift, at the threshold that
serves it best, the largest at which no two originals are a pair. `--scale` measures the time of
1,000 new recordings of 30 s against so many known minutes. Writes Markdown to standard output;
takes ten minutes.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, resample_poly, sosfilt

from ragstone.config import LimitSettings
from ragstone.ingestion.dedup.audio import AudioFinder
from ragstone.ingestion.dedup.base import Pair, Signed
from ragstone.ingestion.dedup.fingerprint import fingerprint, read_fingerprint
from ragstone.ingestion.parsers.audio import parse_audio

Sound = NDArray[np.float32]
Random = np.random.Generator
Change = Callable[[Sound, Random], bytes]
LIMITS = LimitSettings()
WIDE, NARROW = 48_000, 16_000  # Hz, of the recordings and of the single digits
NONE = Signed(np.empty(0, np.int64), [])


# ---------------------------------------------------------------- material


def tone(pitch: float, count: int, random: Random, partials: int = 8) -> Sound:
    """Return a tone of harmonics with random strengths and phases."""
    seconds = np.arange(count) / WIDE
    waves = [
        np.sin(2 * np.pi * pitch * k * seconds + random.uniform(0, 6)) / k ** random.uniform(1, 1.6)
        for k in range(1, partials + 1)
    ]
    return np.sum(waves, axis=0).astype(np.float32)


def fading(count: int, attack: float, decay: float) -> Sound:
    """Return an envelope that rises within `attack` and falls with `decay`, in seconds."""
    seconds = np.arange(count) / WIDE
    return (np.minimum(seconds / attack, 1) * np.exp(-seconds / decay)).astype(np.float32)


def melody(random: Random, sound: Sound) -> None:
    """Write notes of a major scale, of different lengths."""
    place, base = 0, random.uniform(110, 330)
    while place < len(sound):
        count = min(int(WIDE * random.choice([0.15, 0.2, 0.3, 0.4, 0.6])), len(sound) - place)
        step = random.choice([0, 2, 4, 5, 7, 9, 11]) + 12 * random.integers(0, 2)
        note = tone(base * 2 ** (step / 12), count, random)
        sound[place : place + count] += note * fading(count, 0.01, random.uniform(0.1, 0.5))
        place += count


def chords(random: Random, sound: Sound) -> None:
    """Write chords of three notes, of a second or two."""
    place = 0
    while place < len(sound):
        count = min(int(WIDE * random.uniform(0.8, 2)), len(sound) - place)
        root = 110 * 2 ** (random.integers(0, 24) / 12)
        for step in random.choice([0, 3, 4, 7, 10, 12, 16], 3, replace=False):
            note = tone(root * 2 ** (step / 12), count, random, 4)
            sound[place : place + count] += note * fading(count, 0.05, 1.5)
        place += count


def noises(random: Random, sound: Sound) -> None:
    """Write overlapping bursts of noise, each in a band of its own."""
    place = 0
    while place < len(sound) - WIDE // 10:
        count = min(int(WIDE * random.uniform(0.1, 0.5)), len(sound) - place)
        low = 10 ** random.uniform(2, 3.4)
        band = butter(2, [low, low * random.uniform(1.3, 3)], "band", fs=WIDE, output="sos")
        burst = sosfilt(band, random.normal(0, 1, count)) * fading(count, 0.02, 0.3)
        sound[place : place + count] += burst.astype(np.float32)
        place += count // 2


def vowels(random: Random, sound: Sound) -> None:
    """Write a pulse train or noise through three resonances: something like speech."""
    place, pitch = 0, random.uniform(80, 240)
    while place < len(sound) - WIDE // 10:
        count = min(int(WIDE * random.uniform(0.08, 0.3)), len(sound) - place)
        if random.random() < 0.2:
            wave, resonances = random.normal(0, 0.3, count), [(random.uniform(1_500, 6_000), 800)]
        else:
            glide = pitch * (1 + 0.2 * random.normal() * np.linspace(0, 1, count))
            wave = np.diff(np.floor(np.cumsum(glide) / WIDE), prepend=0).clip(0, 1)
            ranges = ((250, 800, 80), (800, 2_300, 100), (2_200, 3_200, 150))
            resonances = [(random.uniform(low, high), width) for low, high, width in ranges]
        for centre, width in resonances:
            radius = np.exp(-np.pi * width / WIDE)
            angle = 2 * np.pi * centre / WIDE
            wave = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], wave)
        loud = np.hanning(count) * random.uniform(0.4, 1) / (np.abs(wave).max() + 1e-9)
        if random.random() > 0.15:  # else a pause
            sound[place : place + count] += (wave * loud).astype(np.float32)
        place += count


def drums(random: Random, sound: Sound) -> None:
    """Write patterns of three drums over a melody."""
    step = int(WIDE * 15 / random.uniform(80, 150))
    pattern = random.random((3, 16)) < np.array([[0.3], [0.25], [0.5]])
    for beat, place in enumerate(range(0, len(sound) - WIDE // 4, step)):
        if beat % 64 == 63:
            pattern = random.random((3, 16)) < np.array([[0.3], [0.25], [0.5]])
        seconds = np.arange(WIDE // 4) / WIDE
        hits = (
            np.sin(2 * np.pi * 60 * seconds * (1 + 0.5 * np.exp(-30 * seconds)))
            * np.exp(-12 * seconds),
            0.6 * random.normal(0, 1, len(seconds)) * np.exp(-20 * seconds),
            0.3 * np.diff(random.normal(0, 1, len(seconds) + 1)) * np.exp(-60 * seconds),
        )
        for hit, there in zip(hits, pattern[:, beat % 16], strict=True):
            if there:
                sound[place : place + len(hit)] += hit.astype(np.float32)
    tune = np.zeros_like(sound)
    melody(random, tune)
    sound += np.float32(0.3) * tune


def synthetic(count: int = 6, seconds: int = 30) -> list[Sound]:
    """Return `count` recordings of each kind, 48 kHz."""
    made = []
    for kind in (melody, chords, noises, vowels, drums):
        for seed in range(count):
            sound = np.zeros(seconds * WIDE, np.float32)
            kind(np.random.default_rng([seed, len(made)]), sound)
            made.append(sound / np.abs(sound).max() * np.float32(0.7))
    return made


def digits(folder: Path) -> tuple[list[Sound], list[str]]:
    """Return all recordings of `fsdd` at 16 kHz, and their speakers."""
    with zipfile.ZipFile(folder / "recordings.zip") as archive:
        files = {PurePosixPath(name).name: name for name in archive.namelist()}
        with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        sounds = [soundfile.read(io.BytesIO(archive.read(files[row["file"]]))) for row in rows]
    narrow = [resample_poly(x, NARROW, rate).astype(np.float32) for x, rate in sounds]
    return narrow, [row["speaker"] for row in rows]


def joined(single: Sequence[Sound], speakers: Sequence[str], count: int = 15) -> list[Sound]:
    """Return recordings of 20 s, each of digits by one speaker with pauses, 48 kHz."""
    made, names = [], sorted(set(speakers))
    for seed in range(count):
        random = np.random.default_rng(500 + seed)
        own = [place for place, name in enumerate(speakers) if name == names[seed % len(names)]]
        parts: list[Sound] = []
        while sum(map(len, parts)) < 20 * NARROW:
            parts.append(single[random.choice(own)])
            parts.append(np.zeros(int(NARROW * random.uniform(0.02, 0.2)), np.float32))
        made.append(widened(np.concatenate(parts)[: 20 * NARROW], NARROW))
    return made


def captions(folder: Path) -> list[Sound]:
    """Return the spoken captions at 48 kHz."""
    files = sorted((folder / "tts_audio_mp3_named_wav").iterdir())
    return [widened(*soundfile.read(io.BytesIO(path.read_bytes()))) for path in files]


def widened(sound: NDArray[np.floating], rate: int) -> Sound:
    """Return a sound at 48 kHz, its loudest sample at 0.7."""
    wide = resample_poly(sound, WIDE // 8_000, rate // 8_000).astype(np.float32)
    return wide / np.abs(wide).max() * np.float32(0.7)


# ---------------------------------------------------------------- changes


def encoded(
    sound: Sound, rate: int, kind: str = "WAV", codec: str = "PCM_16", level: float = -1
) -> bytes:
    """Return a file; `level` is libsndfile's compression, from 0 to 1."""
    target = io.BytesIO()
    mode = "CONSTANT" if kind == "MP3" else None
    options = {} if level < 0 else {"compression_level": level, "bitrate_mode": mode}
    soundfile.write(target, sound, rate, format=kind, subtype=codec, **options)
    return target.getvalue()


def noisy(sound: Sound, random: Random, decibels: float, rate: int, *, pink: bool = False) -> Sound:
    """Add noise from 0 to 8 kHz at a signal-to-noise ratio."""
    noise = random.normal(0, 1, -(-len(sound) * NARROW // rate))
    if pink:
        spectrum = np.fft.rfft(noise)
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
        noise = np.fft.irfft(spectrum, len(noise))
    noise = resample_poly(noise, rate // NARROW, 1)[: len(sound)]
    noise *= np.sqrt(np.mean(sound**2) / np.mean(noise**2) / 10 ** (decibels / 10))
    mixed = (sound + noise).astype(np.float32)
    return mixed / max(np.float32(1), np.abs(mixed).max())


def trimmed(sound: Sound, random: Random) -> Sound:
    """Cut up to a tenth off each end."""
    start, end = random.integers(0, len(sound) // 10, 2)
    return sound[start : len(sound) - end]


def excerpt(sound: Sound, random: Random, rate: int) -> Sound:
    """Return 10 s from anywhere."""
    start = int(random.integers(0, max(1, len(sound) - 10 * rate)))
    return sound[start : start + 10 * rate]


def changes(rate: int) -> dict[str, Change]:
    """Return the changes of recordings at `rate`; excerpts only of the long ones."""
    plain = partial(encoded, rate=rate)
    mp3 = partial(plain, kind="MP3", codec="MPEG_LAYER_III", level=0.99 if rate == WIDE else 0.84)
    opus = partial(plain, kind="OGG", codec="OPUS", level=0.895)
    lower = partial(plain, kind="OGG", codec="OPUS", level=0.945)
    noise = partial(noisy, rate=rate)
    low = butter(6, 2_500, fs=rate, output="sos")
    found: dict[str, Change] = {
        "MP3, 32 kbit/s": lambda x, _: mp3(x),
        "Opus, 32 kbit/s": lambda x, _: opus(x),
        "Opus, 20 kbit/s": lambda x, _: lower(x),
        "white noise, 6 dB": lambda x, r: plain(noise(x, r, 6)),
        "pink noise, 6 dB": lambda x, r: plain(noise(x, r, 6, pink=True)),
        "white noise, 0 dB": lambda x, r: plain(noise(x, r, 0)),
        "up to 10 % off each end": lambda x, r: plain(trimmed(x, r)),
        "20 dB softer": lambda x, _: plain(x * np.float32(0.1)),
        "nothing above 2.5 kHz": lambda x, _: plain(sosfilt(low, x)),
    }
    if rate == WIDE:
        found |= {
            "10 s of it": lambda x, r: plain(excerpt(x, r, rate)),
            "10 s, MP3, 32 kbit/s": lambda x, r: mp3(excerpt(x, r, rate)),
            "10 s, Opus, 32 kbit/s": lambda x, r: opus(excerpt(x, r, rate)),
            "10 s, white noise, 6 dB": lambda x, r: plain(noise(excerpt(x, r, rate), r, 6)),
            "10 s, pink noise, Opus": lambda x, r: opus(
                noise(excerpt(x, r, rate), r, 6, pink=True)
            ),
        }
    return found


# ---------------------------------------------------------------- measuring


def sign(content: bytes) -> bytes:
    """Return the fingerprint of a file, by the way of the parser."""
    signatures = parse_audio(content, LIMITS).signatures
    return next(signature.value for signature in signatures if signature.kind == "audio")


def signed(values: Sequence[bytes], start: int = 0) -> Signed:
    """Return fingerprints under keys from `start` on."""
    return Signed(np.arange(start, start + len(values)), values)


def found(pairs: Sequence[Pair], places: Sequence[int], start: int) -> tuple[set[int], int, float]:
    """Return which copies met their original, the number of wrong pairs, the largest distance."""
    right, wrong, farthest = set(), 0, 0.0
    for pair in pairs:
        if pair.first >= start or pair.second < start:
            continue
        copy = pair.second - start
        if places[copy] == pair.first:
            right.add(copy)
            farthest = max(farthest, pair.distance)
        else:
            wrong += 1
    return right, wrong, farthest


def table(
    title: str, sounds: Sequence[Sound], rate: int, places: Sequence[int], peer: Peer | None
) -> str:
    """Return recall and wrong pairs of each change of the sounds at `places`."""
    values = [sign(encoded(sound, rate)) for sound in sounds]
    known, start, random = signed(values), 10**6, np.random.default_rng(0)
    among = AudioFinder().find(known, NONE, bytes)
    heading = f"| {title} | kbit/s | recall | wrong pairs | largest distance |"
    lines = [heading + (" Chromaprint |" if peer else ""), "|---" * (6 if peer else 5) + "|"]
    for name, change in changes(rate).items():
        copies = [change(sounds[place], random) for place in places]
        seconds = sum(parse_audio(copy, LIMITS).metadata["duration"] for copy in copies)
        rates = sum(map(len, copies)) * 8 / seconds / 1_000
        new = signed([sign(copy) for copy in copies], start)
        right, wrong, farthest = found(AudioFinder().find(new, known, bytes), places, start)
        row = (
            f"| {name} | {rates:.0f} | {len(right) / len(places):.3f} | {wrong} | {farthest:.3f} |"
        )
        lines.append(row + (f" {peer.recall(copies, places):.3f} |" if peer else ""))
    lines.append(f"\nPairs among the {len(sounds):,} originals: {len(among)}.")
    if peer:
        lines.append(f"Chromaprint at a bit error rate up to {peer.threshold:.3f}.")
    return "\n".join(lines)


class Peer:
    """Chromaprint by the program fpcalc, compared at the best shift."""

    def __init__(self, program: str, sounds: Sequence[Sound]) -> None:
        self._program = program
        self._known = self._prints([encoded(sound, WIDE) for sound in sounds])
        rates = [
            self._rate(one, other)
            for place, one in enumerate(self._known)
            for other in self._known[:place]
        ]
        self.threshold = float(np.nextafter(min(rates), 0))

    def recall(self, copies: Sequence[bytes], places: Sequence[int]) -> float:
        """Return the share of copies within the threshold of their original."""
        prints = self._prints(copies)
        rates = [self._rate(self._known[p], new) for p, new in zip(places, prints, strict=True)]
        return float(np.mean(np.array(rates) <= self.threshold))

    def _prints(self, files: Sequence[bytes]) -> list[NDArray[np.float32]]:
        """Return fingerprints of shape (n, 32), of -1 and 1."""
        words = []
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "recording"
            for content in files:
                path.write_bytes(content)
                command = [self._program, "-raw", "-json", "-length", "0", str(path)]
                # Builds with FFmpeg 5 end with status 3 at the end of the file, having written all.
                output = subprocess.run(command, capture_output=True, check=False).stdout
                words.append(np.array(json.loads(output)["fingerprint"], np.uint32))
        bits = [np.unpackbits(w.view(np.uint8).reshape(-1, 4), axis=1) for w in words]
        return [(2.0 * b - 1).astype(np.float32) for b in bits]

    @staticmethod
    def _rate(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
        """Return the lowest bit error rate over all shifts that overlap by half of the shorter."""
        if not len(one) or not len(other):
            return 1.0
        short, long = sorted((one, other), key=len)
        size = len(short) + len(long)
        spectra = np.fft.rfft(long, size, axis=0) * np.fft.rfft(short, size, axis=0).conj()
        agreement = np.fft.irfft(spectra.sum(axis=1), size)
        ones = [np.fft.rfft(np.ones(len(part)), size) for part in (long, short)]
        overlap = np.rint(np.fft.irfft(ones[0] * ones[1].conj(), size))
        enough = overlap >= len(short) / 2
        return float((0.5 - agreement[enough] / (64 * overlap[enough])).min())


def scale(minutes: int, sounds: Sequence[Sound]) -> str:
    """Return the time of 1,000 new recordings against `minutes` of known ones.

    The known ones are real frames whose bits are turned over by other random patterns in each
    second of each copy, so that bits change as real ones do, and no two copies are the same.
    """
    samples = [np.rint(resample_poly(x, 1, 3) * 32_767).astype(np.int16) for x in sounds]
    values = [fingerprint(one) for one in samples]
    length = sum(read_fingerprint(value).seconds for value in values) / 60

    def turned(seed: int) -> list[bytes]:
        random, made = np.random.default_rng(seed), []
        for value in values:
            count = len(read_fingerprint(value).bands.bits)
            words = np.frombuffer(value, np.uint32).copy()
            patterns = random.integers(2**32, size=count // 16 + 1, dtype=np.uint32)
            words[len(words) - 2 * count : len(words) - count] ^= patterns.repeat(16)[:count]
            made.append(words.tobytes())
        return made

    known = [value for seed in range(round(minutes / length)) for value in turned(seed)]
    fresh = [value for seed in range(34) for value in turned(10**6 + seed)][:990]
    new = [*fresh, *known[-10:]]
    start = time.perf_counter()
    pairs = AudioFinder().find(signed(new, 10**7), signed(known), bytes)
    seconds = time.perf_counter() - start
    again = sum(pair.second >= 10**7 + len(fresh) for pair in pairs)
    return (
        f"{len(new):,} new recordings against {len(known):,} known ones, "
        f"{len(known) / len(values) * length:,.0f} minutes: {seconds:.1f} s; "
        f"{again} of 10 planted pairs, {len(pairs) - again} others."
    )


def main() -> int:
    """Print the tables; return 1 when the data is not there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--scale", type=int, default=0)
    asked = parser.parse_args()
    data = os.environ.get("RAGSTONE_DATA")
    if not data:
        sys.stderr.write("Set RAGSTONE_DATA to the folder that holds the data sets.\n")
        return 1
    made = synthetic()
    if asked.scale:
        print(scale(asked.scale, made))
        return 0
    single, speakers = digits(Path(data) / "fsdd")
    long, spoken = [*made, *joined(single, speakers)], captions(Path(data) / "flickr8k_1000")
    program = shutil.which("fpcalc")
    peer = Peer(program, long) if program else None
    for title, sounds, beside in (
        ("synthetic, and joined digits", long, peer),
        ("spoken captions", spoken, None),
    ):
        print(table(title, sounds, WIDE, range(len(sounds)), beside), end="\n\n", flush=True)
    chosen = np.random.default_rng(0).choice(len(single), asked.clips, replace=False)
    print(table("single digits, 0.14 to 2.3 s", single, NARROW, chosen.tolist(), None))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
