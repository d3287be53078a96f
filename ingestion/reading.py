"""What a worker process does with one source object: parse it, sign it, cut it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ragstone.config import LimitSettings
from ragstone.errors import EmptyInput
from ragstone.ingestion.chunking import Chunker
from ragstone.ingestion.dedup.text import sign_text
from ragstone.ingestion.parsers import parse
from ragstone.ingestion.parsers.image import PLAIN, ImageOptions
from ragstone.ingestion.provenance import provenance
from ragstone.ingestion.sample_notes import note_of
from ragstone.ingestion.signals import detect_language, text_signals
from ragstone.schemas.records import Block, Chunk, Document, Modality, Raw
from ragstone.schemas.synthetic import MARK


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """All that shapes the result of reading; sent to the worker with each task."""

    limits: LimitSettings
    tokenizer_file: Path
    max_tokens: int
    context_tokens: int
    images: ImageOptions = PLAIN


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A parsed document and its chunks, in order of their place in the text."""

    document: Document
    chunks: list[Chunk]


def read(raw: Raw, content: bytes, settings: ReadSettings) -> ReadResult:
    """Parse and cut one source object.

    Raises
    ------
    Rejected
        It cannot become an item; the error survives the way to another process.
    """
    parsed = with_note(parse(raw, content, settings.limits, settings.images), content)
    document = with_found(described(parsed, raw))
    chunks = chunked(document, settings)
    if not chunks:
        raise EmptyInput("The file holds no text")
    return ReadResult(document, chunks)


def chunked(document: Document, settings: ReadSettings) -> list[Chunk]:
    """Return all chunks of a document.

    An image has its caption in its own chunk; text that was found in it, and the windows and the
    words of a recording, are chunks beside each other.
    """
    chunker = _chunker(settings.tokenizer_file, settings.max_tokens, settings.context_tokens)
    border = document.found.start if document.found else len(document.text)
    beside = tuple(block for block in document.blocks if block.start < border)
    within = document.blocks[len(beside) :]
    captions, texts = (
        _timed(chunker.cut(replace(document, blocks=blocks)), blocks) if blocks else []
        for blocks in (beside, within)
    )
    return _with_media(document, captions, texts)


def described(document: Document, raw: Raw) -> Document:
    """Return `document` with its signatures, and what its text tells of its quality.

    What a person says of an item, in a column or a table beside it, is not overwritten.
    """
    found = {**document.metadata, **provenance(document.metadata)}
    signatures = document.signatures
    if document.modality is Modality.TEXT:
        declared = str(document.metadata.get("language") or "")
        found |= text_signals(document.text, declared)
        signatures = sign_text(document.text)
    own = document.metadata if raw.columns is not None else raw.metadata
    return replace(document, metadata={**found, **own}, signatures=signatures)


def with_note(document: Document, content: bytes) -> Document:
    """Return `document`, marked when the file says that a model made it."""
    note = note_of(content) if document.modality is not Modality.TEXT else {}
    return replace(document, metadata={**document.metadata, MARK: note}) if note else document


def with_found(document: Document) -> Document:
    """Return `document` with a note of the text that was found in it, and that text's language."""
    if document.found is None:
        return document
    note = {"start": document.found.start, "by": document.found.by}
    language, confidence = detect_language(document.text[document.found.start :])
    found = {"found_text": note, "language": language, "language_confidence": confidence}
    return replace(document, metadata={**found, **document.metadata})


def _with_media(document: Document, captions: list[Chunk], texts: list[Chunk]) -> list[Chunk]:
    """Return all chunks: an image has its caption in its own, the rest is beside each other."""
    payloads = [
        Chunk(0, 0, "", document.title, None, 0, p.modality, p, p.time) for p in document.payloads
    ]
    if document.modality is Modality.IMAGE and captions:
        first, *more = captions
        captions = more
        payloads = [replace(first, modality=Modality.IMAGE, payload=payloads[0].payload)]
    if document.modality is Modality.IMAGE:
        return [*payloads, *captions, *texts]
    return [*captions, *texts, *payloads]


def _timed(chunks: list[Chunk], blocks: Sequence[Block]) -> list[Chunk]:
    """Return the chunks with the time in which their blocks are heard, if they are."""
    timed = [block for block in blocks if block.time]
    if not timed:
        return chunks
    ends = [block.end for block in timed]
    starts = [block.start for block in timed]
    found = []
    for chunk in chunks:
        within = timed[bisect_right(ends, chunk.start) : bisect_left(starts, chunk.end)]
        times = [block.time for block in within if block.time]
        time = (min(t for t, _ in times), max(t for _, t in times)) if times else None
        found.append(replace(chunk, time=time))
    return found


@lru_cache(maxsize=2)
def _chunker(tokenizer_file: Path, max_tokens: int, context_tokens: int) -> Chunker:
    return Chunker(tokenizer_file, max_tokens, context_tokens)
