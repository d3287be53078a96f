"""Recordings made here, in every format that is read, whole, cut and damaged."""

from __future__ import annotations

import contextlib
import io
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from PIL import Image
from scipy.signal import resample_poly

from ragstone.config import LimitSettings
from ragstone.errors import (
    EmptyInput,
    InvalidArgument,
    LimitExceeded,
    MalformedInput,
    Rejected,
    UnsupportedFormat,
)
from ragstone.ingestion.parsers import decoding_audio
from ragstone.ingestion.parsers.audio import STEP, WINDOW, parse_audio, windows
from ragstone.ingestion.parsers.decoding_audio import RATE
from ragstone.ingestion.waveforms import waveform_picture
from ragstone.schemas.records import Document, Modality

LIMITS = LimitSettings()
Sound = NDArray[np.float64]
FORMATS = {
    "WAV": ("WAV", "PCM_16", "audio/wav"),
    "FLAC": ("FLAC", "PCM_16", "audio/flac"),
    "AIFF": ("AIFF", "PCM_16", "audio/aiff"),
    "Vorbis": ("OGG", "VORBIS", "audio/ogg"),
    "Opus": ("OGG", "OPUS", "audio/ogg"),
    "MP3": ("MP3", "MPEG_LAYER_III", "audio/mpeg"),
}
LOSSLESS = (
    ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAVEX", "PCM_16"),
    ("RF64", "PCM_16"), ("AIFF", "PCM_16"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"),
)  # fmt: skip


def noise(seconds: float, rate: int = 48_000, channels: int = 1, seed: int = 0) -> Sound:
    random = np.random.default_rng(seed)
    return random.normal(0, 0.1, (round(seconds * rate), channels))


def file_of(sound: NDArray[np.generic], kind: str, codec: str, rate: int = 48_000) -> bytes:
    target = io.BytesIO()
    soundfile.write(target, sound, rate, format=kind, subtype=codec)
    return target.getvalue()


def sixteen_bits(sound: Sound) -> Sound:
    """Round to what 16 bits can hold."""
    return np.rint(sound * 32_768) / 32_768


def payload_signature(document: Document) -> bytes:
    (value,) = (s.value for s in document.signatures if s.kind == "payload")
    return value


def test_samples_can_be_had_at_another_rate() -> None:
    sound = sixteen_bits(noise(0.5, rate=8_000))
    content = file_of(sound, "WAV", "PCM_16", 8_000)
    own = decoding_audio.decode(content, LIMITS, 8_000)
    assert np.array_equal(own.samples, np.rint(sound[:, 0] * 32_767))  # nothing is resampled
    twice, half = (
        decoding_audio.decode(content, LIMITS),
        decoding_audio.decode(content, LIMITS, 4_000),
    )
    assert [len(found.samples) for found in (twice, half)] == [8_000, 2_000]
    assert own.digest == twice.digest == half.digest
    assert own.quality["silence"] == twice.quality["silence"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(name: str) -> None:
    kind, codec, media_type = FORMATS[name]
    document = parse_audio(file_of(noise(1.5), kind, codec), LIMITS)
    assert document.modality is Modality.AUDIO
    assert document.media_type == media_type
    assert document.text == ""
    assert document.metadata["duration"] == pytest.approx(1.5, abs=0.001)
    assert document.metadata["sample_rate"] == 48_000
    assert document.metadata["channels"] == 1
    assert document.metadata["codec"] == codec
    assert document.metadata["quality"]["loudness"] == pytest.approx(-20, abs=2)
    (payload,) = document.payloads
    assert payload.data.dtype == np.int16
    assert payload.data.shape == (24_000,)
    assert (payload.modality, payload.time) == (Modality.AUDIO, (0, 1_500))
    assert {s.kind: s.algorithm for s in document.signatures} == {
        "payload": "blake3-pcm-1",
        "audio": "subband-1",
    }


def test_equal_samples_are_equal_whatever_holds_them() -> None:
    sound = sixteen_bits(noise(0.5, channels=2))
    made = [parse_audio(file_of(sound, *form), LIMITS) for form in LOSSLESS]
    assert len({payload_signature(document) for document in made}) == 1
    turned = [
        sound[:, ::-1], sound[:, :1], np.concatenate((sound, sound[:1])), sound * 0.5,
    ]  # fmt: skip
    others = [payload_signature(parse_audio(file_of(s, "FLAC", "PCM_16"), LIMITS)) for s in turned]
    slower = payload_signature(parse_audio(file_of(sound, "FLAC", "PCM_16", 44_100), LIMITS))
    assert len({payload_signature(made[0]), slower, *others}) == 6


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 44_101, 96_000])
def test_resampled_piece_by_piece_as_in_one(rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_audio, "_BLOCK", 5_000)
    sound = sixteen_bits(noise(1.3, rate))[:, 0]
    (payload,) = parse_audio(file_of(sound, "WAV", "PCM_16", rate), LIMITS).payloads
    common = np.gcd(rate, RATE)
    whole = resample_poly(sound.astype(np.float32), RATE // common, rate // common)
    expected = np.rint(np.clip(whole, -1, 1) * 32_767).astype(np.int16)
    assert np.array_equal(payload.data, expected)


def test_channels_are_mixed() -> None:
    left = sixteen_bits(noise(0.5, RATE))[:, 0]
    sound = np.stack((left, np.zeros_like(left)), axis=1)
    (payload,) = parse_audio(file_of(sound, "WAV", "PCM_16", RATE), LIMITS).payloads
    assert np.abs(payload.data - left * 16_384).max() <= 1


@pytest.mark.parametrize(
    ("seconds", "ends"),
    [(0.1, [0.1]), (10, [10]), (10.01, [10, 10.01]), (18, [10, 18]), (27, [10, 18, 26, 27])],
)
def test_windows(seconds: float, ends: list[float]) -> None:
    samples = np.arange(round(seconds * RATE)).astype(np.int16)
    cut = list(windows(samples))
    times = [(8_000 * number, end * 1_000) for number, end in enumerate(ends)]
    assert [payload.time for payload in cut] == times
    for number, payload in enumerate(cut):
        assert np.array_equal(payload.data, samples[number * STEP :][:WINDOW])
    if len(cut) > 1:
        assert len(cut[-1].data) > WINDOW - STEP


def test_quality() -> None:
    silent = np.zeros(RATE)
    tone = np.sin(np.arange(RATE) * 0.2) * 0.5
    clipped = np.clip(tone * 4, -1, 1)
    quality = parse_audio(
        file_of(np.concatenate((silent, tone)), "WAV", "PCM_16", RATE), LIMITS
    ).metadata["quality"]
    assert quality["silence"] == pytest.approx(0.5, abs=0.02)
    assert quality["peak"] == pytest.approx(-6.02, abs=0.01)
    assert quality["loudness"] == pytest.approx(-6.02 - 3.01 - 3.01, abs=0.02)
    assert quality["clipping"] == 0
    loud = parse_audio(file_of(clipped, "WAV", "PCM_16", RATE), LIMITS).metadata["quality"]
    assert loud["clipping"] == pytest.approx(2 / 3, abs=0.01)  # 2 sin x > 1 from 30 to 150 degrees
    none = parse_audio(file_of(silent, "FLAC", "PCM_16", RATE), LIMITS).metadata["quality"]
    assert none == {"loudness": -120.0, "peak": -120.0, "clipping": 0.0, "silence": 1.0}


def test_tags() -> None:
    target = io.BytesIO()
    with soundfile.SoundFile(target, "w", RATE, 1, "PCM_16", format="FLAC") as file:
        file.title, file.artist, file.license = "Stones  at\nNight", "Ann", "CC0"
        file.write(noise(0.2, RATE))
    document = parse_audio(target.getvalue(), LIMITS)
    assert document.title == "Stones at Night"
    assert document.metadata["author"] == "Ann"
    assert document.metadata["licence"] == "CC0"


@pytest.mark.parametrize("name", FORMATS)
def test_cut_off_files_are_refused(name: str) -> None:
    kind, codec, _ = FORMATS[name]
    content = file_of(noise(2), kind, codec)
    random = np.random.default_rng(0)
    for length in (*random.integers(1, len(content), 40).tolist(), len(content) - 1):
        with pytest.raises(Rejected):
            parse_audio(content[:length], LIMITS)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_or_refused(name: str) -> None:
    kind, codec, _ = FORMATS[name]
    content = file_of(noise(1), kind, codec)
    random = np.random.default_rng(0)
    for _ in range(30):
        damaged = bytearray(content)
        for place in random.integers(0, len(content), 5):
            damaged[place] ^= 1 << random.integers(0, 8)
        with contextlib.suppress(Rejected):  # anything else is an error of ours
            assert parse_audio(bytes(damaged), LIMITS).payloads


def wav(rate: int, channels: int, data: bytes, size: int | None = None) -> bytes:
    """A WAV file by hand; its header may say another size of the data."""
    head = struct.pack("<HHIIHH", 1, channels, rate, 0, channels * 2, 16)
    told = len(data) if size is None else size
    body = b"WAVEfmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", told) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_streamed_wav_without_a_size_is_read_to_its_end() -> None:
    content = wav(RATE, 1, bytes(3_200), size=0xFFFF_FFFF)
    assert parse_audio(content, LIMITS).metadata["duration"] == 0.1


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (b"", EmptyInput, "empty"),
        (wav(RATE, 1, b""), EmptyInput, "no samples"),
        (b"just text, long enough", UnsupportedFormat, "not a format"),
        (wav(RATE, 1, bytes(100), size=200), MalformedInput, "its end is missing"),
        (wav(1, 1, bytes(100)), MalformedInput, "1 samples a second"),
        (wav(2**32 - 1, 1, bytes(100)), MalformedInput, "not a valid WAV"),
        (wav(RATE, 1_000, bytes(4_000)), MalformedInput, "1,000 channels"),
        (b"RIFF\0\0\0\0WAVE", MalformedInput, "its end is missing"),
    ],
    ids=["nothing", "no samples", "text", "cut", "slow", "fast", "channels", "header"],
)
def test_refused(content: bytes, error: type[Rejected], reason: str) -> None:
    with pytest.raises(error, match=reason):
        parse_audio(content, LIMITS)


