"""What the owner and its processes tell each other: tasks, and what comes out of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ragstone.errors import StorageFault
from ragstone.jobs.compute import Computed, IngestTask
from ragstone.jobs.embed import Embedded, ReembedTask
from ragstone.schemas.api import JobProgress, JobState

if TYPE_CHECKING:
    from ragstone.jobs.records import Records

Task = IngestTask | ReembedTask
Outcome = Computed | Embedded
Run = Callable[[Task], Outcome]  # computes a task, here or in another process
Heard = Callable[[JobProgress], None]
StateAfter = Callable[[BaseException], JobState]


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
