"""Doctor, second part: what parts, indexes and catalog hold of each version, against each other.

Only files that are as promised are looked into; of one that is not, nothing more is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyroaring import BitMap64

from ragstone.errors import DamagedFile
from ragstone.storage import manifests, parts, projection
from ragstone.storage.examination import (
    BACKUP,
    PARTS_FIRST,
    REBUILD,
    Dataset,
    Examination,
    Recorded,
)
from ragstone.storage.keywords import read_keys as keyword_keys
from ragstone.storage.manifests import GenerationRef, Manifest, PartRef, SegmentRef
from ragstone.storage.vectors import read_keys as vector_keys

_UNIT = 0.01  # how far a float16 unit vector may be from length 1
_BLOCK = 16_384  # vectors looked at together
_UNSOUND = "The files are as they were written: please report this; then make the dataset anew."
_FROM = {
    "items": ("item_key", "items"),
    "sources": ("source_key", "sources"),
    "items of the sources": ("DISTINCT item_key", "sources"),
    "chunks": ("chunk_key", "chunks JOIN items USING (dataset_id, item_key)"),
}


@dataclass(frozen=True, slots=True)
class _Rows:
    """The keys in a part, and which chunks go with the items that some version removed."""

    items: BitMap64
    sources: BitMap64
    chunks: BitMap64
    removed_items: NDArray[np.int64]  # shape (n,)
    removed_chunks: NDArray[np.int64]  # shape (n,)
    spaces: dict[str, BitMap64]  # chunks with a vector, by embedding space

    def dead(self, removed: BitMap64) -> BitMap64:
        """Return the chunks of the items `removed`."""
        if not self.items & removed:
            return BitMap64()
        gone = np.isin(self.removed_items, np.fromiter(removed, np.int64, len(removed)))
        return BitMap64(self.removed_chunks[gone])


@dataclass(frozen=True, slots=True)
class _Live:
    """The keys that live in a version, by its parts and removals alone."""

    items: BitMap64
    hidden: BitMap64  # items that are kept from sight as duplicates
    sources: BitMap64
    chunks: BitMap64


@dataclass(slots=True)
class Contents:
    """Examines the versions one after the other; reads each part and index once."""

    exam: Examination
    # Items that live in some version, by the id of their part, with a folder that holds its rows.
    live_items: dict[str, tuple[str, BitMap64]] = field(default_factory=dict)
    _parts: dict[str, _Rows | None] = field(default_factory=dict)
    _segments: dict[str, BitMap64 | None] = field(default_factory=dict)
    _generations: dict[str, BitMap64 | None] = field(default_factory=dict)

    def examine(self, dataset: Dataset) -> None:
        """Check all versions of a dataset."""
        for manifest in self.exam.versions(dataset):
            where = f"{manifest.dataset}@{manifest.version}"
            newest = manifest.version == dataset.numbers[-1]
            recorded = self._recorded(manifest, where)
            live = self._live(manifest, where)
            if live is None:
                continue
            self._check_segments(manifest, live, where)
            self._check_keywords(manifest, live, where, newest=newest)
            if recorded and self._check_rows(manifest, live, where) and newest:
                self._check_content(manifest, where)

    # ------------------------------------------------------------ parts

    def _live(self, manifest: Manifest, where: str) -> _Live | None:
        """Return what lives in a version; None when a part is damaged."""
        every = [self._rows(part) for part in manifest.parts]
        rows = [row for row in every if row]
        if len(rows) < len(every):
            return None
        removed = manifests.unpack_bitmap(manifest.removed_items)
        items = _union(row.items for row in rows)
        live = _Live(
            items - removed,
            items & manifests.unpack_bitmap(manifest.hidden),
            _union(row.sources for row in rows) - manifests.unpack_bitmap(manifest.removed_sources),
            _union(row.chunks for row in rows) - _union(row.dead(removed) for row in rows),
        )
        for part, row in zip(manifest.parts, rows, strict=True):
            _, known = self.live_items.get(part.id, ("", BitMap64()))
            self.live_items[part.id] = part.path, known | (row.items & live.items)
        if (manifest.items, manifest.chunks) != (len(live.items), len(live.chunks)):
            self.exam.find("parts", where, "its parts hold other items than it says", _UNSOUND)
        return live

    def _rows(self, part: PartRef) -> _Rows | None:
        if part.path not in self._parts:
            self._parts[part.path] = self._read(part)
        return self._parts[part.path]

    def _read(self, part: PartRef) -> _Rows | None:
        self.exam.checks["parts"] += 1
        if not self.exam.broken.isdisjoint(f"{part.path}/{name}" for name in part.files):
            return None
        folder = self.exam.root / part.path
        try:
            items = _column(parts.read_table(folder, "items", ["item_key"]), "item_key")
            sources = _column(parts.read_table(folder, "sources", ["source_key"]), "source_key")
            chunks = parts.read_table(folder, "chunks", ["chunk_key", "item_key"])
            spaces = {space: self._embedded(part, space) for space in parts.spaces_of(part)}
        except DamagedFile as error:
            self.exam.find("parts", part.path, error.message, BACKUP)
            return None
        keys, owners = _column(chunks, "chunk_key"), _column(chunks, "item_key")
        if _union(spaces.values()) != BitMap64(keys):
            self.exam.find("vectors", part.path, "a chunk has no vector", _UNSOUND)
        rows = self._sorted_out(items, sources, keys, owners, spaces)
        counts = len(rows.items), len(rows.chunks), len(rows.sources)
        if counts != (part.items, part.chunks, len(sources)) or len(items) != part.items:
            self.exam.find("parts", part.path, "it holds other rows than promised", _UNSOUND)
        return rows

    def _embedded(self, part: PartRef, space: str) -> BitMap64:
        """Return the chunks that a part has a vector of in `space`; the vectors are checked."""
        folder = self.exam.root / part.path
        table = parts.read_table(folder, "chunks", ["chunk_key", "modality", "tokens"])
        keys = _column(table, "chunk_key")[parts.embedded_in(table, space)]
        vectors = parts.read_vectors(folder, space)
        self.exam.checks["vectors"] += len(vectors)
        if len(vectors) != len(keys) or not _all_unit(vectors):
            problem = "a vector is missing, zero or not of unit length"
            self.exam.find("vectors", part.path, problem, _UNSOUND)
        return BitMap64(keys)

    def _sorted_out(
        self,
        items: NDArray[np.int64],
        sources: NDArray[np.int64],
        chunks: NDArray[np.int64],
        owners: NDArray[np.int64],
        spaces: dict[str, BitMap64],
    ) -> _Rows:
        removed = BitMap64(items) & self.exam.removed
        gone = np.isin(owners, np.fromiter(removed, np.int64, len(removed)))
        dead = owners[gone], chunks[gone]
        return _Rows(BitMap64(items), BitMap64(sources), BitMap64(chunks), *dead, spaces)

    # ------------------------------------------------------------ indexes

    def _check_segments(self, manifest: Manifest, live: _Live, where: str) -> None:
        keys = {segment.path: self._segment_keys(segment) for segment in manifest.segments}
        rows = [row for part in manifest.parts if (row := self._parts[part.path])]
        spaces = {space for row in rows for space in row.spaces}
        for space in sorted(spaces | {segment.space for segment in manifest.segments}):
            held = [keys[s.path] for s in manifest.segments if s.space == space]
            known = [some for some in held if some is not None]
            if len(known) < len(held):
                continue
            every = _union(known)
            chunks = _union(row.spaces.get(space, BitMap64()) for row in rows)
            if len(every) != sum(map(len, known)):
                self.exam.find("vectors", where, "a chunk is in two vector segments", _UNSOUND)
            if not live.chunks & chunks <= every <= chunks:
                problem = "its vector segments hold other chunks than its parts"
                self.exam.find("vectors", where, problem, _UNSOUND)

    def _segment_keys(self, segment: SegmentRef) -> BitMap64 | None:
        if segment.path not in self._segments:
            bad = segment.path in self.exam.bad_indexes
            self._segments[segment.path] = None if bad else self._read_segment(segment)
        return self._segments[segment.path]

    def _read_segment(self, segment: SegmentRef) -> BitMap64 | None:
        try:
            held = vector_keys(self.exam.root / segment.path)
        except DamagedFile as error:
            self.exam.find("vectors", segment.path, error.message, BACKUP)
            return None
        self.exam.checks["segments"] += 1
        keys = BitMap64(held)
        promised = manifests.unpack_bitmap(segment.keys) if segment.keys else keys
        if keys != promised or not len(held) == len(keys) == segment.vectors:
            problem = "it holds other chunks than promised, or one twice"
            self.exam.find("vectors", segment.path, problem, _UNSOUND)
        return keys

    def _check_keywords(self, manifest: Manifest, live: _Live, where: str, *, newest: bool) -> None:
        generation = manifest.keywords
        held = self._generation_keys(generation) if generation else BitMap64()
        if held is None or held == live.chunks:
            return
        problem = "its keyword index holds other chunks than its parts"
        self.exam.find("keywords", where, problem, REBUILD if newest else _UNSOUND)
        if generation:
            self.exam.bad_indexes.add(generation.path)

    def _generation_keys(self, generation: GenerationRef) -> BitMap64 | None:
        if generation.path not in self._generations:
            bad = generation.path in self.exam.bad_indexes
            found = None if bad else self._read_generation(generation)
            self._generations[generation.path] = found
        return self._generations[generation.path]

    def _read_generation(self, generation: GenerationRef) -> BitMap64 | None:
        try:
            held = keyword_keys(self.exam.root / generation.path)
        except DamagedFile as error:
            self.exam.find("keywords", generation.path, error.message, BACKUP)
            return None
        self.exam.checks["keywords"] += len(held)
        keys = BitMap64(held)
        if not len(held) == len(keys) == generation.chunks:
            problem = f"it holds {len(held)} chunks, not {generation.chunks}, or one twice"
            self.exam.find("keywords", generation.path, problem, _UNSOUND)
        return keys

    # ------------------------------------------------------------ catalog

    def _recorded(self, manifest: Manifest, where: str) -> bool:
        """Check what the catalog says of a version as a whole."""
        self.exam.checks["catalog"] += 1
        found = self.exam.seen.recorded.get((manifest.dataset_id, manifest.version))
        if found == Recorded(manifest.digest, manifest.items, manifest.chunks):
            return True
        whole = all(self.exam.tables_whole(part.path) for part in manifest.parts)
        problem = "the catalog does not say what the manifest says"
        remedy = REBUILD if whole and self.exam.complete else PARTS_FIRST
        self.exam.find("catalog", where, problem, remedy)
        return False

    def _check_rows(self, manifest: Manifest, live: _Live, where: str) -> bool:
        """Compare the keys that live in a version by the catalog with those by its parts."""
        expected = {
            "items": live.items,
            "sources": live.sources,
            "items of the sources": live.items | live.hidden,
            "chunks": live.chunks,
        }
        values = [manifest.dataset_id, manifest.version, manifest.version]
        wrong = []
        for name, (keys_of, tables) in _FROM.items():
            sql = (
                f"SELECT {keys_of} FROM {tables} WHERE dataset_id = ? "  # noqa: S608
                "AND added <= ? AND (removed IS NULL OR removed > ?)"
            )
            found = self.exam.store.catalog.table(sql, values).column(0)
            keys = BitMap64(found.to_numpy())
            if len(found) != len(keys) or keys != expected[name]:
                wrong.append(name)
        if wrong:
            problem = f"the catalog holds other rows than the parts: {', '.join(wrong)}"
            self.exam.find("catalog", where, problem, REBUILD)
        return not wrong

    def _check_content(self, manifest: Manifest, where: str) -> None:
        live = self.exam.store.live_sources(manifest)
        if projection.content_digest(live) != manifest.content:
            problem = "the catalog holds other sources or items than the version"
            self.exam.find("catalog", where, problem, REBUILD)


def examine_unknown(exam: Examination) -> None:
    """Find rows of the catalog that are of no dataset or version."""
    known = {dataset.id: dataset for dataset in exam.seen.datasets}
    for dataset_id in sorted(exam.seen.projected - known.keys()):
        problem = "the catalog has rows of a dataset that is not there"
        exam.find("catalog", f"datasets/{dataset_id}", problem, REBUILD)
    for dataset_id, number in sorted(exam.seen.recorded):
        if dataset_id in known and number not in known[dataset_id].numbers:
            path = manifests.version_path(known[dataset_id].folder, number)
            exam.find("catalog", path, "the catalog has a version without a manifest", REBUILD)


def _union(keys: Iterable[BitMap64]) -> BitMap64:
    found = BitMap64()
    for some in keys:
        found |= some
    return found


def _column(table: pa.Table, name: str) -> NDArray[np.int64]:
    values: NDArray[np.int64] = table[name].to_numpy()
    return values


def _all_unit(vectors: NDArray[np.float16]) -> bool:
    """Tell whether all are of length 1; false for one that is not a number."""
    return all(
        bool(np.all(np.abs(np.linalg.norm(block.astype(np.float32), axis=1) - 1) < _UNIT))
        for block in (vectors[at : at + _BLOCK] for at in range(0, len(vectors), _BLOCK))
    )
