"""What the owner and its processes tell each other: tasks, and what comes out of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ragstone.errors import StorageFault
from ragstone.jobs.compute import Computed, IngestTask
from ragstone.jobs.embed import Embedded, ReembedTask
from ragstone.jobs.fit import FitTask, Fitted
from ragstone.jobs.place import Placed, PlaceTask
from ragstone.schemas.api import JobProgress, JobState
from ragstone.schemas.runs import RunEvent

if TYPE_CHECKING:
    from ragstone.jobs.records import Records

Task = IngestTask | ReembedTask | FitTask | PlaceTask
Outcome = Computed | Embedded | Fitted | Placed
News = JobProgress | RunEvent
Heard = Callable[[JobProgress], None]
HeardNews = Callable[[News], None]
StateAfter = Callable[[BaseException], JobState]


HEARD = "heard"  # what a process is answered that waits


@dataclass(frozen=True, slots=True)
class Telling:
    """What a process tells its owner while it computes."""

    news: News
    waits: bool  # it goes on when the owner has heard


class Run(Protocol):
    """Computes a task, here or in another process."""

    def __call__(self, task: Task, on_news: HeardNews = ...) -> Outcome:
        """Return what came out.

        Parameters
        ----------
        on_news
            Told what the task tells while it runs; it goes on when this returns.
        """
        ...


class Work(Protocol):
    """A job of a workspace, to be carried out by its owner."""

    def carry_out(
        self, run: Run, may_commit: Callable[[], None] = ..., state_after: StateAfter = ...
    ) -> None:
        """Do what was asked for, from where an earlier try was cut off, and record the end.

        Parameters
        ----------
        may_commit
            Called when only the commit is left; raises to stop it.
        state_after
            Says what an error makes of the job.
        """
        ...


def state_after(error: BaseException) -> JobState:
    """Return what a job is after `error`: failed, or interrupted by Ctrl-C or the end."""
    return "failed" if isinstance(error, Exception) else "interrupted"


def mark(records: Records, job: str, state: JobState, error: BaseException) -> None:
    """Record that `error` has ended a job; a failure to do so is told along with it."""
    try:
        records.end(job, state, error if state == "failed" else None)
    except StorageFault as unrecorded:  # what came first is what the caller has to hear
        error.add_note(f"The job could not be marked as {state}: {unrecorded}")
