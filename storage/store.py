"""The store: all datasets of a workspace, their truth on disk and its projection.

Commit: parts and indexes are written and flushed, the manifest is linked to its name (the commit),
then the catalog is brought up to date. Opening catches the catalog up and, after a crash, sweeps
what no manifest names.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
from pyroaring import BitMap64
from ulid import ULID

from ragstone.config import StorageSettings
from ragstone.errors import (
    RagstoneError,
    SpaceMismatch,
    StorageFault,
    UnknownDataset,
    VersionConflict,
    WorkspaceInUse,
)
from ragstone.storage import living, manifests, parts, projection, references, retention
from ragstone.storage.allowed import Allowances
from ragstone.storage.blobs import Blobs
from ragstone.storage.catalog import must_reopen, now
from ragstone.storage.changes import Change
from ragstone.storage.composing import chunks_of, next_manifest
from ragstone.storage.files import TEMPORARY, make_folder, remove
from ragstone.storage.keywords import Generations
from ragstone.storage.manifests import GenerationRef, Manifest
from ragstone.storage.merging import segment_keys
from ragstone.storage.opening import open_files
from ragstone.storage.owner import Owner
from ragstone.storage.rebasing import rebase
from ragstone.storage.runs import end_lost
from ragstone.storage.segments import Segments
from ragstone.storage.sharing import SharedLock
from ragstone.storage.tags import Tags

_MANIFESTS = 1_024  # kept in memory


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
        self._behind = ""  # why nothing may be written: the catalog lacks what stands
        self._stale = ""  # why nothing may be read either: files were deleted half-way
        try:
            opened = open_files(root, settings, crashed=self._owner.crashed)
        except BaseException:
            self._owner.release(tidy=self._tidy)
            raise
        self.catalog, self.erasures = opened.catalog, opened.erasures
        self.recovered, self._tidy = opened.recovered, opened.tidy
        self.blobs = Blobs(root / "blobs")
        self.segments = Segments(root)
        self.generations = Generations(root)
        self.allowances = Allowances()
        self.tags = Tags(root)
        self._writing = threading.RLock()
        self._use = SharedLock()
        self._counting = threading.Lock()
        self._changes = 0  # that are being collected
        self._closed = False
        self.manifest = lru_cache(maxsize=_MANIFESTS)(self._read_manifest)
        self.collected = lru_cache(maxsize=_MANIFESTS)(self._read_collected)
        self.shared_sources = lru_cache(maxsize=16)(self._shared)
        self.live_chunks = lru_cache(maxsize=16)(self._live_chunks)
        self._heads: dict[str, Manifest] = {}
        self._end_lost()
        self.load_heads()

    def close(self) -> None:
        """Close all files and let the workspace go; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self.segments.forget()
        self.generations.forget()
        self.allowances.forget()
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
        if self._stale:
            raise must_reopen(self._stale)
        try:
            return self._heads[name]
        except KeyError:
            raise UnknownDataset(name, self._heads) from None

    def resolve(self, reference: str) -> Manifest:
        """Return the version that `D`, `D@VERSION`, `D@TAG` or `D@TIME` means.

        Raises
        ------
        UnknownDataset, UnknownVersion
            There is none.
        """
        return references.resolve(self, reference)

    def folder(self, manifest: Manifest) -> Path:
        """Return the folder of a version's dataset."""
        return self.root / "datasets" / manifest.dataset_id

    def history(self, dataset_id: str) -> list[Manifest]:
        """Return the versions of a dataset that are kept, ascending."""
        folder = self.root / "datasets" / dataset_id
        return [self.manifest(dataset_id, number) for number in manifests.numbers(folder)]

    def part_folder(self, dataset_id: str, part_id: str) -> Path:
        """Return the folder with the rows of a part of the dataset."""
        return living.part_folder(self.root, self.history(dataset_id), part_id)

    def load_heads(self) -> None:
        """Read the newest version of each dataset; only the owner changes them."""
        rows = self.catalog.rows("SELECT dataset_id, max(version) FROM versions GROUP BY ALL")
        heads = [self.manifest(dataset_id, version) for dataset_id, version in rows]
        self._heads = {head.dataset: head for head in heads}

    def item_text(self, dataset_id: str, item_key: int) -> str:
        """Return the text of an item: what the offsets of its chunks and citations count in."""
        sql = "SELECT any_value(part) FROM items WHERE dataset_id = ? AND item_key = ?"
        ((part_id,),) = self.catalog.rows(sql, [dataset_id, item_key])
        return str(parts.read_item(self.part_folder(dataset_id, part_id), item_key)["text"])

    def live_sources(self, head: Manifest | None, *, hidden: bool = False) -> pa.Table:
        """As `living.sources`."""
        return living.sources(self.catalog, head, hidden=hidden)

    def _shared(self, dataset_id: str, version: int) -> dict[int, tuple[str, str]]:
        return living.shared_sources(self.catalog, dataset_id, version)

    def _read_manifest(self, dataset_id: str, version: int) -> Manifest:
        folder = self.root / "datasets" / dataset_id
        return self.erasures.applied(manifests.read(manifests.version_path(folder, version)))

    def _read_collected(self, dataset_id: str) -> frozenset[int]:
        return frozenset(retention.collected(self.root / "datasets" / dataset_id))

    def _live_chunks(self, dataset_id: str, version: int) -> BitMap64 | None:
        return living.chunks(self.catalog, self.manifest(dataset_id, version))

    # ------------------------------------------------------------ writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Let no head move meanwhile, except by this thread.

        Raises
        ------
        StorageFault
            An earlier commit failed half-way; the workspace must be opened again.
        """
        with self._writing:
            if self._behind:
                raise must_reopen(self._behind)
            yield

    @contextmanager
    def change(
        self, name: str, space: str | None = None, staging: Path | None = None
    ) -> Iterator[Change]:
        """Collect a change to the dataset `name`; commit it inside, or it is abandoned.

        Several may be collected at a time: the commit settles which comes first.

        Parameters
        ----------
        space
            Embedding space of new vectors; None takes the dataset's own, which must exist then.
        staging
            Folder of the workspace where parts are written until the commit. It is the caller's,
            with what is left in it after a failure; None makes one that goes in the end.

        Raises
        ------
        UnknownDataset
            There is none, and no `space` to make one with.
        SpaceMismatch
            The dataset's vectors are of another space.
        StorageFault
            An earlier commit failed half-way.
        """
        with self.writing():
            head = self._heads.get(name) if space else self.head(name)
        if head and space and head.space != space:
            raise SpaceMismatch(name, head.space, space)
        own = self.root / "jobs" / f"{TEMPORARY}{ULID()}"
        space = space or (head.space if head else "")
        change = Change(self.root, name, head, space, staging or own)
        with self._under_way():
            try:
                yield change
            except BaseException as error:
                self._fail(change, error)
                raise
            finally:
                with self.sweeping_after_failure():
                    remove(own)

    def commit(
        self,
        change: Change,
        message: str,
        settings: str,
        keywords: GenerationRef | None = None,
        settle: Callable[[Change], None] | None = None,
    ) -> Manifest:
        """Publish `change` as the next version and return its manifest.

        When another version was published meanwhile, the change is carried over to it.

        Parameters
        ----------
        settings
            Digest of what shaped the chunks and vectors.
        keywords
            A generation that holds exactly the next version's chunks; None derives one from the
            head's.
        settle
            Says which items are duplicates, when it is certain what the change follows.

        Raises
        ------
        VersionConflict
            Another version touched the same sources; the change has to be made again.
        SpaceMismatch
            Another version changed the embedding space.
        """
        with self.writing():
            current = self._heads.get(change.name)
            if current and current is not change.head:
                rebase(self, change, current)
            change.hidden -= change.removed_items
            change.place()
            if settle:
                settle(change)
            gone, back = (chunks_of(self, change, of) for of in (change.leaving, change.returning))
            live = self._staying(change.head, gone)
            indexes = change.write_indexes(self.segments, live, gone, back, keywords)
            change.manifest = next_manifest(self, change, message, settings, *indexes)
            return self.publish(change.manifest, change.head)

    def publish(self, manifest: Manifest, head: Manifest | None) -> Manifest:
        """Make `manifest` the version after `head`; to be called while `writing`.

        Raises
        ------
        VersionConflict
            The number is taken by a file that the store does not know.
        """
        folder = self.root / "datasets" / manifest.dataset_id
        make_folder(folder / "versions")
        try:
            manifests.publish(folder, manifest)
            projection.apply(self.catalog, self.root, manifest, head)
        except FileExistsError as error:
            raise VersionConflict(manifest.dataset, manifest.version) from error
        except BaseException as error:
            if manifests.stands(folder, manifest):
                version = f"version {manifest.version} of {manifest.dataset!r}"
                self._behind = f"{version} stands, and then came: {error}"
            raise
        self._heads[manifest.dataset] = manifest
        return manifest

    def _staying(self, head: Manifest | None, gone: BitMap64) -> BitMap64 | None:
        """Return the chunks of `head` without `gone`; None when all its vectors stay."""
        if head is None:
            return None
        live = self.live_chunks(head.dataset_id, head.version)
        if live is None and not gone:
            return None
        if live is None:
            live = BitMap64.union(*(segment_keys(self.root, s) for s in head.segments))
        return live - gone

    def shared(self) -> AbstractContextManager[None]:
        """Use files: none is deleted meanwhile. To be entered before `writing`, never within."""
        return self._use.shared()

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """As `shared`, for long work: whoever wants to delete files is refused meanwhile."""
        with ExitStack() as held:
            with self.shared():
                held.enter_context(self._under_way())
            yield

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Delete files: nobody uses any meanwhile.

        Raises
        ------
        WorkspaceInUse
            A job, a backup or an export relies on what would be deleted.
        """
        with self._use.alone(), self.writing():
            if self._changes:
                raise WorkspaceInUse(self.root)
            yield
            self.forget_opened()

    def must_be_opened_again(self, reason: str) -> None:
        """Refuse all use: what was decided stands, and could not be carried out to its end."""
        self._behind = self._stale = reason
        self.expect_leftovers()
        self.catalog.distrust(reason)

    def forget_opened(self) -> None:
        """Let go of all that was read: files have been deleted or made anew."""
        self.segments.forget()
        self.generations.forget()
        self.allowances.forget()
        for cache in (self.manifest, self.collected, self.live_chunks, self.shared_sources):
            cache.cache_clear()
        self.load_heads()

    def reproject(self, dataset_id: str) -> None:
        """Make the catalog's rows of a dataset anew: versions were given up or written anew."""
        projection.forget(self.catalog, dataset_id)
        projection.catch_up(self.catalog, self.root, self.erasures)

    def _end_lost(self) -> None:
        """Mark jobs and runs whose process is gone: nobody but the owner has any."""
        if self.catalog.rows("SELECT 1 FROM jobs WHERE state = 'running' LIMIT 1"):
            self.catalog.write(
                "UPDATE jobs SET state = 'interrupted', ended = ? WHERE state = 'running'", [now()]
            )
        end_lost(self.catalog)

    @property
    def tidy(self) -> bool:
        """False when the next opening has something to sweep."""
        return self._tidy

    @contextmanager
    def sweeping_after_failure(self) -> Iterator[None]:
        """Let the next opening sweep when the system refuses something inside."""
        try:
            yield
        except OSError:
            self.expect_leftovers()
            raise

    def expect_leftovers(self) -> None:
        """Let the next opening sweep, as after a crash: writing failed half-way."""
        self._tidy = False

    def _fail(self, change: Change, error: BaseException) -> None:
        """Clean up after `error`; what cannot be cleaned up is left to the next opening."""
        if not isinstance(error, RagstoneError) or isinstance(error, StorageFault):
            self.expect_leftovers()
        change.abandon()

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        """Count a change that is being collected: nothing it relies on may be deleted."""
        with self._counting:
            self._changes += 1
        try:
            yield
        finally:
            with self._counting:
                self._changes -= 1
