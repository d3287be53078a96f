"""The note in a file that a model made it: written, read, and read with care."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ragstone.config import LimitSettings
from ragstone.ingestion.parsers import parse
from ragstone.ingestion.reading import with_note
from ragstone.ingestion.sample_notes import note_of, noted
from ragstone.models.waves import wav
from ragstone.schemas.records import Raw

NOTE = {"model": "stones@1", "seed": 7, "conditions": {"label": "grün"}}
LIMITS = LimitSettings()


def picture() -> bytes:
    target = io.BytesIO()
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(target, "PNG")
    return target.getvalue()


def sound(samples: int) -> bytes:
    return wav(np.arange(samples, dtype=np.int16), 8_000)


def test_pixels_and_samples_stay_as_they_are() -> None:
    before, after = picture(), noted(picture(), "image/png", NOTE)
    assert note_of(after) == NOTE
    assert note_of(before) == {}
    assert Image.open(io.BytesIO(after)).tobytes() == Image.open(io.BytesIO(before)).tobytes()
    for samples in (4_000, 4_001):
        made = noted(sound(samples), "audio/wav", NOTE)
        assert note_of(made) == NOTE
        heard, rate = soundfile.read(io.BytesIO(made), dtype="int16")
        assert (len(heard), rate) == (samples, 8_000)
        assert (heard == np.arange(samples)).all()
    assert noted(b"text", "text/plain", NOTE) == b"text"


def test_an_item_is_marked_by_it() -> None:
    content = noted(picture(), "image/png", NOTE)
    document = parse(Raw("a.png", "a.png", content=content), content, LIMITS)
    assert with_note(document, content).metadata["synthetic"] == NOTE
    text = b"no note"
    document = parse(Raw("a.txt", "a.txt", content=text), text, LIMITS)
    assert "synthetic" not in with_note(document, text).metadata


@pytest.mark.parametrize(
    "written",
    [b"no JSON", b"[1]", b'{"model": 7}', b'{"seed": 1}', b"\xff", b"[" * 60_000, b"{}" * 40_000],
)
def test_what_is_no_note_is_none(written: bytes) -> None:
    body = b"iTXtragstone.sample\0\0\0\0\0" + written
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    content = picture()
    assert note_of(content[:33] + chunk + content[33:]) == {}


def test_what_no_text_may_hold_is_taken_out() -> None:
    written = b'{"model": "a\\u0000b\\ud800", "more": ["\\udfff"]}'
    body = b"iTXtragstone.sample\0\0\0\0\0" + written
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    content = picture()
    found = note_of(content[:33] + chunk + content[33:])
    assert found["model"].encode() == "a\ufffdb\ufffd".encode()
    assert found["more"] == ["\ufffd"]


@given(st.binary(max_size=200), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WAVE"]))
def test_no_bytes_stop_the_reading(tail: bytes, head: bytes) -> None:
    assert isinstance(note_of(head + tail), dict)
