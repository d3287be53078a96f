"""What people do with jobs: ask for one, look, cancel, try again; with a queue or without."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ragstone import golden
from ragstone.errors import InvalidArgument, JobConflict
from ragstone.jobs.folder import JOBS
from ragstone.jobs.records import Records
from ragstone.jobs.works import Works
from ragstone.storage.blobs import Blobs
from ragstone.storage.catalog import now
from ragstone.storage.files import remove

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.encoders.opened import Encoders
    from ragstone.jobs.queue import JobQueue
    from ragstone.jobs.spec import IngestSpec, JobSpec, MapSpec, ReembedSpec, TrainSpec
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


class JobDesk:
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

    def spec(
        self,
        sources: tuple[str, ...],
        dataset: str,
        message: str,
        text: tuple[str, ...],
        name: str | None,
        options: Mapping[str, Any] | None = None,
        *,
        served: bool = False,
    ) -> IngestSpec:
        """Return what is asked for, with the settings it is asked with."""
        from ragstone.jobs.spec import IngestSpec

        return IngestSpec(
            dataset,
            sources,
            message,
            text,
            name,
            dict(options or {}),
            settings=self._given,
            served=served,
        )

    def sync_spec(self, dataset: str, message: str, *, served: bool = False) -> IngestSpec:
        """Return what reads everything again that was ever taken into a dataset.

        Raises
        ------
        UnknownDataset, InvalidArgument
            There is no dataset, or nothing that was ingested in it.
        """
        self._store.head(dataset)
        done = [info.job for info in self._records.listed(dataset, "done")]
        return self._again(dataset, done, message or "sync", removes=True, served=served)

    def quarantine_spec(
        self, dataset: str, entries: Sequence[str], *, served: bool = False
    ) -> IngestSpec:
        """Return what reads again what put inputs of a dataset into quarantine.

        Parameters
        ----------
        entries
            Their ids, or the beginnings of these; none stands for all.

        Raises
        ------
        UnknownId, InvalidArgument
            There is no such entry, or nothing is in quarantine.
        """
        jobs = [job for _, job in self._records.entries(dataset, entries)]
        return self._again(dataset, jobs, "quarantine tried again", removes=False, served=served)

    def drop_quarantined(self, dataset: str, entries: Sequence[str]) -> list[str]:
        """Take entries out of the quarantine, with bytes that nothing else needs; see `Workspace`.

        Returns their ids.
        """
        found = [entry for entry, _ in self._records.entries(dataset, entries)]
        kept = Blobs(self._store.root / "quarantine")
        for item in self._records.drop(found):
            remove(kept.path(item))
        return found

    def _again(
        self, dataset: str, jobs: Sequence[str], message: str, *, removes: bool, served: bool
    ) -> IngestSpec:
        """Return one job over the places of several, the oldest first, each once.

        Without `removes` nothing is left out: what was refused may lie below the last value of a
        cursor.
        """
        from ragstone.jobs.spec import IngestSpec

        places: dict[str, dict[str, Any]] = {}
        for job in sorted(set(jobs)):
            spec = self._records.spec(job)
            for place in _places_of(spec) if isinstance(spec, IngestSpec) else ():
                places[_what_is_read(place)] = place
        if not places:
            raise InvalidArgument("dataset", dataset, "one that something was ingested into")
        return IngestSpec(
            dataset,
            (),
            message,
            places=tuple(places.values()),
            removes=removes,
            from_start=not removes,
            settings=self._given,
            served=served,
        )

    def reembed_spec(
        self, dataset: str, encoder: str, message: str, *, if_better: bool, served: bool = False
    ) -> ReembedSpec:
        """Return what is asked for, with the settings it is asked with."""
        from ragstone.jobs.spec import ReembedSpec, absolute_model

        name = self._encoders.settled(absolute_model(encoder))
        return ReembedSpec(dataset, name, message, if_better, self._given, served)

    def train_spec(
        self,
        family: str,
        dataset: str,
        name: str,
        values: Mapping[str, Any],
        *,
        served: bool = False,
    ) -> TrainSpec:
        """Return what is asked for, of the version that is meant now.

        Raises
        ------
        UnknownDataset, UnknownVersion
            There is none.
        """
        from ragstone.jobs.spec import TrainSpec

        version = self._store.resolve(dataset)
        return TrainSpec(
            version.dataset,
            version.version,
            family,
            name,
            dict(values),
            settings=self._given,
            served=served,
        )

    def map_spec(self, dataset: str, space: str, method: str, *, served: bool = False) -> MapSpec:
        """Return what is asked for, of the version that is meant now.

        Raises
        ------
        UnknownDataset, UnknownVersion, InvalidArgument
            There is none, or it has no vectors in the space.
        """
        from ragstone.jobs.spec import MapSpec
        from ragstone.mapping import chosen_space

        version = self._store.resolve(dataset)
        space = chosen_space(version, space)
        return MapSpec(
            version.dataset,
            version.version,
            space,
            method,
            message=f"version {version.version} in {space} by {method}",
            settings=self._given,
            served=served,
        )

    def ingest(
        self,
        spec: IngestSpec,
        on_progress: Callable[[IngestProgress], None] | None,
        job: str | None = None,
    ) -> JobInfo:
        """Run an ingestion in this process, to its end."""
        from ragstone.jobs.ingest import ingest

        spec.check()
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

    def listed(self, dataset: str | None, state: JobState | None) -> list[JobInfo]:
        """Return the jobs, newest first."""
        found = self._records.listed(dataset, state)
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

        found = self._records.find(job)
        known = found.sources or found.encoder or found.model or found.kind == MapSpec.kind
        if found.state not in _OPEN_AGAIN or not known:
            raise JobConflict(found.job, found.state, "tried again")
        if self._queue:
            return self._queue.resubmit(found.job)
        spec = self._records.spec(found.job)
        match spec:
            case IngestSpec():
                return self.ingest(spec, on_progress, found.job)
            case ReembedSpec():
                return self.reembed(spec, on_progress, found.job)
            case TrainSpec():
                train(self._works.training(found.job, spec), on_progress)
            case MapSpec():
                make_map(self._works.map_making(found.job, spec))
        return self._records.find(found.job)

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
        from ragstone.jobs.spec import ReembedSpec

        spec.check()
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

    def _clean(self) -> None:
        """Delete work that nobody will go on with."""
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


def _places_of(spec: IngestSpec) -> Iterator[dict[str, Any]]:
    """Yield the places of an ingestion one by one, without what it had read up to."""
    own = {"sources": spec.sources, "text": spec.text, "name": spec.name, "options": spec.options}
    for several in (*spec.places, own):
        options = {name: value for name, value in several["options"].items() if name != "after"}
        rest = {"text": list(several["text"]), "name": several["name"], "options": options}
        yield from ({"sources": [source], **rest} for source in several["sources"])


def _what_is_read(place: dict[str, Any]) -> str:
    """Return what two readings of a place have in common when the later one stands for both.

    Those of a database do, with whatever columns and cursor: they name the same rows.
    """
    from ragstone.ingestion.sources import is_database

    (source,) = place["sources"]
    if not is_database(source):
        return json.dumps(place, sort_keys=True)
    return json.dumps([source, *(place["options"].get(name) for name in ("table", "query"))])
