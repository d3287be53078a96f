"""Subtitles (WebVTT, SubRip): what is said, without numbers and times."""

from __future__ import annotations

import re

from ragstone.config import LimitSettings
from ragstone.ingestion.parsers.base import TextWriter
from ragstone.ingestion.parsers.decode import decode, encoding_metadata
from ragstone.schemas.records import Document

MEDIA_TYPE = "text/vtt"
_TIMES = re.compile(r"(?:\d+:)?\d\d:\d\d[.,]\d{3}\s+-->")
# No tag runs beyond the beginning of the next, so that each character is looked at once.
_VOICE = re.compile(r"<v(?:\.[^ <>]*)? +([^<>]+)>")
_TAG = re.compile(r"</?[A-Za-z0-9:.][^<>\n]*>|\{\\[^{}\n]*\}")


def parse_subtitles(content: bytes, limits: LimitSettings) -> Document:
    """Read the cues in order; a voice tag becomes the speaker's name before the words."""
    text, encoding = decode(content)
    writer = TextWriter(MEDIA_TYPE, limits)
    for cue in re.split(r"\r?\n[^\S\n]*\r?\n", text):
        lines = cue.strip().splitlines()
        times = next((i for i, line in enumerate(lines) if _TIMES.match(line.strip())), None)
        if times is not None:
            spoken = _VOICE.sub(r"\1: ", "\n".join(lines[times + 1 :]))
            writer.add(_TAG.sub("", spoken))
    return writer.document(metadata=encoding_metadata(encoding))
