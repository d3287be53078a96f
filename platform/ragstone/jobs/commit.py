"""The second step of an ingestion, in the owner of the workspace: the computed change lands.

A job is done only when its version stands. When it is cut off between the two, the next try finds
the version by its parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING

import duckdb

from ragstone.errors import StorageFault, VersionConflict
from ragstone.ingestion.dedup.settling import Settling
from ragstone.jobs.compute import Computed, IngestTask
from ragstone.jobs.folder import Base, JobFolder
from ragstone.jobs.spec import is_dataset
from ragstone.jobs.work import Run, StateAfter, mark, state_after
from ragstone.schemas.api import DuplicateCounts, JobResult
from ragstone.storage import manifests

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.jobs.records import Records
    from ragstone.jobs.spec import IngestSpec
    from ragstone.storage.changes import Change
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_TRIES = 3  # at changing what others change at the same time


@dataclass(frozen=True, slots=True)
class _Landed:
    """A version that stands."""

    computed: Computed
    version: int
    duplicates: DuplicateCounts = field(default_factory=DuplicateCounts)


@dataclass(frozen=True, slots=True)
class Ingestion:
    """A job of this workspace, to be carried out.

    Parameters
    ----------
    space
        Embedding space of the encoder that will be used.
    encoder
        The name that opens it again; empty when it has none.
    """

    store: Store
    records: Records
    job: str
    spec: IngestSpec
    settings: Settings
    space: str
    encoder: str = ""

    @property
    def folder(self) -> JobFolder:
        """What is kept of the job."""
        return JobFolder(self.store.root, self.job)

    def carry_out(
        self,
        run: Run,
        may_commit: Callable[[], None] = lambda: None,
        state_after: StateAfter = state_after,
    ) -> None:
        """As `Work.carry_out`.

        Raises
        ------
        SpaceMismatch
            The dataset's vectors are of another space.
        VersionConflict
            Others changed the same sources again and again.
        StorageFault
            The disk or the catalog. A version that stands by then is found by the next try.
        """
        started = monotonic()
        self.records.start(self.job, self.spec)
        try:
            landed = self._settle(run, may_commit)
        except BaseException as error:
            mark(self.records, self.job, state_after(error), error)
            raise
        computed = landed.computed
        result = JobResult(
            version=landed.version,
            items=computed.counts,
            chunks=computed.chunks,
            resumed=computed.resumed,
            seconds=round(monotonic() - started, 3),
            duplicates=landed.duplicates,
        )
        self._record(result, computed)
        self.folder.tidy()

    def _settle(self, run: Run, may_commit: Callable[[], None]) -> _Landed:
        """Return what was computed and the version that holds it."""
        for left in reversed(range(_TRIES)):
            standing = _standing(self.store, self.folder, self.spec.dataset)
            if standing:
                return standing
            try:
                return self._try(run, may_commit)
            except VersionConflict:
                if not left:
                    raise
                self.folder.set_aside()
        raise AssertionError

    def _try(self, run: Run, may_commit: Callable[[], None]) -> _Landed:
        store, spec, folder = self.store, self.spec, self.folder
        with store.change(spec.dataset, self.space, folder.parts) as change:
            _build_on(store, folder, change)
            change.encoder = self.encoder
            quarantined = tuple(self.records.quarantined(spec.dataset))
            datasets = {
                place: store.resolve(place.removeprefix("dataset:"))
                for place, _ in spec.opened_with()
                if is_dataset(place)
            }
            computed = run(
                IngestTask(
                    store.root, self.job, spec, self.settings, change.head, quarantined, datasets
                )
            )
            assert isinstance(computed, Computed)
            computed.fill(change)
            may_commit()
            return _publish(store, change, spec.message, computed)

    def _record(self, result: JobResult, computed: Computed) -> None:
        """Mark the job as done, without its quarantine when that is what cannot be kept."""
        refused = computed.refused
        try:
            self.records.done(self.job, self.spec.dataset, result, refused, computed.cleared)
        except (StorageFault, duckdb.Error) as error:
            note = f"{len(refused)} input(s) in quarantine could not be recorded: {error}"
            self.records.done(self.job, self.spec.dataset, replace(result, note=note))


def _build_on(store: Store, folder: JobFolder, change: Change) -> None:
    """Let `change` follow the version that an earlier try was built on, or the newest one."""
    with folder.held():
        base = folder.base()
        known = _manifest(store, base) if base else None
        same = known is not None and known.space == change.space
        if base and (same or not base.version):
            change.head = known
            change.continue_keys()
            return
        if base:
            folder.set_aside()  # its version was given up, or has other vectors
        head = change.head
        found = Base(head.dataset_id, head.version, head.digest) if head else Base("", 0, "")
        folder.begin(found, store.live_sources(head, hidden=True))


def _manifest(store: Store, base: Base) -> Manifest | None:
    """Return the version that `base` names, if it is kept and still the same."""
    folder = store.root / "datasets" / base.dataset_id
    if not base.version or base.version not in manifests.numbers(folder):
        return None
    found = store.manifest(base.dataset_id, base.version)
    return found if found.digest == base.digest else None


def _standing(store: Store, folder: JobFolder, dataset: str) -> _Landed | None:
    """Return the outcome of an earlier try whose commit came through, though nobody heard."""
    computed: Computed | None = folder.read_computed(Computed)
    base = folder.base()
    head = next((head for head in store.heads() if head.dataset == dataset), None)
    if not (computed and computed.parts and base and head):
        return None
    ours = {part.id for part in computed.parts}
    for number in manifests.numbers(store.folder(head)):
        if number > base.version:
            held = {part.id for part in store.manifest(head.dataset_id, number).parts}
            if ours <= held:
                return _Landed(computed, number)
    return None


def _publish(store: Store, change: Change, message: str, computed: Computed) -> _Landed:
    """Commit the change when there is one; return the newest version."""
    if change.empty:
        return _Landed(computed, change.head.version if change.head else 0)
    counts = computed.counts
    default = f"ingest: {counts.added} added, {counts.updated} updated"
    if counts.removed:
        default += f", {counts.removed} removed"
    settle = Settling(store)
    made = store.commit(change, message or default, computed.reading, settle=settle)
    found = DuplicateCounts(len(settle.found), len(settle.outcome.hidden))
    return _Landed(computed, made.version, found)
