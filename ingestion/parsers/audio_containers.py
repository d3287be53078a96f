"""What the bytes of a recording are, and whether its end is there.

Decoders make the best of a file that was cut off and say nothing. Here its last chunk, page or
frame is looked at, so that half a recording is not taken for a whole one. An MP3 has nothing that
says how long it is: one cut exactly between two frames cannot be told from a shorter one, unless
an encoder's header says how many there are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ragstone.errors import MalformedInput

_UNKNOWN_SIZE = 0x7FFF_F000  # from here on: what programs write that do not know the size yet
_OGG_PAGE = struct.Struct("<4sBBqIIIB")
_OGG_LAST = 4  # flag of the last page of a stream
# MPEG audio (ISO 11172-3, 13818-3): kbit/s by version 1 or 2 and layer, then Hz of version 1.
_BIT_RATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3", b"3DI")  # what may follow the last frame
_HEADER = 4  # bytes of a frame's header


def container(content: bytes) -> str:
    """Return "WAV", "AIFF", "FLAC", "Ogg", "MP3", "M4A" or "AAC"; "" when it is none of these."""
    head = content[:12]
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return "WAV"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "AIFF"
    if head[4:8] == b"ftyp":
        return "M4A"
    for magic, name in ((b"fLaC", "FLAC"), (b"OggS", "Ogg"), (b"ID3", "MP3")):
        if head.startswith(magic):
            return name
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "AAC"
    return "MP3" if _frame_length(head) else ""


def check_whole(content: bytes, name: str) -> None:
    """Raise `MalformedInput` when the end is missing of a file that `container` calls `name`."""
    whole = {"WAV": _wav, "AIFF": _aiff, "Ogg": _ogg, "MP3": _mp3, "M4A": _m4a}.get(name)
    if whole is not None and not whole(content):
        raise MalformedInput(name, "its end is missing")


def _wav(content: bytes) -> bool:
    order = ">" if content.startswith(b"RIFX") else "<"
    for kind, start, size in _chunks(content, order):
        if kind == b"data":
            unknown = content.startswith(b"RF64") or size >= _UNKNOWN_SIZE
            return unknown or start + size <= len(content)
    return False


def _aiff(content: bytes) -> bool:
    found = [(kind, start + size) for kind, start, size in _chunks(content, ">")]
    return b"SSND" in dict(found) and all(end <= len(content) for _, end in found)


def _chunks(content: bytes, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and size of the chunks of a RIFF or FORM file."""
    place = 12
    while place + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}4sI", content, place)
        yield kind, place + 8, size
        place += 8 + size + size % 2


def _ogg(content: bytes) -> bool:
    place = content.rfind(b"OggS")
    if place + _OGG_PAGE.size > len(content):
        return False
    *_, flags, _, _, _, _, segments = _OGG_PAGE.unpack_from(content, place)
    table = content[place + _OGG_PAGE.size :][:segments]
    end = place + _OGG_PAGE.size + segments + sum(table)
    return len(table) == segments and end <= len(content) and bool(flags & _OGG_LAST)


def _m4a(content: bytes) -> bool:
    place, kinds = 0, set()
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        if size == 1 and place + 16 <= len(content):
            (size,) = struct.unpack_from(">Q", content, place + 8)
        elif size == 0:  # to the end of the file
            size = len(content) - place
        if size < 8:
            return False
        kinds.add(kind)
        place += size
    return place == len(content) and b"moov" in kinds


def _mp3(content: bytes) -> bool:
    place = _after_tag(content)
    while place < len(content):
        header = content[place : place + _HEADER]
        length = _frame_length(header)
        cut_header = len(header) < _HEADER and header[0] == 0xFF
        if cut_header or place + length > len(content):
            return False
        if not length:
            if content.startswith(_TAGS, place):
                return True
            following = content.find(b"\xff", place + 1)
            if following < 0:
                return True
            length = following - place
        place += length
    return True


def _after_tag(content: bytes) -> int:
    """Return where the frames begin: behind an ID3v2 tag, whose size has 7 bits to a byte."""
    if not content.startswith(b"ID3") or len(content) < 10:
        return 0
    size = 0
    for byte in content[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if content[5] & 0x10 else 0)


def _frame_length(header: bytes) -> int:
    """Return the bytes of an MPEG audio frame by its first four; 0 when they begin none."""
    if len(header) < _HEADER or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = (header[1] >> 3) & 3, 4 - ((header[1] >> 1) & 3)  # version 3 is MPEG-1
    bits, rate, padding = header[2] >> 4, (header[2] >> 2) & 3, (header[2] >> 1) & 1
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return 0
    bit_rate = _BIT_RATES[1 if version == 3 else 2, layer][bits - 1] * 1_000
    sample_rate = _RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    if layer == 1:
        return (12 * bit_rate // sample_rate + padding) * 4
    slots = 72 if layer == 3 and version != 3 else 144
    return slots * bit_rate // sample_rate + padding
