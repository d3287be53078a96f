"""Rows of the next part: collected item by item, embedded together, written as one part."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from ragstone.storage.parts import PartRows
from ragstone.text import embed_text

if TYPE_CHECKING:
    from ragstone.encoders.base import TextEncoder
    from ragstone.ingestion.candidates import Candidate
    from ragstone.ingestion.reading import ReadResult
    from ragstone.schemas.records import Chunk
    from ragstone.storage.changes import Change


@dataclass(slots=True)
class PartBuffer:
    """Collects rows for `change`; `flush` embeds their chunks and writes a part."""

    change: Change
    encoder: TextEncoder
    rows: PartRows = field(default_factory=PartRows)
    _texts: list[str] = field(default_factory=list)

    @property
    def chunks(self) -> int:
        """Chunks that wait to be embedded."""
        return len(self._texts)

    @property
    def empty(self) -> bool:
        """True when there is nothing to write."""
        return not self.rows.sources

    def add_item(self, candidate: Candidate, result: ReadResult) -> int:
        """Add an item with its chunks and return its key."""
        document = result.document
        key = self.change.next_item
        self.change.next_item += 1
        metadata = {**candidate.raw.metadata, **document.metadata}
        self.rows.items.append(
            {
                "item_key": key,
                "item_id": candidate.item_id,
                "media_type": document.media_type,
                "modality": document.modality.value,
                "title": document.title,
                "size": candidate.size,
                "metadata": json.dumps(metadata, sort_keys=True, ensure_ascii=False, default=str),
                "work_key": candidate.work_key,
                "chunks": len(result.chunks),
                "text": document.text,
                "content": candidate.raw.content,
            }
        )
        for ordinal, chunk in enumerate(result.chunks):
            self._add_chunk(candidate.item_id, key, ordinal, chunk)
        return key

    def add_source(self, candidate: Candidate, item_key: int) -> None:
        """Add a source object of the item `item_key`."""
        row: dict[str, Any] = {
            "source_key": self.change.next_source,
            "source": candidate.raw.source,
            "name": candidate.raw.name,
            "item_key": item_key,
        }
        self.change.next_source += 1
        self.rows.sources.append(row)

    def flush(self, on_batch: Callable[[int], None]) -> None:
        """Embed and write what has been collected; `on_batch` hears of chunks done."""
        vectors = self.encoder.encode_documents(self._texts, on_batch)
        self.change.add_part(self.rows, vectors)
        self.rows = PartRows()
        self._texts = []

    def _add_chunk(self, item_id: str, item_key: int, ordinal: int, chunk: Chunk) -> None:
        self.rows.chunks.append(
            {
                "chunk_key": self.change.next_chunk,
                "chunk_id": chunk_id(item_id, chunk),
                "item_key": item_key,
                "ordinal": ordinal,
                "start": chunk.start,
                "end": chunk.end,
                "page": chunk.page,
                "heading": chunk.context,
                "tokens": chunk.tokens,
                "text": chunk.text,
            }
        )
        self.change.next_chunk += 1
        self._texts.append(embed_text(chunk.context, chunk.text))


def chunk_id(item_id: str, chunk: Chunk) -> str:
    """Return the id of a chunk, 32 hex digits: a function of its item, place and text."""
    identity = f"{item_id}\0{chunk.start}\0{chunk.end}\0{chunk.context}\0{chunk.text}"
    return blake3(identity.encode()).hexdigest(length=16)
