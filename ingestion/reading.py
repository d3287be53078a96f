"""What a worker process does with one source object: parse it, sign it, cut it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ragstone.config import LimitSettings
from ragstone.errors import EmptyInput
from ragstone.ingestion.chunking import Chunker
from ragstone.ingestion.dedup.text import sign_text
from ragstone.ingestion.parsers import parse
from ragstone.ingestion.provenance import provenance
from ragstone.ingestion.signals import text_signals
from ragstone.schemas.records import Chunk, Document, Modality, Raw


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """All that shapes the result of reading; sent to the worker with each task."""

    limits: LimitSettings
    tokenizer_file: Path
    max_tokens: int
    context_tokens: int


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
    document = described(parse(raw, content, settings.limits), raw)
    chunker = _chunker(settings.tokenizer_file, settings.max_tokens, settings.context_tokens)
    chunks = _with_media(document, chunker.cut(document) if document.text else [])
    if not chunks:
        raise EmptyInput("The file holds no text")
    return ReadResult(document, chunks)


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


def _with_media(document: Document, texts: list[Chunk]) -> list[Chunk]:
    """Return all chunks: an image has its words in its own, a recording its windows beside them."""
    if document.modality is Modality.IMAGE:
        (payload,) = document.payloads
        first, *rest = texts or [Chunk(0, 0, "", document.title, None, 0)]
        return [replace(first, modality=Modality.IMAGE, payload=payload), *rest]
    windows = [
        Chunk(p.start, p.end, "", document.title, None, 0, p.modality, p) for p in document.payloads
    ]
    return [*texts, *windows]


@lru_cache(maxsize=2)
def _chunker(tokenizer_file: Path, max_tokens: int, context_tokens: int) -> Chunker:
    return Chunker(tokenizer_file, max_tokens, context_tokens)
