"""What a worker process does with one source object: parse it, cut it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ragstone.config import LimitSettings
from ragstone.errors import EmptyInput
from ragstone.ingestion.chunking import Chunker
from ragstone.ingestion.parsers import parse
from ragstone.schemas.records import Chunk, Document, Raw


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
    document = parse(raw, content, settings.limits)
    chunker = _chunker(settings.tokenizer_file, settings.max_tokens, settings.context_tokens)
    chunks = chunker.cut(document)
    if not chunks:
        raise EmptyInput("The file holds no text")
    return ReadResult(document, chunks)


@lru_cache(maxsize=2)
def _chunker(tokenizer_file: Path, max_tokens: int, context_tokens: int) -> Chunker:
    return Chunker(tokenizer_file, max_tokens, context_tokens)
