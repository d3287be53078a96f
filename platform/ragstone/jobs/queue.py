"""The queue of a server: jobs wait, are computed in processes of their own, and are committed here.

One thread per working process takes the next job, hands it over, listens, and commits. Trainings,
which may take hours, have a process of their own: nothing else waits for one.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from ragstone.errors import JobCancelled, JobConflict, RagstoneError
from ragstone.jobs.folder import JobFolder
from ragstone.jobs.process import WorkerProcess
from ragstone.jobs.spec import TrainSpec
from ragstone.jobs.work import HeardNews, News, Outcome, StateAfter, Task, Work, state_after
from ragstone.schemas.api import JobProgress

if TYPE_CHECKING:
    from ragstone.jobs.records import Records
    from ragstone.jobs.spec import JobSpec
    from ragstone.schemas.api import JobInfo, JobState
    from ragstone.storage.store import Store

logger = logging.getLogger(__name__)

_WARM_SECONDS = 300.0  # a process without work keeps its model so long
_RECORD_SECONDS = 2.0  # progress goes to the catalog at most so often
_CANCEL_SECONDS = 30.0
_STOP_SECONDS = 10.0  # for a training to write down how far it is


def drop(root: Path, records: Records, job: str) -> None:
    """Mark a job as cancelled and delete what it has made so far."""
    records.end(job, "cancelled")
    JobFolder(root, job).remove()


Open = Callable[[str, "JobSpec"], Work]


@dataclass(slots=True)
class _Live:
    """A job that waits or runs here."""

    job: str
    trains: bool
    progress: JobProgress | None = None
    revision: int = 1
    worker: WorkerProcess | None = None
    committing: bool = False
    cancelled: bool = False
    recorded: float = 0.0


class JobQueue:
    """Runs jobs until `stop`; safe to use from several threads.

    Parameters
    ----------
    open_job
        Makes the work of a job from its specification.
    """

    def __init__(self, store: Store, records: Records, open_job: Open, workers: int) -> None:
        self._store, self._records, self._open = store, records, open_job
        self._news = threading.Condition()  # guards all below
        self._waiting: dict[bool, deque[str]] = {False: deque(), True: deque()}  # trainings: True
        self._live: dict[str, _Live] = {}
        self._stopping = False
        for job in records.waiting():
            spec = records.spec(job)
            records.queue(job, spec)
            self._add(job, spec)
        self._threads = [
            threading.Thread(target=self._work, args=[trains], name=f"ragstone-job-{number}")
            for number, trains in enumerate([*[False] * workers, True])
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the processes; what was not finished goes on when a queue starts again."""
        with self._news:
            self._stopping = True
            for live in self._live.values():
                if live.worker and not live.committing:
                    live.worker.stop()
            self._news.notify_all()
        self._end_all()
        for thread in self._threads:
            thread.join()

    def _end_all(self) -> None:
        """Wait a while for processes that were told to stop, and end those that do not."""
        with self._news:
            gone = self._news.wait_for(lambda: not self._working(), _STOP_SECONDS)
            for worker in [] if gone else self._working():
                worker.kill()

    def _working(self) -> list[WorkerProcess]:
        """Return the processes that are at work; not those whose job only has to be committed."""
        found = ((one.worker, one.committing) for one in self._live.values())
        return [worker for worker, committing in found if worker and not committing]

    # ------------------------------------------------------------ what people do

    def submit(self, spec: JobSpec) -> JobInfo:
        """Put a new job at the end of the queue."""
        job = self._records.add(spec, "queued")
        self._add(job, spec)
        return self.info(job)

    def resubmit(self, job: str) -> JobInfo:
        """Put a job that has ended at the end of the queue again."""
        spec = replace(self._records.spec(job), served=True)
        self._records.queue(job, spec)
        self._add(job, spec)
        return self.info(job)

    def cancel(self, job: str) -> bool:
        """Take a job back before it has made a version; False when it is not of this queue.

        Raises
        ------
        JobConflict
            Its version is being published.
        """
        with self._news:
            live = self._live.get(job)
            if live is None:
                return False
            if live.committing:
                raise JobConflict(job, "being committed", "cancelled")
            live.cancelled = True
            if live.worker:
                live.worker.stop()
            queue = self._waiting[live.trains]
            waiting = job in queue
            if waiting:
                queue.remove(job)
        if waiting:
            self._finish(live)
        with self._news:
            gone = self._news.wait_for(lambda: job not in self._live, _CANCEL_SECONDS)
            if not gone and live.worker:
                live.worker.kill()
                self._news.wait_for(lambda: job not in self._live, _CANCEL_SECONDS)
        return True

    def overlaid(self, info: JobInfo) -> JobInfo:
        """Return `info`, from the catalog, with what has been heard since."""
        with self._news:
            live = self._live.get(info.job)
            if live is None:
                return info
            return replace(info, progress=live.progress, revision=live.revision)

    def info(self, job: str) -> JobInfo:
        """Return a job as it stands."""
        return self.overlaid(self._records.find(job))

    def revision(self, job: str) -> int:
        """Return a number that differs whenever there is news; 0 for what is not of this queue."""
        live = self._live.get(job)
        return live.revision if live else 0

    # ------------------------------------------------------------ what the threads do

    def _add(self, job: str, spec: JobSpec) -> None:
        trains = isinstance(spec, TrainSpec)
        with self._news:
            self._live[job] = _Live(job, trains)
            self._waiting[trains].append(job)
            self._news.notify_all()

    def _work(self, trains: bool) -> None:  # noqa: FBT001
        worker: WorkerProcess | None = None
        while not self._stopping:
            live = self._take(worker, self._waiting[trains])
            if live is not None:
                worker = worker or WorkerProcess()
                self._run(live, worker)
                self._finish(live)
            if worker is not None and (live is None or not worker.alive):
                worker.close()  # it has been idle for long, was killed, or this is the end
                worker = None
        if worker is not None:
            worker.close()

    def _take(self, worker: WorkerProcess | None, waiting: deque[str]) -> _Live | None:
        """Wait for a job; None at the end, or when a warm process has waited long enough."""
        with self._news:
            patience = _WARM_SECONDS if worker else None
            self._news.wait_for(lambda: waiting or self._stopping, patience)
            if self._stopping or not waiting:
                return None
            return self._live[waiting.popleft()]

    def _run(self, live: _Live, worker: WorkerProcess) -> None:
        def run(task: Task, on_news: HeardNews = lambda _: None) -> Outcome:
            def hear(news: News) -> None:
                on_news(news)
                if isinstance(news, JobProgress):
                    self._hear(live, news)

            self._begin_computing(live)
            return worker.compute(task, hear)

        with self._news:
            if live.cancelled or self._stopping:
                return
            live.worker = worker
            live.revision += 1
        try:
            work = self._opened(live.job)
            work.carry_out(run, lambda: self._begin_commit(live), self._state_after(live))
        except RagstoneError as error:
            logger.info("job %s: %s", live.job, error)
        except Exception:  # the border of a thread that must not end
            logger.exception("job %s failed", live.job)

    def _opened(self, job: str) -> Work:
        try:
            return self._open(job, self._records.spec(job))
        except RagstoneError as error:
            self._records.end(job, "failed", error)
            raise

    def _state_after(self, live: _Live) -> StateAfter:
        def state(error: BaseException) -> JobState:
            if live.cancelled:
                return "cancelled"
            if self._stopping:
                return "interrupted"
            return state_after(error)

        return state

    def _hear(self, live: _Live, heard: JobProgress) -> None:
        with self._news:
            live.progress = heard
            live.revision += 1
            due = monotonic() - live.recorded >= _RECORD_SECONDS
            live.recorded = monotonic() if due else live.recorded
        if due:
            self._records.progress(live.job, heard)

    def _begin_computing(self, live: _Live) -> None:
        """Let the job be taken back, also when it has tried to commit before."""
        with self._news:
            live.committing = False
            if live.cancelled or self._stopping:
                raise JobCancelled(live.job)

    def _begin_commit(self, live: _Live) -> None:
        with self._news:
            if live.cancelled:
                raise JobCancelled(live.job)
            live.committing = True
            live.revision += 1
            last = live.progress
            if last:
                last = live.progress = replace(last, stage="committing", seconds_left=None)
        if last:
            self._records.progress(live.job, last)

    def _finish(self, live: _Live) -> None:
        """Let go of a job; nothing stays of one that was cancelled."""
        try:
            if live.cancelled and self._records.find(live.job).state != "done":
                drop(self._store.root, self._records, live.job)
        except (RagstoneError, OSError) as error:  # the next opening cleans up
            logger.warning("job %s cannot be cleaned up: %s", live.job, error)
        with self._news:
            del self._live[live.job]
            self._news.notify_all()
