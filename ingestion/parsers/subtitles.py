"""Subtitles (WebVTT, SubRip): what is said, and when."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ragstone.config import LimitSettings
from ragstone.ingestion.parsers.base import TextWriter
from ragstone.ingestion.parsers.decode import decode, encoding_metadata
from ragstone.schemas.records import Document, Time

MEDIA_TYPE = "text/vtt"
_CLOCK = r"(?:(\d{1,5}):)?(\d\d):(\d\d)[.,](\d{3})"
_TIMES = re.compile(rf"{_CLOCK}\s+-->(?:\s+{_CLOCK})?")
# No tag runs beyond the beginning of the next, so that each character is looked at once.
_VOICE = re.compile(r"<v(?:\.[^ <>]*)? +([^<>]+)>")
_TAG = re.compile(r"</?[A-Za-z0-9:.][^<>\n]*>|\{\\[^{}\n]*\}")


def parse_subtitles(content: bytes, limits: LimitSettings) -> Document:
    """Read the cues in order; a voice tag becomes the speaker's name before the words."""
    text, encoding = decode(content)
    writer = TextWriter(MEDIA_TYPE, limits)
    for cue in re.split(r"\r?\n[^\S\n]*\r?\n", text):
        lines = cue.strip().splitlines()
        found = ((i, _TIMES.match(line.strip())) for i, line in enumerate(lines))
        at, times = next(((i, match) for i, match in found if match), (0, None))
        if times is not None:
            spoken = _VOICE.sub(r"\1: ", "\n".join(lines[at + 1 :]))
            writer.add(_TAG.sub("", spoken), time=_time(times))
    return writer.document(metadata=encoding_metadata(encoding))


def _time(times: re.Match[str]) -> Time:
    """Return first and last millisecond of a cue; one without an end, or before it, has none."""
    begin = _milliseconds(times.groups()[:4])
    end = _milliseconds(times.groups()[4:]) if times[8] else begin
    return begin, max(begin, end)


def _milliseconds(clock: Sequence[str | None]) -> int:
    hours, minutes, seconds, rest = (int(part or 0) for part in clock)
    return ((hours * 60 + minutes) * 60 + seconds) * 1_000 + rest
