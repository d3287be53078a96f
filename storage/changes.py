"""A change: the parts and removals of the next version, invisible until it is committed.

Parts are written into a staging folder, by any process, and linked into the dataset at the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64
from ulid import ULID

from ragstone.storage import files, manifests, parts
from ragstone.storage.keyword_segments import KeywordDocument
from ragstone.storage.keywords import write_generation
from ragstone.storage.manifests import (
    GenerationRef,
    Manifest,
    MediaSpace,
    PairsRef,
    PartRef,
    SegmentRef,
    unpack_bitmap,
)
from ragstone.storage.merging import LARGEST_VECTORS, SMALLEST, merged, segment_keys
from ragstone.storage.parts import PartRows
from ragstone.storage.segments import Segments
from ragstone.storage.vectors import SUFFIX, part_as_segment, write_segment

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
    "modality",
    "from_ms",
    "to_ms",
]


@dataclass(slots=True)
class Change:
    """Collects what the version after `head` adds and removes."""

    root: Path  # of the workspace
    name: str  # of the dataset
    head: Manifest | None  # what it is built on
    space: str
    staging: Path  # where parts are written
    encoder: str = ""  # the setting encoder.name that opens the encoder of `space`, when known
    dataset_id: str = ""
    next_item: int = 0
    next_source: int = 0
    next_chunk: int = 0
    added: int = 0  # items
    parts: list[PartRef] = field(default_factory=list)
    removed_items: BitMap64 = field(default_factory=BitMap64)
    removed_sources: BitMap64 = field(default_factory=BitMap64)
    media: dict[str, MediaSpace] = field(default_factory=dict)  # by modality
    pairs: list[PairsRef] = field(default_factory=list)  # of duplicates that were found
    policy: dict[str, Any] = field(default_factory=dict)
    hidden: BitMap64 = field(default_factory=BitMap64)  # items of the next version, old and new
    cursors: dict[str, int | float | str] = field(default_factory=dict)  # that have moved on
    manifest: Manifest | None = None  # of the next version, from when it may be published
    _written: list[str] = field(default_factory=list)  # index files, by path in the workspace
    _staged: dict[int, PartRef] = field(default_factory=dict)  # what was placed, by its number

    def __post_init__(self) -> None:
        self.dataset_id = self.head.dataset_id if self.head else str(ULID())
        self.media = dict(self.head.media) if self.head else {}
        self.continue_keys()
        self.keep_duplicates()

    def continue_keys(self) -> None:
        """Let new rows take the keys after those of `head`."""
        if self.head:
            self.next_item = self.head.next_item
            self.next_source = self.head.next_source
            self.next_chunk = self.head.next_chunk

    def keep_duplicates(self) -> None:
        """Hide what `head` hides, by its policy."""
        self.policy = dict(self.head.policy) if self.head else {}
        self.hidden = self.hidden_before - self.removed_items
        self.pairs = []

    @property
    def hidden_before(self) -> BitMap64:
        """Items that `head` hides."""
        return unpack_bitmap(self.head.hidden) if self.head else BitMap64()

    @property
    def leaving(self) -> BitMap64:
        """Items of `head` that are no longer to be seen."""
        return self.removed_items | (self.hidden - self.hidden_before)

    @property
    def returning(self) -> BitMap64:
        """Items that `head` hides, and the next version does not."""
        return self.hidden_before - self.hidden - self.removed_items

    @property
    def tombstones(self) -> BitMap64:
        """All items in the parts that the next version does not show."""
        before = unpack_bitmap(self.head.removed_items) if self.head else BitMap64()
        return (before - self.returning) | self.removed_items | self.hidden

    @property
    def folder(self) -> Path:
        """The dataset's folder."""
        return self.root / "datasets" / self.dataset_id

    @property
    def empty(self) -> bool:
        """True when the next version would be like the head."""
        changed = self.hidden != self.hidden_before - self.removed_items
        policy = self.head.policy if self.head else {}
        nothing = not (self.parts or self.removed_items or self.removed_sources)
        return nothing and not changed and self.policy == policy

    @property
    def published(self) -> bool:
        """True when the next version stands, whatever failed after that."""
        return self.manifest is not None and manifests.stands(self.folder, self.manifest)

    def add_part(
        self,
        rows: PartRows,
        vectors: NDArray[np.float32],
        media: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> None:
        """Write `rows` and the vectors of their chunks as a part of the next version.

        Parameters
        ----------
        vectors
            Of the chunks with words, in their order; shape (chunks, dimension).
        media
            The same of images and windows of recordings, by embedding space.
        """
        every = {self.space: vectors, **(media or {})}
        halves = {space: found.astype(np.float16) for space, found in every.items()}
        self.parts.append(parts.write_part(self.root, self.staging, rows, halves))
        self.added += len(rows.items)

    def place(self) -> None:
        """Link the staged parts into the dataset, which has a folder from now on.

        Whoever is cut off before the next version stands finds them in the staging folder again.
        """
        files.make_folder(self.folder / "versions")
        for number, part in enumerate(self.parts):
            if (self.root / part.path).is_relative_to(self.staging):
                self.parts[number] = parts.link_part(self.root, part, self.folder / "parts")
                self._staged[number] = part

    def write_indexes(
        self,
        opened: Segments,
        live: BitMap64 | None,
        removed_chunks: BitMap64,
        returning: BitMap64,
        made: GenerationRef | None = None,
    ) -> tuple[list[SegmentRef], GenerationRef | None]:
        """Write the vector segments and the keyword generation that the next version needs.

        Nothing is written where nothing changed: the head's indexes are named again.

        Parameters
        ----------
        live
            Chunks of the head that stay; None stands for all.
        returning
            Chunks of earlier versions that are to be seen again.
        made
            A keyword generation that was written already.
        """
        segments = list(self.head.segments) if self.head else []
        if made:
            self._written.append(made.path)
        generation = made or (self.head.keywords if self.head else None)
        gone, fresh = list(removed_chunks), self._fresh_chunks()
        for space in sorted({s for part in self.parts for s in parts.spaces_of(part)}):
            segments += self._new_segment(space, fresh)
        for space in dict.fromkeys(segment.space for segment in segments if returning):
            segments += self._segment_again(space, returning, segments)
        live = live if live is None else live | fresh | returning
        segments, written = merged(self.root, self.folder, opened, segments, live)
        self._written += [segment.path for segment in written]
        self._drop_unnamed(segments)
        if made is None and (fresh or gone or returning):
            documents = self._keyword_documents(fresh, returning)
            generation = write_generation(self.root, self.folder, generation, documents, gone)
            self._written.append(generation.path)
        return segments, generation

    def _fresh_chunks(self) -> BitMap64:
        """Return the chunks in the new parts whose items are to be seen."""
        fresh = BitMap64()
        hidden = np.fromiter(self.hidden, np.int64, len(self.hidden))
        for part in self.parts:
            table = parts.read_table(self.root / part.path, "chunks", ["chunk_key", "item_key"])
            seen = ~np.isin(table["item_key"].to_numpy(), hidden)
            fresh.update(table["chunk_key"].to_numpy()[seen])
        return fresh

    def _new_segment(self, space: str, fresh: BitMap64) -> list[SegmentRef]:
        """Return the segment of the new vectors; a few, after the first, are not written twice."""
        holders = [part for part in self.parts if space in parts.spaces_of(part)]
        keys, vectors = embedded(self.root, holders, space)
        seen = np.isin(keys, np.fromiter(fresh, np.int64, len(fresh)))
        if not seen.any():
            return []
        few = self.head is not None and len(holders) == 1 and len(keys) < SMALLEST
        if few and seen.all() and bool((np.diff(keys) > 0).all()):
            return [part_as_segment(holders[0], space, keys)]
        return self._written_segments(space, keys[seen], vectors[seen])

    def _segment_again(
        self, space: str, returning: BitMap64, segments: Iterable[SegmentRef]
    ) -> list[SegmentRef]:
        """Return a segment of the vectors that come back, as far as no segment holds them still."""
        held = BitMap64()
        for segment in segments:
            if segment.space == space:
                held |= segment_keys(self.root, segment)
        lost = returning - held
        of = self.head.parts if self.head and lost else []
        keys, vectors = embedded(self.root, of, space)
        again = np.isin(keys, np.fromiter(lost, np.int64, len(lost)))
        return self._written_segments(space, keys[again], vectors[again])

    def _written_segments(
        self, space: str, keys: NDArray[np.int64], vectors: NDArray[np.float16]
    ) -> list[SegmentRef]:
        """Write the vectors as one segment, or as some when they are more than a merge makes."""
        made = []
        for start in range(0, len(keys), LARGEST_VECTORS):
            rows = slice(start, start + LARGEST_VECTORS)
            made.append(write_segment(self.root, self.folder, space, keys[rows], vectors[rows]))
            self._written.append(made[-1].path)
        return made

    def _drop_unnamed(self, segments: Iterable[SegmentRef]) -> None:
        """Delete segments that were written, and then merged into others."""
        named = {segment.path for segment in segments}
        for path in [path for path in self._written if path.endswith(SUFFIX)]:
            if path not in named:
                files.remove(self.root / path)
                self._written.remove(path)

    def abandon(self) -> None:
        """Delete the indexes and the links to the parts, unless the version stands."""
        if self.published:
            return
        for path in (*self._written, *(pairs.path for pairs in self.pairs)):
            files.remove(self.root / path)
        self._written.clear()
        self.pairs.clear()
        for number, part in self._staged.items():
            files.remove(self.root / self.parts[number].path)
            self.parts[number] = part
        self._staged.clear()
        if self.head is None and self.folder.exists() and not manifests.numbers(self.folder):
            files.remove(self.folder)

    def _keyword_documents(self, fresh: BitMap64, returning: BitMap64) -> Iterator[KeywordDocument]:
        old = self.head.parts if self.head and returning else []
        for of, wanted in ((old, returning), (self.parts, fresh)):
            yield from (d for d in keyword_documents(self.root, of) if d.key in wanted)


def embedded(
    root: Path, of: Iterable[PartRef], space: str
) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Return the vectors of the parts `of` in `space`, and the keys of their chunks."""
    found = [
        parts.read_embedded(root / part.path, space)
        for part in of
        if space in parts.spaces_of(part)
    ]
    found = [(keys, vectors) for keys, vectors in found if len(keys)]
    if not found:
        return np.empty(0, np.int64), np.empty((0, 0), np.float16)
    keys, vectors = zip(*found, strict=True)
    return np.concatenate(keys).astype(np.int64), np.concatenate(vectors)


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
            yield KeywordDocument(key, items[row["item_key"]] | row)


def _rows(folder: Path, table: str, columns: list[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parts.read_table(folder, table, columns).to_pylist()
    return rows
