"""Recordings: windows for the encoder, what the file says of itself, quality, and signatures."""

from __future__ import annotations

from collections.abc import Iterator

from ragstone.config import LimitSettings
from ragstone.ingestion.dedup.fingerprint import ALGORITHM, fingerprint
from ragstone.ingestion.parsers.base import collapse, without_empty
from ragstone.ingestion.parsers.decoding_audio import RATE, Samples, decode
from ragstone.schemas.records import Document, Modality, Payload, Signature

WINDOW, STEP = 10 * RATE, 8 * RATE  # samples: two windows share 2 s
PAYLOAD_ALGORITHM = "blake3-pcm-1"
_TYPES = {
    "WAV": "audio/wav",
    "AIFF": "audio/aiff",
    "FLAC": "audio/flac",
    "Ogg": "audio/ogg",
    "MP3": "audio/mpeg",
    "M4A": "audio/mp4",
    "AAC": "audio/aac",
}
_TAGS = {"artist": "author", "date": "created", "license": "licence", "tracknumber": "track"}


def parse_audio(content: bytes, limits: LimitSettings) -> Document:
    """Return a recording, whatever its name says; the bytes tell what it is.

    The metadata has `duration` in seconds, `sample_rate` in Hz, `channels`, `format`, `codec`, the
    tags of the file, and `quality`: `loudness` (root mean square) and `peak` in dB of full scale,
    -120 at least; the shares `clipping` of samples at full scale and `silence` of 20 ms frames
    below -60 dB. Channels are mixed to one for payloads and fingerprint.

    Raises
    ------
    UnsupportedFormat
        It is no such format, or M4A or AAC without the program ffmpeg.
    LimitExceeded
        It is longer than `limits.audio_seconds`.
    MalformedInput
        It is damaged or cut off.
    EmptyInput
        It has no samples.
    """
    recording = decode(content, limits)
    tags = {_TAGS.get(name, name): collapse(value) for name, value in recording.tags.items()}
    metadata = {
        **tags,
        "duration": round(recording.frames / recording.rate, 3),
        "sample_rate": recording.rate,
        "channels": recording.channels,
        "format": recording.container,
        "codec": recording.codec,
        "quality": recording.quality,
    }
    return Document(
        text="",
        blocks=(),
        media_type=_TYPES[recording.container],
        title=tags.get("title", ""),
        metadata=without_empty(metadata),
        modality=Modality.AUDIO,
        payloads=tuple(windows(recording.samples)),
        signatures=(
            Signature("payload", PAYLOAD_ALGORITHM, recording.digest),
            Signature("audio", ALGORITHM, fingerprint(recording.samples)),
        ),
    )


def windows(samples: Samples) -> Iterator[Payload]:
    """Yield windows of 10 s that begin every 8 s.

    The last one ends with the recording and is longer than the 2 s it shares with the one before,
    if there is one. They are views of `samples`, int16 (n,) at 16 kHz.
    """
    start = 0
    while True:
        window = samples[start : start + WINDOW]
        time = (start * 1_000 // RATE, (start + len(window)) * 1_000 // RATE)
        yield Payload(Modality.AUDIO, window, time)
        if start + WINDOW >= len(samples):
            return
        start += STEP
