"""An ingestion in the calling process: what the library does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragstone.errors import RagstoneError
from ragstone.jobs.compute import Computed, Heard, IngestTask, compute
from ragstone.schemas.api import IngestResult, JobResult

if TYPE_CHECKING:
    from ragstone.encoders.base import TextEncoder
    from ragstone.jobs.commit import Ingestion
    from ragstone.jobs.work import HeardNews, Task
    from ragstone.schemas.api import JobInfo


def ingest(work: Ingestion, encoder: TextEncoder, on_progress: Heard | None) -> None:
    """Carry out a job to its end; see `Workspace.ingest`."""

    def run(task: Task, on_news: HeardNews = lambda _: None) -> Computed:  # noqa: ARG001
        assert isinstance(task, IngestTask)
        return compute(task, encoder, on_progress)

    work.carry_out(run)


def ingest_result(info: JobInfo) -> IngestResult:
    """Return the end of a job that is done as `Workspace.ingest` returns it."""
    if not isinstance(info.result, JobResult):
        problem = f"The job {info.job} has no result"
        raise RagstoneError(problem, f"ragstone jobs {info.job} shows how it stands.")
    return IngestResult(
        job=info.job,
        dataset=info.dataset,
        version=info.result.version,
        items=info.result.items,
        chunks=info.result.chunks,
        seconds=info.result.seconds,
        duplicates=info.result.duplicates,
        quarantine=info.quarantine,
    )