def test_numbers_that_are_none_are_refused() -> None:
    sound = np.full(1_000, np.nan, np.float32)
    with pytest.raises(MalformedInput, match="no number"):
        parse_audio(file_of(sound, "WAV", "FLOAT", RATE), LIMITS)


@pytest.mark.parametrize("name", FORMATS)
def test_length_limit(name: str) -> None:
    kind, codec, _ = FORMATS[name]
    content = file_of(noise(3), kind, codec)
    assert parse_audio(content, LimitSettings(audio_seconds=3.2)).payloads
    with pytest.raises(LimitExceeded, match=r"limit of 2|length in seconds") as caught:
        parse_audio(content, LimitSettings(audio_seconds=2))
    assert "limits.audio_seconds" in caught.value.hint


def converted(folder: Path, *options: str, ending: str) -> bytes:
    """What ffmpeg makes of two seconds of noise."""
    source, target = folder / "source.wav", folder / f"target{ending}"
    source.write_bytes(file_of(sixteen_bits(noise(2, channels=2)), "WAV", "PCM_16"))
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(source), *options, str(target)]
    subprocess.run(command, check=True)
    return target.read_bytes()


needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


@needs_ffmpeg
def test_m4a(tmp_path: Path) -> None:
    for flags in ([], ["-movflags", "+faststart"]):  # the index at the end, and at the beginning
        content = converted(
            tmp_path, "-c:a", "aac", *flags, "-metadata", "title=Stones", ending=".m4a"
        )
        document = parse_audio(content, LIMITS)
        assert document.media_type == "audio/mp4"
        assert document.title == "Stones"
        assert document.metadata["codec"] == "AAC"
        assert document.metadata["duration"] == pytest.approx(2, abs=0.1)
        with pytest.raises(MalformedInput, match="its end is missing"):
            parse_audio(content[: len(content) // 2], LIMITS)
        with pytest.raises(LimitExceeded, match="length in seconds"):
            parse_audio(content, LimitSettings(audio_seconds=0.5))


@needs_ffmpeg
def test_lossless_m4a_is_an_exact_duplicate_of_wav(tmp_path: Path) -> None:
    document = parse_audio(converted(tmp_path, "-c:a", "alac", ending=".m4a"), LIMITS)
    source = parse_audio((tmp_path / "source.wav").read_bytes(), LIMITS)
    assert document.metadata["codec"] == "ALAC"
    assert payload_signature(document) == payload_signature(source)


@needs_ffmpeg
def test_m4a_that_is_none(tmp_path: Path) -> None:
    content = bytearray(converted(tmp_path, "-c:a", "aac", ending=".m4a"))
    place = content.index(b"stsd")
    content[place : place + 60] = bytes(60)
    with pytest.raises(MalformedInput, match="M4A") as caught:
        parse_audio(bytes(content), LIMITS)
    assert "/" not in caught.value.message  # no path of this machine


def test_m4a_without_ffmpeg_says_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    content = struct.pack(">I4s4sI", 16, b"ftyp", b"M4A ", 0) + struct.pack(">I4s", 8, b"moov")
    with pytest.raises(UnsupportedFormat, match="ffmpeg") as caught:
        parse_audio(content, LIMITS)
    assert "Install ffmpeg" in caught.value.hint


def test_pictures_of_waveforms() -> None:
    tone = np.sin(np.arange(RATE) * 0.2) * 0.5
    content = file_of(np.concatenate((np.zeros(RATE), tone)), "WAV", "PCM_16", RATE)
    picture = Image.open(io.BytesIO(waveform_picture(content, LIMITS, width=200, height=101)))
    assert picture.size == (200, 101)
    drawn = np.asarray(picture.convert("RGBA"))[:, :, 3] > 0
    assert (drawn[:, :95].sum(axis=0) == 1).all()  # silence is a line
    assert drawn[50, :95].all()
    assert np.abs(drawn[:, 110:190].sum(axis=0) - 51).max() <= 2  # half of full scale
    few = waveform_picture(file_of(tone[:7], "WAV", "PCM_16", RATE), LIMITS, width=50, height=20)
    assert Image.open(io.BytesIO(few)).size == (50, 20)
    with pytest.raises(InvalidArgument, match="width"):
        waveform_picture(content, LIMITS, width=100_000)
    with pytest.raises(MalformedInput):
        waveform_picture(content[:-10], LIMITS)


def test_mp3_files_named_wav(data: Path) -> None:
    for path in sorted((data / "flickr8k_1000" / "tts_audio_mp3_named_wav").iterdir())[:20]:
        document = parse_audio(path.read_bytes(), LIMITS)
        assert document.media_type == "audio/mpeg"
        assert 2 < document.metadata["duration"] < 9
