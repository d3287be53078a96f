"""forget: items are erased for real, from every file of every version.

1. Parts, segments and keyword generations that hold the items are written anew without them.
2. The receipt is published: the commit. From here on versions read with the new files.
3. The old files, the blobs, the answers that used the items, with the feedback on them, and the
   catalog's rows are deleted, and the catalog is copied into a fresh file, since a database keeps
   deleted rows in its gaps.

A crash before 2 leaves files that nobody names; one after it is finished on the next opening.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyroaring import BitMap64
from ulid import ULID

from ragstone.errors import DamagedFile, UnknownId
from ragstone.storage import answers, feedback, living, parts, projection, uploads
from ragstone.storage.blobs import Blobs
from ragstone.storage.catalog import Catalog, now
from ragstone.storage.changes import keyword_documents
from ragstone.storage.erasures import Receipt, Remainder
from ragstone.storage.files import remove, sync_folder
from ragstone.storage.keyword_segments import Layout
from ragstone.storage.keywords import layout_in, write_generation
from ragstone.storage.manifests import GenerationRef, Manifest, PartRef, SegmentRef
from ragstone.storage.maps import MAPS
from ragstone.storage.merging import segment_keys
from ragstone.storage.retention import staged_items
from ragstone.storage.vectors import write_segment

if TYPE_CHECKING:
    from ragstone.storage.erasures import Erasures
    from ragstone.storage.store import Store

logger = logging.getLogger(__name__)

_LEANING = (
    "SELECT later.answer_id FROM answers later JOIN answers earlier USING (session_id) "
    "WHERE session_id <> '' AND list_contains(?, earlier.answer_id) "
    "AND later.answer_id > earlier.answer_id AND ((later.record->'answer'->>'rewritten') <> '' "
    "OR (later.record->'receipt'->'rewriting'->>'prompt') <> '')"
)


@dataclass(frozen=True, slots=True)
class Learnt:
    """Models that learnt from what is erased; `delete` are those that go with it."""

    names: list[str] = field(default_factory=list)
    delete: dict[str, Path] = field(default_factory=dict)  # name -> folder
    made: list[str] = field(default_factory=list)  # items that these models made


def forget(
    store: Store, items: Sequence[str], reason: str, learnt: Learnt | None = None
) -> Receipt:
    """Erase the items with the ids `items` from the whole workspace.

    Models and uploaded files are deleted just before the erasure stands: after a crash between the
    two it can be asked for again.

    Raises
    ------
    UnknownId
        No version holds one of them, nor the quarantine.
    WorkspaceInUse
        A job is running.
    DamagedFile
        A file to be written anew is damaged; nothing was changed.
    """
    with store.exclusive():
        known = len(store.erasures)
        try:
            work = _Erasure(store, frozenset(items))
            promised = work.receipt(reason, learnt or Learnt())
            uploaded = uploads.holding(store.catalog, store.root, sorted(work.items))
            _delete([*learnt.delete.values()] if learnt else [])
            uploads.erase(store.root, uploaded)
            receipt = store.erasures.publish(promised)
            finish(store.catalog, store.root, store.erasures, receipt)
        except BaseException as error:
            store.expect_leftovers()
            store.erasures.reload()
            if len(store.erasures) > known:
                store.must_be_opened_again(f"an erasure stands, and then came: {error}")
            raise
        return receipt


@dataclass(slots=True)
class _Gone:
    """Keys of a dataset that are erased."""

    items: BitMap64 = field(default_factory=BitMap64)
    chunks: BitMap64 = field(default_factory=BitMap64)


@dataclass(slots=True)
class _Erasure:
    """Writes what replaces the files that hold `items`."""

    store: Store
    items: frozenset[str]
    histories: dict[str, list[Manifest]] = field(init=False)
    gone: dict[str, _Gone] = field(default_factory=dict)
    parts: dict[str, PartRef | None] = field(default_factory=dict)
    segments: dict[str, SegmentRef | None] = field(default_factory=dict)
    keywords: dict[str, GenerationRef | None] = field(default_factory=dict)
    sources: int = 0

    def __post_init__(self) -> None:
        folders = sorted((self.store.root / "datasets").iterdir())
        self.histories = {folder.name: self.store.history(folder.name) for folder in folders}
        self._look()
        for dataset_id, history in self.histories.items():
            if self.gone[dataset_id].items:
                self._rewrite_parts(dataset_id, history)
                self._rewrite_segments(dataset_id, history)
                self._rewrite_keywords(dataset_id, history)

    def receipt(self, reason: str, learnt: Learnt) -> Receipt:
        """Return the receipt of what was written."""
        return Receipt(
            id=str(ULID()),
            created=now().isoformat(timespec="milliseconds"),
            reason=reason,
            items=sorted(self.items),
            answers=self._answers(),
            sources=self.sources,
            chunks=sum(len(gone.chunks) for gone in self.gone.values()),
            parts=self.parts,
            segments=self.segments,
            keywords=self.keywords,
            versions=self._versions(),
            learnt=learnt.names,
            deleted=sorted(learnt.delete),
            made=[item for item in learnt.made if item not in self.items],
        )

    # ------------------------------------------------------------ looking

    def _look(self) -> None:
        """Find the keys that the items have in each dataset."""
        wanted = pa.array(sorted(self.items), pa.string())
        found: set[str] = set(self._in_quarantine())
        for dataset_id, history in self.histories.items():
            gone = self.gone[dataset_id] = _Gone()
            for part in _parts(history):
                folder = self.store.root / part.path
                table = parts.read_table(folder, "items", ["item_key", "item_id"])
                table = table.filter(pc.is_in(table["item_id"], wanted))
                if table.num_rows:
                    found.update(table["item_id"].to_pylist())
                    gone.items.update(table["item_key"].to_pylist())
                    chunks = parts.read_table(folder, "chunks", ["chunk_key", "item_key"])
                    chunks = chunks.filter(pc.is_in(chunks["item_key"], table["item_key"]))
                    gone.chunks.update(chunks["chunk_key"].to_pylist())
        for item in sorted(self.items - found):
            raise UnknownId(item, "item")

    def _in_quarantine(self) -> list[str]:
        rows = self.store.catalog.rows("SELECT DISTINCT item_id FROM quarantine")
        return [row[0] for row in rows if row[0] in self.items]

    def _answers(self) -> list[str]:
        """Return the stored answers whose hits, prompt or citations hold one of the items.

        So do later ones of the same session whose question was rewritten, or put to a model to be:
        it may have words of an earlier answer.
        """
        found: set[str] = set()
        for item in self.items:
            sql = "SELECT answer_id FROM answers WHERE contains(CAST(record AS VARCHAR), ?)"
            found.update(row[0] for row in self.store.catalog.rows(sql, [item]))
        later = self.store.catalog.rows(_LEANING, [sorted(found)]) if found else []
        return sorted(found | {row[0] for row in later})

    # ------------------------------------------------------------ writing

    def _rewrite_parts(self, dataset_id: str, history: list[Manifest]) -> None:
        gone = self.gone[dataset_id]
        for part in _parts(history):
            if part.path in self.parts:
                continue
            folder = self.store.root / part.path
            tables = parts.read_tables(self.store.root, part)
            keep = {name: living.not_of(table, gone.items) for name, table in tables.items()}
            left = {name: table.filter(keep[name]) for name, table in tables.items()}
            if all(left[name].num_rows == tables[name].num_rows for name in tables):
                continue
            self.sources += tables["sources"].num_rows - left["sources"].num_rows
            self.parts[part.path] = None
            if left["sources"].num_rows:
                vectors = _left_vectors(folder, part, tables["chunks"], keep["chunks"])
                self.parts[part.path] = parts.write_tables(
                    self.store.root, folder.parent, part.id, left, vectors
                )

    def _rewrite_segments(self, dataset_id: str, history: list[Manifest]) -> None:
        gone = self.gone[dataset_id].chunks
        for segment in (segment for manifest in history for segment in manifest.segments):
            if segment.path in self.segments:
                continue
            moved = str(PurePosixPath(segment.path).parent) in self.parts  # of a small version
            if not (moved or segment_keys(self.store.root, segment) & gone):
                continue
            keys, vectors = self.store.segments.contents(segment)
            left = ~np.isin(keys, np.fromiter(gone, np.int64, len(gone)))
            self.segments[segment.path] = None
            if left.any():
                folder = (self.store.root / segment.path).parents[2]
                self.segments[segment.path] = write_segment(
                    self.store.root, folder, segment.space, keys[left], vectors[left]
                )

    def _rewrite_keywords(self, dataset_id: str, history: list[Manifest]) -> None:
        """Write each generation anew from the one before it, since the first that held an item.

        Tantivy can only mark a document as deleted; one that was never added is in no file.
        """
        before: GenerationRef | None = None
        live_before = BitMap64()
        reached = False
        for manifest in history:
            reached = reached or any(part.path in self.parts for part in manifest.parts)
            if manifest.keywords is None:
                continue
            left = self._left(manifest)
            live = living.chunks_in(self.store.root, left, manifest)
            if not reached:
                before = manifest.keywords
            elif manifest.keywords.path in self.keywords:
                before = self.keywords[manifest.keywords.path]
            else:
                layout = layout_in(self.store.root, manifest.keywords)
                if before and layout_in(self.store.root, before) is not layout:
                    before, live_before = None, BitMap64()
                if live != live_before or before is None:
                    before = self._derive(
                        dataset_id, before, left, live - live_before, live_before - live, layout
                    )
                self.keywords[manifest.keywords.path] = before
            live_before = live

    def _derive(
        self,
        dataset_id: str,
        before: GenerationRef | None,
        of: list[PartRef],
        added: BitMap64,
        removed: BitMap64,
        layout: Layout,
    ) -> GenerationRef | None:
        if before is None and not added:
            return None
        folder = self.store.root / "datasets" / dataset_id
        documents = (d for d in keyword_documents(self.store.root, of) if d.key in added)
        return write_generation(self.store.root, folder, before, documents, removed, layout)

    def _left(self, manifest: Manifest) -> list[PartRef]:
        """Return the parts that a version consists of from now on."""
        made = [self.parts.get(part.path, part) for part in manifest.parts]
        return [part for part in made if part]

    def _versions(self) -> dict[str, dict[str, Remainder]]:
        """Return what is left of each version that had one of the files."""
        replaced = {*self.parts, *self.segments, *self.keywords}
        found: dict[str, dict[str, Remainder]] = {}
        for dataset_id, history in self.histories.items():
            touched = [m for m in history if not replaced.isdisjoint(m.folders())]
            if touched:
                found[dataset_id] = {str(m.version): self._remainder(m) for m in touched}
        return found

    def _remainder(self, manifest: Manifest) -> Remainder:
        gone = self.gone[manifest.dataset_id]
        live = self.store.live_sources(manifest)
        live = live.filter(living.not_of(live, gone.items))
        chunks = living.chunks_in(self.store.root, self._left(manifest), manifest)
        items = len(live["item_key"].unique())
        return Remainder(items, len(chunks), projection.content_digest(live))


def _left_vectors(folder: Path, part: PartRef, chunks: pa.Table, keep: pa.Array) -> parts.Vectors:
    """Return the vectors of the chunks to `keep`, by space."""
    kept = keep.to_numpy(zero_copy_only=False)
    return {
        space: parts.read_vectors(folder, space)[kept[parts.embedded_in(chunks, space)]]
        for space in parts.spaces_of(part)
    }


def _parts(history: Iterable[Manifest]) -> list[PartRef]:
    """Return every part that some version names, each once."""
    return list({part.path: part for manifest in history for part in manifest.parts}.values())


# ---------------------------------------------------------------- after the commit


def finish_all(catalog: Catalog, root: Path, erasures: Erasures) -> list[str]:
    """Finish what a crash interrupted, or what an older catalog does not know; say what."""
    done = {row[0] for row in catalog.rows("SELECT id FROM erasures")}
    late = [receipt for receipt in erasures.receipts if receipt.id not in done]
    for receipt in late:
        finish(catalog, root, erasures, receipt)
    return [f"erasure {receipt.id}" for receipt in late]


def taken_in_again(catalog: Catalog, root: Path, receipt: Receipt) -> set[str]:
    """Return the items of `receipt` that a version, the quarantine or a stopped job holds since.

    Raises
    ------
    DamagedFile
        What a stopped job has staged cannot be read.
    """
    listed = ", ".join("?" for _ in receipt.items)
    sql = (
        f"SELECT item_id FROM items WHERE item_id IN ({listed}) UNION "  # noqa: S608
        f"SELECT item_id FROM quarantine WHERE item_id IN ({listed})"
    )
    held = {row[0] for row in catalog.rows(sql, [*receipt.items, *receipt.items])}
    return held | staged_items(root) & set(receipt.items)


def sweep(catalog: Catalog, root: Path, erasures: Erasures) -> list[str]:
    """Delete the bytes of erased items that a change brought in again and never committed."""
    done: list[str] = []
    for receipt in erasures.receipts:
        try:
            kept = taken_in_again(catalog, root, receipt)
        except DamagedFile as error:
            logger.warning("%s; bytes that it may need stay where they are", error)
            return done
        for item in receipt.items:
            path = Blobs(root / "blobs").path(item)
            if item not in kept and path.exists():
                remove(path)
                done.append(f"erased bytes {path.relative_to(root).as_posix()}")
    return done


def finish(catalog: Catalog, root: Path, erasures: Erasures, receipt: Receipt) -> None:
    """Delete all that `receipt` replaced or names; doing it again does no harm."""
    replaced = [root / path for path in (*receipt.parts, *receipt.segments, *receipt.keywords)]
    placed = [root / "datasets" / dataset_id / MAPS for dataset_id in receipt.versions]
    _delete([*replaced, *_aside(root, receipt), *placed])
    for dataset_id in receipt.versions:
        projection.forget(catalog, dataset_id)
    projection.catch_up(catalog, root, erasures)
    listed = ", ".join("?" for _ in receipt.items)
    with catalog.transaction() as cursor:
        cursor.execute(f"DELETE FROM quarantine WHERE item_id IN ({listed})", receipt.items)  # noqa: S608
        feedback.erase(cursor, receipt.answers, receipt.items)
        for answer in receipt.answers:
            answers.erase(cursor, answer)
    held = catalog.rows(f"SELECT item_id FROM items WHERE item_id IN ({listed})", receipt.items)  # noqa: S608
    gone = sorted(set(receipt.items) - {row[0] for row in held})  # others were taken in again
    kept = Blobs(root / "blobs"), Blobs(root / "quarantine")
    _delete([blobs.path(item) for blobs in kept for item in gone])
    catalog.compact(fresh=True)
    catalog.write("INSERT INTO erasures VALUES (?)", [receipt.id])


def _delete(paths: Sequence[Path]) -> None:
    """Delete `paths` so that no power failure brings one back once the erasure counts as done."""
    for path in paths:
        remove(path)
    for folder in sorted({path.parent for path in paths}):
        if folder.exists():
            sync_folder(folder)


def _aside(root: Path, receipt: Receipt) -> list[Path]:
    """Return what was kept aside and may hold an item: suspects, damaged catalogs, staged parts."""
    found = [root / "suspects", *root.glob("catalog.duckdb.damaged-*")]
    wanted = set(receipt.items)
    for path in (root / "jobs").glob("*/parts/*/items.parquet"):
        try:
            staged = parts.read_table(path.parent, "items", ["item_id"])["item_id"].to_pylist()
        except DamagedFile:  # it may hold one, and no job can go on from it
            staged = receipt.items
        if not wanted.isdisjoint(staged):
            found.append(path.parents[2])
    for path in (root / "jobs").glob("*/*"):  # lists of what a job met
        if path.is_file() and any(item.encode() in path.read_bytes() for item in wanted):
            found.append(path.parent)
    return list(dict.fromkeys(found))
