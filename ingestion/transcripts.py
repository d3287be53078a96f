"""What is said in recordings as their text, with times."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ragstone.encoders.speech import joined
from ragstone.ingestion.parsers.base import TextWriter
from ragstone.ingestion.reading import ReadResult, ReadSettings, chunked, with_found
from ragstone.schemas.records import Found, Modality

if TYPE_CHECKING:
    from ragstone.encoders.speech import Transcriber


def transcribed(result: ReadResult, transcriber: Transcriber, settings: ReadSettings) -> ReadResult:
    """Return a recording with what is said in it after its caption; other results as they are.

    The segments are one running text, in which each is a block with its time.

    Raises
    ------
    EncoderUnavailable
        The network cannot be loaded.
    InvalidArgument
        It does not know the language that was asked for.
    LimitExceeded
        The text is longer than allowed.
    """
    document = result.document
    if document.modality is not Modality.AUDIO:
        return result
    segments = transcriber.transcribe(joined(document.payloads))
    if not segments:
        return result
    writer = TextWriter(document.media_type, settings.limits)
    for block in document.blocks:
        writer.add(document.text[block.start : block.end])
    first, *more = segments
    start = writer.add(first.text, time=(first.start, first.end))
    for segment in more:
        writer.add(segment.text, time=(segment.start, segment.end), joint=" ")
    whole = writer.document()
    found = Found(start, transcriber.fingerprint)
    heard = with_found(replace(document, text=whole.text, blocks=whole.blocks, found=found))
    return ReadResult(heard, chunked(heard, settings))
