"""Queries that were asked before: their vectors are kept instead of being made again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ragstone.encoders.base import EncoderIdentity, MediaEncoder, TextEncoder, Vectors

if TYPE_CHECKING:
    from ragstone.schemas.records import Payload

# 384 dimensions in float32 are 1.5 KiB: 3 MiB in all, 8 MiB at 1,024 dimensions, and the texts.
QUERIES = 2_048


class _EncodesQueries(Protocol):
    @property
    def identity(self) -> EncoderIdentity: ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors: ...


class QueryMemory:
    """The vectors of the queries asked last, by encoder and text; safe to share between threads.

    Only a query that is encoded alone is kept. In a batch its last bits can depend on the texts
    beside it, and a search must give the same with the memory as without.

    Parameters
    ----------
    entries
        How many vectors are kept; those not asked for the longest go first.
    """

    def __init__(self, entries: int = QUERIES) -> None:
        self._entries = entries
        self._vectors: OrderedDict[tuple[EncoderIdentity, str], Vectors] = OrderedDict()
        self._changing = threading.Lock()

    def __len__(self) -> int:
        return len(self._vectors)

    def encode(self, encoder: _EncodesQueries, texts: Sequence[str]) -> Vectors:
        """Return what `encoder.encode_queries(texts)` gives, float32 of shape (texts, dimension).

        Two threads that ask for the same new query at once both encode it: waiting for each other
        would take no less time.
        """
        if len(texts) != 1:
            return encoder.encode_queries(texts)
        key = encoder.identity, texts[0]
        with self._changing:
            known = self._vectors.get(key)
            if known is not None:
                self._vectors.move_to_end(key)
                return known.copy()  # the caller may write to it
        found = encoder.encode_queries(texts)
        with self._changing:
            self._vectors[key] = found.copy()
            self._vectors.move_to_end(key)
            while len(self._vectors) > self._entries:
                self._vectors.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True)
class RememberingText:
    """A text encoder that asks `memory` first; equal ones stand for each other."""

    encoder: TextEncoder
    memory: QueryMemory

    @property
    def identity(self) -> EncoderIdentity:
        """Of the encoder itself."""
        return self.encoder.identity

    @property
    def tokenizer_file(self) -> Path:
        """Of the encoder itself."""
        return self.encoder.tokenizer_file

    def encode_documents(
        self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        """As the encoder itself: documents are not kept."""
        return self.encoder.encode_documents(texts, on_batch)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As the encoder itself; a single query only when it is not known."""
        return self.memory.encode(self.encoder, texts)


@dataclass(frozen=True, slots=True)
class RememberingMedia:
    """An encoder of images or recordings that asks `memory` for words first."""

    encoder: MediaEncoder
    memory: QueryMemory

    @property
    def identity(self) -> EncoderIdentity:
        """Of the encoder itself."""
        return self.encoder.identity

    @property
    def reads_text(self) -> bool:
        """Of the encoder itself."""
        return self.encoder.reads_text

    def encode_media(
        self, payloads: Sequence[Payload], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        """As the encoder itself: payloads are not kept."""
        return self.encoder.encode_media(payloads, on_batch)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As the encoder itself; a single query only when it is not known."""
        return self.memory.encode(self.encoder, texts)
