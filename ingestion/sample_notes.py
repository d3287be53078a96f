"""The note in a file that a model made it: written into PNG and WAV files, and read back.

A PNG file has it in a chunk iTXt (PNG specification, third edition, 11.3.3), a WAV file in a RIFF
chunk of its own, which other programs pass over. Both hold JSON; pixels and samples stay as they
are. Whoever writes a file anew may lose the note.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from ragstone.ingestion.parsers.base import clean
from ragstone.schemas.synthetic import MARK, model_of

KEYWORD = "ragstone.sample"  # of the chunk in a PNG file
RIFF_CHUNK = b"made"
_PNG = b"\x89PNG\r\n\x1a\n"
_OPENING = KEYWORD.encode() + b"\0\0\0\0\0"  # not compressed, no language, no other keyword
_LONGEST = 2**16  # bytes of a note; what is longer is none of ours


def noted(content: bytes, media_type: str, note: Mapping[str, Any]) -> bytes:
    """Return a PNG or WAV file with a note in it; other files stay as they are."""
    written = json.dumps(note, ensure_ascii=False, sort_keys=True).encode()
    if media_type == "image/png":
        return _into_png(content, written)
    return _into_wav(content, written) if media_type == "audio/wav" else content


def note_of(content: bytes) -> dict[str, Any]:
    """Return the note in a PNG or WAV file; empty where there is none, or none that is whole."""
    if content.startswith(_PNG):
        found = _from_png(content)
    elif content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        found = next((body for name, body in _riff_chunks(content) if name == RIFF_CHUNK), b"")
    else:
        return {}
    try:
        note = _cleaned(json.loads(found.decode()))
    except (ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) and model_of({MARK: note}) else {}


def _cleaned(value: Any) -> Any:
    """Return JSON without what no text may hold: anybody can have written it."""
    if isinstance(value, dict):
        return {clean(name): _cleaned(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_cleaned(entry) for entry in value]
    return clean(value) if isinstance(value, str) else value


def _into_png(content: bytes, written: bytes) -> bytes:
    body = b"iTXt" + _OPENING + written
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    end = next(end for name, _, end in _png_chunks(content) if name == b"IHDR")
    return content[:end] + chunk + content[end:]


def _from_png(content: bytes) -> bytes:
    for name, body, _ in _png_chunks(content):
        if name == b"IDAT":
            break
        if name == b"iTXt" and body.startswith(_OPENING) and len(body) <= _LONGEST:
            return body.removeprefix(_OPENING)
    return b""


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield name and body of each chunk, and where the next one begins."""
    begin = len(_PNG)
    while begin + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, begin)
        end = begin + 12 + length
        yield name, content[begin + 8 : end - 4], end
        begin = end


def _into_wav(content: bytes, written: bytes) -> bytes:
    chunk = RIFF_CHUNK + struct.pack("<I", len(written)) + written + b"\0" * (len(written) % 2)
    body = content[8:] + b"\0" * (len(content) % 2) + chunk
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _riff_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    begin = 12
    while begin + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, begin)
        if length <= _LONGEST:
            yield name, content[begin + 8 : begin + 8 + length]
        begin += 8 + length + length % 2
