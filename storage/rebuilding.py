"""Rebuilding: catalog and indexes are made anew from manifests, parts and blobs.

Nothing is deleted. A damaged file that something takes the place of, and a file that nobody names,
are moved to `suspects/<ULID>/<the same path>`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap64
from ulid import ULID

from ragstone.storage import living, manifests, parts, projection
from ragstone.storage.changes import keyword_documents
from ragstone.storage.composing import created_after
from ragstone.storage.examination import Dataset, Examination
from ragstone.storage.files import make_folder, remove, sync_folder
from ragstone.storage.keywords import write_generation
from ragstone.storage.manifests import MANIFEST_FORMAT, Manifest, PartRef, SegmentRef
from ragstone.storage.vectors import Halves, write_segment

if TYPE_CHECKING:
    from ragstone.storage.store import Store

SUSPECTS = "suspects"


@dataclass(slots=True)
class Suspects:
    """Moves files of the workspace `root` aside, durably, into one folder per rebuilding."""

    root: Path
    moved: list[str] = field(default_factory=list)  # where they are now, in the workspace
    _name: str = field(default_factory=lambda: str(ULID()))

    def take(self, path: Path) -> None:
        """Move the file or folder at `path` aside; one that is not there is let be."""
        if not path.exists():
            return
        target = self.root / SUSPECTS / self._name / path.relative_to(self.root)
        make_folder(target.parent)
        path.rename(target)
        sync_folder(target.parent)
        sync_folder(path.parent)
        self.moved.append(target.relative_to(self.root).as_posix())


@dataclass(slots=True)
class Rebuilding:
    """Mends what `exam` found and can be made anew; to be run while nobody uses the files."""

    exam: Examination
    done: list[str] = field(default_factory=list)  # in words
    suspects: Suspects = field(init=False)

    def __post_init__(self) -> None:
        self.suspects = Suspects(self.exam.root)

    @property
    def _store(self) -> Store:
        return self.exam.store

    def run(self) -> None:
        """Mend; a crash at any point leaves what can be mended again."""
        try:
            self._rebuild_catalog()
            self._store.forget_opened()
            self._rebuild_segments()
            self._rebuild_keywords()
            self._move_aside()
        except BaseException:
            self._store.expect_leftovers()
            raise

    # ------------------------------------------------------------ catalog

    def _rebuild_catalog(self) -> None:
        """Make the rows of all datasets anew that can be read to their end.

        Those of others stay: they may know more than what is left of the files.
        """
        catalog, datasets = self._store.catalog, self.exam.seen.datasets
        whole = {dataset.id for dataset in datasets if self._readable(dataset)}
        unknown = self.exam.seen.projected - {dataset.id for dataset in datasets}
        try:
            for dataset_id in sorted(whole | unknown):
                projection.forget(catalog, dataset_id)
            done = projection.catch_up(catalog, self.exam.root, self._store.erasures)
        except BaseException as error:  # opening again catches up
            catalog.distrust(f"making the catalog anew failed: {error}")
            raise
        self.done += [f"catalog: {what}" for what in done]

    def _readable(self, dataset: Dataset) -> bool:
        return dataset.readable == dataset.numbers and all(
            self.exam.tables_whole(part.path)
            for manifest in self.exam.versions(dataset)
            for part in manifest.parts
        )

    # ------------------------------------------------------------ vectors

    def _rebuild_segments(self) -> None:
        tried: set[str] = set()
        for dataset in self.exam.seen.datasets:
            for manifest in self.exam.versions(dataset):
                for segment in manifest.segments:
                    if segment.path in self.exam.bad_indexes and segment.path not in tried:
                        tried.add(segment.path)
                        self._rebuild_segment(segment, manifest)

    def _rebuild_segment(self, segment: SegmentRef, manifest: Manifest) -> None:
        """Make a segment anew from the parts: the same vectors give the same bytes."""
        for keys in self._possible_keys(segment, manifest.parts):
            vectors = self._gather(keys, segment.space, manifest.parts)
            if vectors is None:
                continue
            for cells in (None, False):  # the second as earlier releases wrote it
                if self._made_again(segment, keys, vectors, cells=cells):
                    return

    def _made_again(
        self, segment: SegmentRef, keys: BitMap64, vectors: Halves, *, cells: bool | None
    ) -> bool:
        """Put a segment into the place of the damaged one, if it has the bytes promised."""
        root, path = self.exam.root, self.exam.root / segment.path
        folder = path.parents[2]  # of the dataset, which is another one in a fork
        every = np.fromiter(keys, np.int64, len(keys))
        made = write_segment(root, folder, segment.space, every, vectors, sorted_into_cells=cells)
        if made.file != segment.file:
            remove(root / made.path)
            return False
        self.suspects.take(path)
        (root / made.path).rename(path)
        sync_folder(path.parent)
        self.done.append(f"vectors: {segment.path}")
        return True

    def _possible_keys(self, segment: SegmentRef, of: list[PartRef]) -> Iterator[BitMap64]:
        """Yield what a segment may hold; one of format 1 holds the parts that one version added."""
        if segment.keys:
            yield manifests.unpack_bitmap(segment.keys)
            return
        held = [BitMap64(self._chunk_keys(part)) for part in of if part.chunks]
        for start in range(len(held)):
            keys = BitMap64()
            for more in held[start:]:
                keys = keys | more
                if len(keys) == segment.vectors:
                    yield keys

    def _gather(self, keys: BitMap64, space: str, of: list[PartRef]) -> Halves | None:
        """Return the vectors of the chunks `keys`, shape (n, dimension); None when one is lost."""
        wanted = np.fromiter(keys, np.int64, len(keys))
        filled = np.zeros(len(wanted), dtype=bool)
        vectors: Halves | None = None
        for part in of:
            if space not in parts.spaces_of(part) or not self.exam.part_whole(part.path, space):
                continue
            held, rows = parts.read_embedded(self.exam.root / part.path, space)
            if not len(held):
                continue
            places = np.minimum(np.searchsorted(wanted, held), len(wanted) - 1)
            inside = wanted[places] == held
            if inside.any():
                if vectors is None:
                    vectors = np.empty((len(wanted), rows.shape[1]), np.float16)
                vectors[places[inside]] = rows[inside]
                filled[places[inside]] = True
        return vectors if filled.all() else None

    def _chunk_keys(self, part: PartRef) -> NDArray[np.int64]:
        if not self.exam.tables_whole(part.path):
            return np.empty(0, np.int64)
        table = parts.read_table(self.exam.root / part.path, "chunks", ["chunk_key"])
        keys: NDArray[np.int64] = table["chunk_key"].to_numpy()
        return keys

    # ------------------------------------------------------------ keywords

    def _rebuild_keywords(self) -> None:
        """Publish a version like the newest where that one's keyword index is damaged.

        Tantivy names its files at random, so a new index cannot take the place of the old one.
        """
        for head in self._store.heads():
            bad = head.keywords and head.keywords.path in self.exam.bad_indexes
            if bad and all(self.exam.tables_whole(part.path) for part in head.parts):
                made = self._publish_again(head)
                self.done.append(f"keywords: version {made.version} of {made.dataset}")

    def _publish_again(self, head: Manifest) -> Manifest:
        root = self.exam.root
        live = living.chunks_in(root, head.parts, head)
        documents = (d for d in keyword_documents(root, head.parts) if d.key in live)
        generation = write_generation(root, self._store.folder(head), None, documents, [])
        like = replace(
            head,
            version=head.version + 1,
            parent=head.digest,
            message="doctor: keyword index made anew",
            created=created_after(head),
            added=0,
            removed=0,
            chunks=generation.chunks,
            keywords=generation,
            origin="",
            format=MANIFEST_FORMAT,
            digest="",
        )
        return self._store.publish(manifests.seal(like), head)

    # ------------------------------------------------------------ suspects

    def _move_aside(self) -> None:
        """Move what nobody names, and damaged maps and blobs: the right ones can then come in."""
        for path in (*self.exam.leftovers, *self.exam.bad_maps):
            self.suspects.take(path)
        for item_id in sorted(self.exam.bad_blobs):
            self.suspects.take(self._store.blobs.path(item_id))
