"""The store: all datasets of a workspace, their truth on disk and its projection.

Commit: parts and indexes are written and flushed, the manifest is linked to its name (the commit),
then the catalog is brought up to date. Opening catches the catalog up and, after a crash, sweeps
what no manifest names.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyroaring import BitMap64

from ragstone.config import StorageSettings
from ragstone.errors import (
    RagstoneError,
    SpaceMismatch,
    StorageFault,
    UnknownDataset,
    UnknownVersion,
    VersionConflict,
)
from ragstone.storage import manifests, parts, projection, recovery
from ragstone.storage.blobs import Blobs
from ragstone.storage.catalog import must_reopen, now
from ragstone.storage.changes import Change
from ragstone.storage.files import make_folder
from ragstone.storage.keywords import Generations
from ragstone.storage.manifests import GenerationRef, Manifest, SegmentRef
from ragstone.storage.owner import Owner
from ragstone.storage.vectors import Segments

_LONGEST_NUMBER = 18  # digits of a version


class Store:
    """Opens the workspace at `root` and owns it until `close`.

    Raises
    ------
    WorkspaceBusy
        Another process owns it.
    """

    def __init__(self, root: Path, settings: StorageSettings) -> None:
        self.root = root
        self._owner = Owner(root, settings.lock_seconds)
        self._tidy = not self._owner.crashed  # nothing may be left over that no version names
        self._behind = ""  # why the catalog lacks a version that stands
        try:
            if self._owner.crashed:
                os.sync()  # what a killed owner wrote is not durable before; it is built upon now
            for name in ("blobs", "datasets"):
                make_folder(root / name)
            self.catalog, self.recovered = recovery.open_catalog(root, settings)
            if self._owner.crashed:
                swept, self._tidy = recovery.sweep(root)
                self.recovered += swept
        except BaseException:
            self._owner.release(tidy=self._tidy)
            raise
        self.blobs = Blobs(root / "blobs")
        self.segments = Segments(root)
        self.generations = Generations(root)
        self._writing = threading.RLock()
        self._closed = False
        self.manifest = lru_cache(maxsize=64)(self._read_manifest)
        self.shared_sources = lru_cache(maxsize=16)(self._shared)
        self.live_chunks = lru_cache(maxsize=16)(self._live_chunks)
        self._heads: dict[str, Manifest] = {}
        self._end_lost_jobs()
        self.load_heads()

    def close(self) -> None:
        """Close all files and let the workspace go; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self.segments.forget()
        self.generations.forget()
        try:
            self.catalog.close()
        finally:
            self._owner.release(tidy=self._tidy)

    # ------------------------------------------------------------ reading

    def heads(self) -> list[Manifest]:
        """Return the newest version of each dataset, by name."""
        return [self._heads[name] for name in sorted(self._heads)]

    def head(self, name: str) -> Manifest:
        """Return the newest version of the dataset `name`.

        Raises
        ------
        UnknownDataset
            There is none.
        """
        try:
            return self._heads[name]
        except KeyError:
            raise UnknownDataset(name, self._heads) from None

    def resolve(self, reference: str) -> Manifest:
        """Return the manifest that `name` or `name@version` means.

        Raises
        ------
        UnknownDataset, UnknownVersion
            There is none.
        """
        name, at, wanted = reference.partition("@")
        head = self.head(name)
        if not at:
            return head
        plain = wanted.isascii() and wanted.isdigit() and len(wanted) <= _LONGEST_NUMBER
        number = int(wanted) if plain else 0
        if not 1 <= number <= head.version:
            raise UnknownVersion(name, wanted, head.version)
        return self.manifest(head.dataset_id, number)

    def load_heads(self) -> None:
        """Read the newest version of each dataset; only the owner changes them."""
        rows = self.catalog.rows("SELECT dataset_id, max(version) FROM versions GROUP BY ALL")
        heads = [self.manifest(dataset_id, version) for dataset_id, version in rows]
        self._heads = {head.dataset: head for head in heads}

    def item_text(self, dataset_id: str, item_key: int) -> str:
        """Return the text of an item: what the offsets of its chunks and citations count in."""
        sql = "SELECT added, part FROM items WHERE dataset_id = ? AND item_key = ?"
        ((added, part_id),) = self.catalog.rows(sql, [dataset_id, item_key])
        parts_then = self.manifest(dataset_id, added).parts
        path = next(part.path for part in parts_then if part.id == part_id)
        return str(parts.read_item(self.root / path, item_key)["text"])

    def live_sources(self, head: Manifest | None) -> pa.Table:
        """Return the source objects of a version, one row each, none for None.

        Columns: source_key, source, item_key, item_id, work_key.
        """
        version = head.version if head else 0
        return self.catalog.table(
            "SELECT s.source_key, s.source, s.item_key, i.item_id, i.work_key "
            "FROM sources s JOIN items i USING (dataset_id, item_key) "
            "WHERE s.dataset_id = ? AND s.added <= ? AND (s.removed IS NULL OR s.removed > ?)",
            [head.dataset_id if head else "", version, version],
        )

    def _shared(self, dataset_id: str, version: int) -> dict[int, tuple[str, str]]:
        """Return (source, name) of the items that have, or had, more than one source object."""
        rows = self.catalog.rows(
            "SELECT item_key, min_by(source, source_key), min_by(name, source_key) FROM sources "
            "WHERE dataset_id = ? AND added <= ? AND (removed IS NULL OR removed > ?) "
            "AND item_key IN (SELECT item_key FROM sources WHERE dataset_id = ? "
            "GROUP BY item_key HAVING count(*) > 1) GROUP BY item_key",
            [dataset_id, version, version, dataset_id],
        )
        return {int(key): (str(source), str(name)) for key, source, name in rows}

    def _read_manifest(self, dataset_id: str, version: int) -> Manifest:
        folder = self.root / "datasets" / dataset_id
        return manifests.read(manifests.version_path(folder, version))

    def _live_chunks(self, dataset_id: str, version: int) -> BitMap64 | None:
        """Return the chunk keys of a version; None when every key below `next_chunk` lives."""
        manifest = self.manifest(dataset_id, version)
        if manifest.chunks == manifest.next_chunk:
            return None
        table = self.catalog.table(
            "SELECT c.chunk_key FROM chunks c JOIN items i USING (dataset_id, item_key) "
            "WHERE c.dataset_id = ? AND i.added <= ? AND (i.removed IS NULL OR i.removed > ?)",
            [dataset_id, version, version],
        )
        return BitMap64(table["chunk_key"].to_numpy())

    # ------------------------------------------------------------ writing

    @contextmanager
    def change(self, name: str, space: str | None = None) -> Iterator[Change]:
        """Collect a change to the dataset `name`; commit it inside, or it is abandoned.

        One change at a time: a second one waits. `space` is the embedding space of new vectors;
        None takes the dataset's own, which must exist then.

        Raises
        ------
        UnknownDataset
            There is none, and no `space` to make one with.
        SpaceMismatch
            The dataset's vectors are of another space.
        StorageFault
            An earlier commit failed half-way; the workspace must be opened again.
        """
        with self._writing:
            if self._behind:
                raise must_reopen(self._behind)
            head = self._heads.get(name) if space else self.head(name)
            if head and space and head.space != space:
                raise SpaceMismatch(name, head.space, space)
            change = Change(self.root, name, head, space or (head.space if head else ""))
            try:
                yield change
            except BaseException as error:
                self._fail(change, error)
                raise

    def commit(
        self,
        change: Change,
        message: str,
        settings: str,
        keywords: GenerationRef | None = None,
    ) -> Manifest:
        """Publish `change` as the next version and return its manifest.

        Parameters
        ----------
        settings
            Digest of what shaped the chunks and vectors.
        keywords
            A generation that holds exactly the next version's chunks; None derives one from the
            head's.

        Raises
        ------
        VersionConflict
            Somebody else published the version first.
        """
        indexes = change.write_indexes(self._chunks_of(change), keywords)
        change.manifest = manifest = self._manifest_of(change, message, settings, *indexes)
        try:
            manifests.publish(change.folder, manifest)
        except FileExistsError as error:
            raise VersionConflict(change.name, manifest.version) from error
        projection.apply(self.catalog, self.root, manifest, change.head)
        self._heads[change.name] = manifest
        return manifest

    def _end_lost_jobs(self) -> None:
        """Mark jobs whose process is gone: nobody but the owner runs any."""
        if self.catalog.rows("SELECT 1 FROM jobs WHERE state = 'running' LIMIT 1"):
            self.catalog.write(
                "UPDATE jobs SET state = 'failed', ended = ?, result = ? WHERE state = 'running'",
                [now(), '{"code": "interrupted", "message": "its process ended"}'],
            )

    def expect_leftovers(self) -> None:
        """Let the next opening sweep, as after a crash: writing failed half-way."""
        self._tidy = False

    def _fail(self, change: Change, error: BaseException) -> None:
        """Clean up after `error`; what cannot be cleaned up is left to the next opening."""
        if not isinstance(error, RagstoneError) or isinstance(error, StorageFault):
            self.expect_leftovers()
        known = self._heads.get(change.name) is change.manifest
        if change.manifest and change.published and not known:
            version = f"version {change.manifest.version} of {change.name!r}"
            self._behind = f"{version} stands, and then came: {error}"
        change.abandon()

    def _manifest_of(
        self,
        change: Change,
        message: str,
        settings: str,
        segments: list[SegmentRef],
        generation: GenerationRef | None,
    ) -> Manifest:
        head, live = change.head, self._live_rows(change)
        manifest = Manifest(
            dataset_id=change.dataset_id,
            dataset=change.name,
            version=head.version + 1 if head else 1,
            parent=head.digest if head else None,
            message=message,
            created=now().isoformat(timespec="milliseconds"),
            settings=settings,
            space=change.space,
            content=projection.content_digest(live),
            items=len(live["item_key"].unique()),
            chunks=generation.chunks if generation else 0,
            added=change.added,
            removed=len(change.removed_items),
            next_item=change.next_item,
            next_source=change.next_source,
            next_chunk=change.next_chunk,
            parts=[*(head.parts if head else []), *change.parts],
            segments=segments,
            keywords=generation,
            removed_items=_joined(head.removed_items if head else "", change.removed_items),
            removed_sources=_joined(head.removed_sources if head else "", change.removed_sources),
        )
        return manifests.seal(manifest)

    def _chunks_of(self, change: Change) -> list[int]:
        """Return the chunk keys of the items that `change` removes."""
        if not change.removed_items:
            return []
        keys = _listed(change.removed_items)
        sql = f"SELECT chunk_key FROM chunks WHERE dataset_id = ? AND item_key IN ({keys})"  # noqa: S608
        return [int(row[0]) for row in self.catalog.rows(sql, [change.dataset_id])]

    def _live_rows(self, change: Change) -> pa.Table:
        """Return (source, item_key, item_id, work_key) of what the next version holds."""
        columns = ["source", "item_key", "item_id", "work_key"]
        old = self.live_sources(change.head)
        gone = pa.array(list(change.removed_sources), pa.int64())
        kept = old.filter(pc.invert(pc.is_in(old["source_key"], gone)))
        return pa.concat_tables([kept.select(columns), *self._new_rows(change, kept, columns)])

    def _new_rows(self, change: Change, old: pa.Table, columns: list[str]) -> list[pa.Table]:
        schema = old.select(columns).schema
        folders = [self.root / part.path for part in change.parts]
        if not folders:
            return []
        sources = pa.concat_tables(parts.read_table(f, "sources") for f in folders)
        fields = ["item_key", "item_id", "work_key"]
        items = pa.concat_tables(parts.read_table(f, "items", fields) for f in folders)
        known = pa.concat_tables([items, self._known_items(change, sources, items, fields)])
        joined = sources.select(["source", "item_key"]).join(known, "item_key", join_type="inner")
        return [joined.select(columns).cast(schema)]

    def _known_items(
        self, change: Change, sources: pa.Table, items: pa.Table, fields: list[str]
    ) -> pa.Table:
        """Return the items of earlier versions that new sources (duplicates) point to."""
        fresh = set(items["item_key"].to_pylist())
        older = sorted(set(sources["item_key"].to_pylist()) - fresh)
        if not older:
            return items.slice(0, 0)
        table = self.catalog.table(
            f"SELECT {', '.join(fields)} FROM items "  # noqa: S608
            f"WHERE dataset_id = ? AND item_key IN ({_listed(older)})",
            [change.dataset_id],
        )
        return table.cast(items.schema)


def _listed(keys: Iterable[int]) -> str:
    return ", ".join(str(int(key)) for key in keys)


def _joined(old: str, new: BitMap64) -> str:
    return manifests.pack_bitmap(manifests.unpack_bitmap(old) | new)
