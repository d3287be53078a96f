"""What people do with jobs: ask for one, look, cancel, try again; with a queue or without."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ragstone import golden
from ragstone.errors import InvalidArgument, JobConflict
from ragstone.jobs.folder import JOBS
from ragstone.jobs.records import Records
from ragstone.jobs.specs import Specs
from ragstone.jobs.works import Works
from ragstone.storage.blobs import Blobs
from ragstone.storage.catalog import now
from ragstone.storage.files import remove
from ragstone.storage.uploads import is_upload, unclaimed

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.encoders.opened import Encoders
    from ragstone.jobs.queue import JobQueue
    from ragstone.jobs.spec import IngestSpec, JobSpec, ReembedSpec
    from ragstone.retrieval.search import Retriever
    from ragstone.schemas.api import (
        IngestProgress,
        IngestResult,
        JobInfo,
        JobProgress,
        JobState,
        ReembedProgress,
    )
    from ragstone.storage.store import Store
    from ragstone.training.signing import Piece

_OPEN_AGAIN = frozenset({"failed", "cancelled", "interrupted"})  # states that `retry` takes


class JobDesk(Specs):
    """The jobs of a workspace; see the methods of the same names of `Workspace`.

    Parameters
    ----------
    given
        Settings that the caller laid over those of the workspace.
    encoders, retriever
        Those of the workspace.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        given: Mapping[str, Mapping[str, Any]],
        encoders: Encoders,
        retriever: Retriever,
    ) -> None:
        self._store, self._settings, self._encoders = store, settings, encoders
        self._given = {name: dict(section) for name, section in given.items()}
        self._records = Records(store.catalog)
        self._works = Works(store, self._records, settings, self._given, encoders, retriever)
        self._queue: JobQueue | None = None
        self._clean()

    def drop_quarantined(self, dataset: str, entries: Sequence[str]) -> list[str]:
        """Take entries out of the quarantine, with bytes that nothing else needs; see `Workspace`.

        Returns their ids.
        """
        found = [entry for entry, _ in self._records.entries(dataset, entries)]
        kept = Blobs(self._store.root / "quarantine")
        for item in self._records.drop(found):
            remove(kept.path(item))
        return found

    def ingest(
        self,
        spec: IngestSpec,
        on_progress: Callable[[IngestProgress], None] | None,
        job: str | None = None,
    ) -> JobInfo:
        """Run an ingestion in this process, to its end."""
        from ragstone.jobs.ingest import ingest

        spec.check()
        self._check_uploads(spec)
        encoder = self._works.encoder_for(spec.dataset)
        job = job or self._records.like(spec) or self._records.add(spec, "running")
        work = self._works.ingestion(job, spec, encoder, self._encoders.name_of(encoder))
        ingest(work, encoder, on_progress)
        return self._records.find(job)

    def reembed(
        self,
        spec: ReembedSpec,
        on_progress: Callable[[ReembedProgress], None] | None,
        job: str | None = None,
    ) -> JobInfo:
        """Run a re-embedding in this process, to its end."""
        from ragstone.jobs.reembed import reembed

        job = job or self._records.like(spec)
        self._check(spec, begun=job is not None)
        job = job or self._records.add(spec, "running")
        encoder = self._encoders.named(spec.encoder)
        reembed(self._works.reembedding(job, spec), encoder, on_progress)
        return self._records.find(job)

    def submit(self, spec: JobSpec) -> JobInfo:
        """Put a job in the queue, which a server works on."""
        self._check(spec)
        if self._queue:
            return self._queue.submit(spec)
        return self._records.find(self._records.add(spec, "queued"))

    def listed(
        self,
        dataset: str | None,
        state: JobState | None,
        *,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[JobInfo]:
        """Return the jobs, newest first.

        Raises
        ------
        InvalidArgument
            The page is out of bounds.
        """
        if limit is not None and limit < 1:
            raise InvalidArgument("limit", limit, "a number from 1")
        if offset < 0:
            raise InvalidArgument("offset", offset, "a number from 0")
        found = self._records.listed(dataset, state, limit, offset)
        return [self._queue.overlaid(job) for job in found] if self._queue else found

    def find(self, job: str) -> JobInfo:
        """Return one job as it stands."""
        found = self._records.find(job)
        return self._queue.overlaid(found) if self._queue else found

    def revision(self, job: str) -> int:
        """Return what the `revision` of a job, named by its whole id, is now; costs nothing."""
        return self._queue.revision(job) if self._queue else 0

    def cancel(self, job: str) -> JobInfo:
        """Take back a job that has made no version."""
        from ragstone.jobs.queue import drop

        found = self._records.find(job)
        if found.state in {"done", "cancelled"}:
            raise JobConflict(found.job, found.state, "cancelled")
        if not (self._queue and self._queue.cancel(found.job)):
            if found.state == "running":
                raise JobConflict(found.job, "running in the owner's own process", "cancelled")
            drop(self._store.root, self._records, found.job)
        return self.find(found.job)

    def retry(self, job: str, on_progress: Callable[[JobProgress], None] | None) -> JobInfo:
        """Go on with a job that has ended without a version."""
        from ragstone.jobs.map import make_map
        from ragstone.jobs.spec import IngestSpec, MapSpec, ReembedSpec, TrainSpec
        from ragstone.jobs.train import train

        if self._queue:
            return self.resubmit(job)
        job = self._open_again(job)
        spec = self._records.spec(job)
        match spec:
            case IngestSpec():
                return self.ingest(spec, on_progress, job)
            case ReembedSpec():
                return self.reembed(spec, on_progress, job)
            case TrainSpec():
                train(self._works.training(job, spec), on_progress)
            case MapSpec():
                make_map(self._works.map_making(job, spec))
        return self._records.find(job)

    def resubmit(self, job: str) -> JobInfo:
        """Put a job that has ended without a version in the queue again."""
        job = self._open_again(job)
        if self._queue:
            return self._queue.resubmit(job)
        self._records.queue(job, replace(self._records.spec(job), served=True))
        return self._records.find(job)

    def _open_again(self, job: str) -> str:
        """Return the id of a job that can be gone on with.

        Raises
        ------
        UnknownJob, JobConflict
            There is none, or it waits, runs or is done.
        """
        found = self._records.find(job)
        hollow = found.kind == "ingest" and not found.sources  # of the first releases
        if found.state not in _OPEN_AGAIN or hollow:
            raise JobConflict(found.job, found.state, "tried again")
        return found.job

    @contextmanager
    def running(self) -> Iterator[None]:
        """Work on the queue for the length of a `with` block."""
        from ragstone.jobs.queue import JobQueue

        if self._queue:
            yield
            return
        workers = self._settings.jobs.workers
        self._queue = JobQueue(self._store, self._records, self._works.for_a_process, workers)
        try:
            yield
        finally:
            self._queue.stop()
            self._queue = None

    def take_in(self, dataset: str, pieces: Sequence[Piece], message: str) -> IngestResult:
        """Add what a model made to a dataset, at once."""
        from ragstone.jobs.made import take_in

        encoder = self._works.encoder_for(dataset)
        named = encoder, self._encoders.name_of(encoder)
        return take_in(self._store, self._settings, named, dataset, pieces, message)

    def _check(self, spec: JobSpec, *, begun: bool = False) -> None:
        """Refuse what cannot work, before there is a job, or before one that has begun goes on.

        Raises
        ------
        InvalidArgument, UnknownSource, UnknownDataset, EncoderUnavailable, SpaceMismatch
            What is wrong.
        """
        from ragstone.jobs.reembed import check_other_space
        from ragstone.jobs.spec import IngestSpec, ReembedSpec

        spec.check()
        if isinstance(spec, IngestSpec):
            self._check_uploads(spec)
        if not isinstance(spec, ReembedSpec):
            return
        head = self._store.head(spec.dataset)
        space = self._encoders.named(spec.encoder).identity.space
        if not begun:
            check_other_space(spec, head, space)
        if spec.if_better:
            self._works.encoder_of(head)  # the one to compare with
            if golden.judged(self._store, spec.dataset) is None:
                expected = f"False, or golden queries to compare on: ragstone golden {spec.dataset}"
                raise InvalidArgument("if_better", spec.if_better, expected)

    def _check_uploads(self, spec: IngestSpec) -> None:
        """Refuse an upload that is not there.

        Raises
        ------
        UnknownSource
            It is not.
        """
        from ragstone.ingestion.upload_sources import upload_folder

        for place, _ in spec.opened_with():
            if is_upload(place):
                upload_folder(self._store.root, place)

    def _clean(self) -> None:
        """Delete work that nobody will go on with, and uploads that nobody asked to read."""
        for folder in unclaimed(self._store.catalog, self._store.root):
            remove(folder)
        folders = [f for f in (self._store.root / JOBS).glob("[0-9A-Z]*") if f.is_dir()]
        if not folders:
            return
        oldest = now() - timedelta(days=self._settings.jobs.keep_days)
        kept = {
            job.job
            for job in self._records.listed()
            if job.ended is None or (job.ended >= oldest and job.state != "cancelled")
        }
        for folder in folders:
            if folder.name not in kept:
                remove(folder)
