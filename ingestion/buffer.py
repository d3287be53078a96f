"""Rows of the next part: collected item by item, embedded together, written as one part.

Pixels and samples are embedded as soon as there are a few of them, and let go of.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from blake3 import blake3

from ragstone.schemas.records import Modality
from ragstone.storage.manifests import MediaSpace
from ragstone.storage.parts import PartRows
from ragstone.text import embed_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragstone.encoders.base import MediaEncoder, TextEncoder
    from ragstone.ingestion.candidates import Candidate
    from ragstone.ingestion.reading import ReadResult
    from ragstone.schemas.records import Chunk, Payload
    from ragstone.storage.changes import Change

_PAYLOADS = 64  # embedded together

Opener = Callable[[Modality], "tuple[MediaEncoder, str]"]
"""From a modality to its encoder and the name that opens it again."""


@dataclass(slots=True)
class PartBuffer:
    """Collects rows for `change`; `flush` embeds their chunks and writes a part.

    `on_part` is called when a part is finished: it is the last of the change's.
    """

    change: Change
    encoder: TextEncoder
    media: Opener | None = None
    on_part: Callable[[], None] | None = None
    rows: PartRows = field(default_factory=PartRows)
    _texts: list[str] = field(default_factory=list)
    _payloads: dict[Modality, list[Payload]] = field(default_factory=dict)
    _vectors: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)  # by space

    @property
    def chunks(self) -> int:
        """Chunks that wait to be written."""
        return len(self.rows.chunks)

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
                "content": candidate.raw.content if candidate.raw.columns else None,
            }
        )
        for signature in document.signatures:
            self.rows.signatures.append({"item_key": key, **asdict(signature)})
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
        for modality in self._payloads:
            self._embed(modality)
        media = {space: np.concatenate(found) for space, found in self._vectors.items()}
        self.change.add_part(self.rows, vectors, media)
        if self.on_part is not None:
            self.on_part()
        self.rows, self._texts, self._vectors = PartRows(), [], {}

    def _embed(self, modality: Modality) -> None:
        """Embed the payloads that wait, in the space that the dataset has for them."""
        waiting = self._payloads[modality]
        if not waiting or self.media is None:
            return
        encoder, name = self.media(modality)
        space = encoder.identity.space
        self.change.media.setdefault(modality.value, MediaSpace(space, name))
        self._vectors.setdefault(space, []).append(encoder.encode_media(waiting))
        self._payloads[modality] = []

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
                "modality": chunk.modality.value,
                "from_ms": chunk.time and chunk.time[0],
                "to_ms": chunk.time and chunk.time[1],
            }
        )
        self.change.next_chunk += 1
        if chunk.tokens:
            self._texts.append(embed_text(chunk.context, chunk.text))
        if chunk.payload is not None:
            waiting = self._payloads.setdefault(chunk.modality, [])
            waiting.append(chunk.payload)
            if len(waiting) >= _PAYLOADS:
                self._embed(chunk.modality)


def chunk_id(item_id: str, chunk: Chunk) -> str:
    """Return the id of a chunk, 32 hex digits: a function of its item, place and text."""
    identity = f"{item_id}\0{chunk.start}\0{chunk.end}\0{chunk.context}\0{chunk.text}"
    if chunk.modality is not Modality.TEXT:
        identity += f"\0{chunk.modality}\0{chunk.time}"
    return blake3(identity.encode()).hexdigest(length=16)
