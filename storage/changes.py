"""A change: the parts and removals of the next version, invisible until it is committed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64
from ulid import ULID

from ragstone.storage import files, manifests, parts
from ragstone.storage.keywords import KeywordDocument, write_generation
from ragstone.storage.manifests import GenerationRef, Manifest, PartRef, SegmentRef
from ragstone.storage.parts import PartRows
from ragstone.storage.vectors import write_segment
from ragstone.text import embed_text

_ITEM_FIELDS = ["item_key", "item_id", "title", "metadata"]
_CHUNK_FIELDS = [
    "chunk_key",
    "chunk_id",
    "item_key",
    "start",
    "end",
    "page",
    "heading",
    "text",
]


@dataclass(slots=True)
class Change:
    """Collects what the version after `head` adds and removes."""

    root: Path  # of the workspace
    name: str  # of the dataset
    head: Manifest | None
    space: str
    dataset_id: str = ""
    next_item: int = 0
    next_source: int = 0
    next_chunk: int = 0
    added: int = 0  # items
    parts: list[PartRef] = field(default_factory=list)
    removed_items: BitMap64 = field(default_factory=BitMap64)
    removed_sources: BitMap64 = field(default_factory=BitMap64)
    manifest: Manifest | None = None  # of the next version, from when it may be published
    _written: list[str] = field(default_factory=list)  # index files, by path in the workspace

    def __post_init__(self) -> None:
        self.dataset_id = self.head.dataset_id if self.head else str(ULID())
        if self.head:
            self.next_item = self.head.next_item
            self.next_source = self.head.next_source
            self.next_chunk = self.head.next_chunk

    @property
    def folder(self) -> Path:
        """The dataset's folder."""
        return self.root / "datasets" / self.dataset_id

    @property
    def empty(self) -> bool:
        """True when the next version would be like the head."""
        return not (self.parts or self.removed_items or self.removed_sources)

    @property
    def published(self) -> bool:
        """True when the next version stands, whatever failed after that."""
        return self.manifest is not None and manifests.stands(self.folder, self.manifest)

    def add_part(self, rows: PartRows, vectors: NDArray[np.float32]) -> None:
        """Write `rows` and the vectors of their chunks as a part of the next version."""
        files.make_folder(self.folder / "versions")
        self.parts.append(parts.write_part(self.root, self.folder, rows, self.space, vectors))
        self.added += len(rows.items)

    def write_indexes(
        self, removed_chunks: Iterable[int], made: GenerationRef | None = None
    ) -> tuple[list[SegmentRef], GenerationRef | None]:
        """Write the vector segment and the keyword generation that the parts need.

        Nothing is written where nothing changed: the head's indexes are named again. `made` is a
        keyword generation that was written already.
        """
        segments = list(self.head.segments) if self.head else []
        if made:
            self._written.append(made.path)
        generation = made or (self.head.keywords if self.head else None)
        gone = list(removed_chunks)
        keys, vectors = self._vectors()
        if len(keys):
            segment = write_segment(self.root, self.folder, self.space, keys, vectors)
            self._written.append(segment.path)
            segments.append(segment)
        if made is None and (len(keys) or gone):
            generation = write_generation(
                self.root, self.folder, generation, self._keyword_documents(), gone
            )
            self._written.append(generation.path)
        return segments, generation

    def abandon(self) -> None:
        """Delete what was written, unless the version stands; the head stays as it is."""
        if self.published:
            return
        for path in [*(part.path for part in self.parts), *self._written]:
            files.remove(self.root / path)
        if self.head is None and self.folder.exists() and not manifests.numbers(self.folder):
            files.remove(self.folder)

    def _vectors(self) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        folders = [self.root / part.path for part in self.parts if part.chunks]
        if not folders:
            return np.empty(0, np.int64), np.empty((0, 0), np.float16)
        keys = [
            parts.read_table(f, "chunks", ["chunk_key"])["chunk_key"].to_numpy() for f in folders
        ]
        vectors = [parts.read_vectors(folder, self.space) for folder in folders]
        return np.concatenate(keys).astype(np.int64), np.concatenate(vectors)

    def _keyword_documents(self) -> Iterator[KeywordDocument]:
        return keyword_documents(self.root, self.parts)


def keyword_documents(root: Path, of: Iterable[PartRef]) -> Iterator[KeywordDocument]:
    """Yield what is indexed and stored of each chunk of the parts `of`."""
    for part in of:
        folder = root / part.path
        items = {row["item_key"]: row for row in _rows(folder, "items", _ITEM_FIELDS)}
        for row in reversed(_rows(folder, "sources", ["item_key", "source", "name"])):
            if row["item_key"] in items:  # else a further source of an item of another part
                items[row["item_key"]] |= row
        for row in _rows(folder, "chunks", _CHUNK_FIELDS):
            key = row.pop("chunk_key")
            text = embed_text(row["heading"], row["text"])
            yield KeywordDocument(key, text, items[row["item_key"]] | row)


def _rows(folder: Path, table: str, columns: list[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parts.read_table(folder, table, columns).to_pylist()
    return rows
