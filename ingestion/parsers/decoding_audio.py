"""Decoding a recording block by block: a copy at one rate, the digest of its samples, its loudness.

The samples as they were recorded are never in memory together: four hours in stereo would take
2.5 GB. The copy takes 0.46.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from math import ceil, gcd
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from ragstone.config import LimitSettings
from ragstone.errors import (
    EmptyInput,
    LimitExceeded,
    MalformedInput,
    ParserTimeout,
    UnsupportedFormat,
)
from ragstone.ingestion.parsers.audio_containers import check_whole, container
from ragstone.ingestion.parsers.base import clean, malformed

if TYPE_CHECKING:
    from soundfile import SoundFile

RATE = 16_000  # Hz, of what encoders and fingerprints hear
_SLOWEST, _FASTEST = 1_000, 768_000  # Hz; beyond, a header is wrong
_MOST_CHANNELS = 64
_BLOCK = 1 << 18  # numbers decoded at a time
_REACH = 10  # samples of the slower rate on each side that the filter of resample_poly sees
_MISSING = 2 * 1_152  # samples an MP3 may have less than announced: what its encoder added
_FULL = 32_760 / 32_768  # amplitude from which on a sample counts as clipped
_SILENT_DB, _LEAST_DB = -60.0, -120.0  # of full scale
_FRAMES = 50  # a second: 20 ms each
_BY_FFMPEG = {"M4A": "mov", "AAC": "aac"}  # its name of the format, so that it tries no other
_PATIENCE = 0.8  # share of the time to read an input that ffmpeg may take

Floats = NDArray[np.float32]
Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Recording:
    """A decoded recording."""

    samples: Samples  # one channel at the rate that was asked for
    digest: bytes  # BLAKE3 of rate, channels and samples
    container: str  # as of `container`
    codec: str  # as libsndfile calls it
    rate: int  # as recorded, Hz
    channels: int
    frames: int  # as recorded
    tags: dict[str, str]
    quality: dict[str, float]


def decode(content: bytes, limits: LimitSettings, rate: int = RATE) -> Recording:
    """Decode WAV, AIFF, FLAC, Ogg (Vorbis, Opus) and MP3; M4A and AAC where ffmpeg is installed.

    Parameters
    ----------
    rate
        Of the samples that are returned, Hz.

    Raises
    ------
    UnsupportedFormat
        It is none of these, or ffmpeg is missing.
    LimitExceeded
        It is longer than `limits.audio_seconds`.
    MalformedInput
        It is damaged or cut off.
    EmptyInput
        It has no samples.
    ParserTimeout
        ffmpeg took too long.
    """
    if not content:
        raise EmptyInput
    from soundfile import LibsndfileError, SoundFile

    name = container(content)
    if not name:
        raise UnsupportedFormat("An audio file of this kind")
    check_whole(content, name)
    with (
        _opened(content, name, limits) as source,
        malformed(name, LibsndfileError, OverflowError),
        SoundFile(source) as file,
    ):
        codec = file.subtype
        if name in _BY_FFMPEG:  # which wrote PCM
            codec = "ALAC" if b"alac" in content else "AAC"
        return _Decoding(file, name, codec, limits, rate).whole()


@contextmanager
def _opened(content: bytes, name: str, limits: LimitSettings) -> Iterator[BytesIO | Path]:
    """Give what libsndfile can read: the bytes, or a file that ffmpeg made of them."""
    if name not in _BY_FFMPEG:
        yield BytesIO(content)
        return
    program = shutil.which("ffmpeg")
    if program is None:
        error = UnsupportedFormat(f"{name} without the program ffmpeg")
        error.hint = "Install ffmpeg, or convert the recording to FLAC, WAV, MP3 or Opus."
        raise error
    with tempfile.TemporaryDirectory() as folder:
        yield _converted(program, content, name, Path(folder), limits)


def _converted(
    program: str, content: bytes, name: str, folder: Path, limits: LimitSettings
) -> Path:
    """Return a WAV file in `folder`.

    ffmpeg reads a file, for an index at the end of an M4A cannot be found in a pipe; it may open
    no address, knows the format, and stops a second beyond the longest recording allowed.
    """
    source, target = folder / "source", folder / "target.wav"
    source.write_bytes(content)
    command = [
        program, "-v", "error", "-nostdin", "-xerror", "-protocol_whitelist", "file",
        "-f", _BY_FFMPEG[name], "-i", str(source), "-map", "0:a:0", "-map_metadata", "0",
        "-t", str(limits.audio_seconds + 1), "-c:a", "pcm_s32le", "-rf64", "auto", str(target),
    ]  # fmt: skip
    seconds = limits.seconds * _PATIENCE
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, check=False)  # noqa: S603  # our own arguments
    except subprocess.TimeoutExpired as error:
        raise ParserTimeout(seconds) from error
    if done.returncode or not target.exists():
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1] if lines else f"ffmpeg ended with status {done.returncode}"
        raise MalformedInput(name, clean(reason.replace(str(source), "it"))[:200])
    return target


class _Decoding:
    """One pass over an open file."""

    def __init__(
        self, file: SoundFile, name: str, codec: str, limits: LimitSettings, rate: int
    ) -> None:
        self._file, self._name, self._codec, self._limits = file, name, codec, limits
        self._rate = rate
        if not _SLOWEST <= file.samplerate <= _FASTEST:
            raise MalformedInput(name, f"{file.samplerate} samples a second cannot be")
        if file.channels > _MOST_CHANNELS:
            raise MalformedInput(name, f"{file.channels:,} channels cannot be")
        self._frames = 0
        self._digest = blake3(f"{file.samplerate} {file.channels}\n".encode())
        self._peak = self._power = 0.0
        self._clipped = 0

    def whole(self) -> Recording:
        """Read to the end."""
        # A stream that knows no length announces about 2**63 frames.
        announced = self._file.frames if self._file.frames < 2**62 else None
        self._check_length(announced or 0)
        resampler = _Resampler(self._file.samplerate, self._rate)
        parts = [resampler.feed(self._taken(block)) for block in self._blocks()]
        samples = np.concatenate([*parts, resampler.end()])
        if announced is not None and self._frames < announced - self._tolerance():
            raise MalformedInput(self._name, f"{announced - self._frames:,} samples are missing")
        if not self._frames:
            raise EmptyInput("The recording has no samples")
        return Recording(
            samples,
            self._digest.digest(),
            self._name,
            self._codec,
            self._file.samplerate,
            self._file.channels,
            self._frames,
            {name: clean(value) for name, value in self._file.copy_metadata().items()},
            self._quality(samples),
        )

    def _tolerance(self) -> int:
        return _MISSING if self._name == "MP3" else 0

    def _check_length(self, frames: int) -> None:
        seconds, most = frames / self._file.samplerate, self._limits.audio_seconds
        if seconds > most:
            raise LimitExceeded("The length in seconds", seconds, most, "limits.audio_seconds")

    def _blocks(self) -> Iterator[NDArray[np.float64]]:
        """Yield blocks of shape (frames, channels), full scale 1.

        float64 holds integer samples of 32 bits and float32 ones exactly, so equal samples are
        equal numbers whatever the format that holds them.
        """
        count = max(1, _BLOCK // self._file.channels)
        while True:
            block: NDArray[np.float64] = self._file.read(count, dtype="float64", always_2d=True)
            if not len(block):
                return
            self._frames += len(block)
            self._check_length(self._frames)
            yield block

    def _taken(self, block: NDArray[np.float64]) -> Floats:
        """Return one channel of a block, after adding it to digest and sums."""
        if not np.isfinite(block).all():
            raise MalformedInput(self._name, "a sample is no number")
        self._digest.update((block + 0.0).astype("<f8").tobytes())  # no negative zeros
        sizes = np.abs(block)
        self._peak = max(self._peak, float(sizes.max()))
        self._clipped += int(np.count_nonzero(sizes >= _FULL))
        self._power += float(np.vdot(block, block))
        channels = self._file.channels  # a product is five times as fast as the mean of an axis
        mono: Floats = (block @ np.full(channels, 1 / channels)).astype(np.float32)
        return np.clip(mono, -1, 1)

    def _quality(self, samples: Samples) -> dict[str, float]:
        count = self._frames * self._file.channels
        return {
            "loudness": _decibels(self._power / count),
            "peak": _decibels(self._peak**2),
            "clipping": round(self._clipped / count, 4),
            "silence": _silence(samples, self._rate // _FRAMES),
        }


def _decibels(power: float) -> float:
    least: float = 10 ** (_LEAST_DB / 10)
    return round(float(10 * np.log10(max(power, least))), 2)


def _silence(samples: Samples, frame: int) -> float:
    """Return the share of frames of 20 ms below -60 dB; the last one may be shorter."""
    if not len(samples):
        return 1.0
    starts = np.arange(0, len(samples), frame)
    sums = np.add.reduceat(np.square(samples.astype(np.float32)), starts)
    means = sums / np.diff(np.append(starts, len(samples)))
    return round(float((means < 32_768**2 * 10 ** (_SILENT_DB / 10)).mean()), 4)


class _Resampler:
    """Resamples piece by piece, with the result that the whole would have had.

    Pieces overlap by what the filter reaches, and begin at multiples of `down`, where samples of
    both rates coincide.
    """

    def __init__(self, rate: int, wanted: int) -> None:
        common = gcd(rate, wanted)
        self._up, self._down = wanted // common, rate // common
        reach = _REACH * max(self._up, self._down) / self._up + 1  # in samples of the recording
        self._margin = ceil(reach / self._down) * self._down
        self._step = ceil(_BLOCK / self._down) * self._down
        self._waiting = np.zeros(self._margin, np.float32)

    def feed(self, piece: Floats) -> Samples:
        """Take samples (n,), full scale 1, and return those that are ready."""
        if self._up == self._down:
            return _rounded(piece)
        self._waiting = np.concatenate((self._waiting, piece))
        ready = []
        while len(self._waiting) >= self._step + 2 * self._margin:
            ready.append(
                self._resampled(self._waiting[: self._step + 2 * self._margin], self._step)
            )
            self._waiting = self._waiting[self._step :]
        return np.concatenate(ready) if ready else np.zeros(0, np.int16)

    def end(self) -> Samples:
        """Return the samples that are left."""
        left = len(self._waiting) - self._margin
        if self._up == self._down or not left:
            return np.zeros(0, np.int16)
        return self._resampled(self._waiting, left)

    def _resampled(self, piece: Floats, count: int) -> Samples:
        """Return what stands for `count` samples behind the margin."""
        from scipy.signal import resample_poly

        start = self._margin // self._down * self._up
        wanted = ceil(count * self._up / self._down)
        return _rounded(resample_poly(piece, self._up, self._down)[start : start + wanted])


def _rounded(samples: Floats) -> Samples:
    return np.rint(np.clip(samples, -1, 1) * 32_767).astype(np.int16)
