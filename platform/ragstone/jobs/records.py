"""The jobs in the catalog: one row each, from the moment somebody asks to the end."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from ulid import ULID

from ragstone.errors import RagstoneError, UnknownId, UnknownJob
from ragstone.jobs.spec import IngestSpec, JobSpec, MapSpec, ReembedSpec, TrainSpec, read_spec
from ragstone.schemas.api import (
    IngestProgress,
    JobError,
    JobInfo,
    JobProgress,
    JobResult,
    JobState,
    MapResult,
    QuarantineInfo,
    ReembedProgress,
    ReembedResult,
    TrainProgress,
    TrainResult,
    to_json,
)
from ragstone.storage.catalog import now, utc

if TYPE_CHECKING:
    from ragstone.storage.catalog import Catalog

UNFINISHED = ("interrupted", "failed")  # what they did can be gone on with
_SHORTEST = 8  # characters of a prefix of an id
_COLUMNS = "job, kind, dataset, state, created, started, ended, spec, progress, result, error"
_KINDS: dict[str, tuple[Any, Any]] = {  # of job: its progress and its result
    IngestSpec.kind: (IngestProgress, None),
    ReembedSpec.kind: (ReembedProgress, ReembedResult),
    TrainSpec.kind: (TrainProgress, TrainResult),
    MapSpec.kind: (None, MapResult),  # it is soon made
}
_ENTRY = "id, dataset, source, stage, code, reason, hint, item_id, size, created"


class Records:
    """Reads and writes the rows of jobs; safe to use from several threads."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._writing = threading.Lock()  # DuckDB refuses a second writer of the same row

    def add(self, spec: JobSpec, state: JobState) -> str:
        """Record a new job and return its id."""
        job = str(ULID())
        with self._writing:
            self._catalog.write(
                f"INSERT INTO jobs ({_COLUMNS}) "  # noqa: S608
                "VALUES (?, ?, ?, ?, ?, NULL, NULL, ?, NULL, NULL, NULL)",
                [job, spec.kind, spec.dataset, state, now(), spec.to_json()],
            )
        return job

    def start(self, job: str, spec: JobSpec) -> None:
        """Mark a job as running; what an earlier try left in its row goes."""
        with self._writing:
            self._catalog.write(
                "UPDATE jobs SET state = 'running', started = ?, ended = NULL, spec = ?, "
                "progress = NULL, result = NULL, error = NULL WHERE job = ?",
                [now(), spec.to_json(), job],
            )

    def queue(self, job: str, spec: JobSpec) -> None:
        """Let a job wait for its turn, again or for the first time."""
        with self._writing:
            self._catalog.write(
                "UPDATE jobs SET state = 'queued', ended = NULL, spec = ?, error = NULL "
                "WHERE job = ?",
                [spec.to_json(), job],
            )

    def progress(self, job: str, progress: JobProgress) -> None:
        """Keep how far a job is."""
        with self._writing:
            self._catalog.write(
                "UPDATE jobs SET progress = ? WHERE job = ?",
                [json.dumps(to_json(progress)), job],
            )

    def end(self, job: str, state: JobState, error: BaseException | None = None) -> None:
        """Mark a job as ended without a version."""
        body = json.dumps(_error_body(error)) if error else None
        with self._writing:
            self._catalog.write(
                "UPDATE jobs SET state = ?, ended = ?, error = ? WHERE job = ?",
                [state, now(), body, job],
            )

    def done(
        self,
        job: str,
        dataset: str,
        result: JobResult | ReembedResult | TrainResult | MapResult,
        refused: Sequence[QuarantineInfo] = (),
        cleared: Sequence[str] = (),
    ) -> None:
        """Mark a job as done, and bring the quarantine up to date, in one transaction.

        Parameters
        ----------
        refused
            Inputs that the job could not take.
        cleared
            Sources the job has met: their older entries go.
        """
        with self._writing, self._catalog.transaction() as cursor:
            for source in {*cleared, *(entry.source for entry in refused)}:
                cursor.execute(
                    "DELETE FROM quarantine WHERE dataset = ? AND source = ?", [dataset, source]
                )
            for entry in refused:
                values = [job, *asdict(entry).values()]
                marks = ", ".join("?" * len(values))
                cursor.execute(f"INSERT INTO quarantine (job, {_ENTRY}) VALUES ({marks})", values)  # noqa: S608
            cursor.execute(
                "UPDATE jobs SET state = 'done', ended = ?, result = ?, error = NULL WHERE job = ?",
                [now(), json.dumps(asdict(result)), job],
            )

    # ------------------------------------------------------------ reading

    def find(self, job: str) -> JobInfo:
        """Return one job with its inputs in quarantine; a unique beginning of its id suffices.

        Raises
        ------
        UnknownJob
            None, or more than one, begins so.
        """
        sql = f"SELECT {_COLUMNS} FROM jobs WHERE starts_with(job, ?)"  # noqa: S608
        name = job.upper()
        found = self._catalog.records(sql, [name]) if len(name) >= _SHORTEST else []
        if len(found) != 1:
            raise UnknownJob(job)
        return _info(found[0], self._refused(found[0]["job"]))

    def listed(
        self,
        dataset: str | None = None,
        state: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[JobInfo]:
        """Return the jobs, of one dataset or in one state when given, newest first."""
        rows = self._catalog.records(
            f"SELECT {_COLUMNS} FROM jobs WHERE dataset = coalesce(?, dataset) "  # noqa: S608
            "AND state = coalesce(?, state) ORDER BY created DESC, job DESC LIMIT ? OFFSET ?",
            [dataset, state, limit, offset],
        )
        return [_info(row) for row in rows]

    def spec(self, job: str) -> JobSpec:
        """Return what the job with exactly this id was asked to do."""
        ((kind, text),) = self._catalog.rows("SELECT kind, spec FROM jobs WHERE job = ?", [job])
        return read_spec(kind, text)

    def waiting(self) -> list[str]:
        """Return the jobs that a server has to do, oldest first: queued, or cut off."""
        rows = self._catalog.rows(
            "SELECT job, kind, spec FROM jobs WHERE state IN ('queued', 'interrupted') ORDER BY job"
        )
        return [job for job, kind, text in rows if read_spec(kind, text).served]

    def like(self, spec: JobSpec) -> str | None:
        """Return the newest unfinished job that was asked the same, or None."""
        rows = self._catalog.rows(
            "SELECT job, spec FROM jobs WHERE dataset = ? AND kind = ? AND state IN (?, ?) "
            "ORDER BY job DESC",
            [spec.dataset, spec.kind, *UNFINISHED],
        )
        same = (job for job, text in rows if spec.from_json(text).identity == spec.identity)
        return next(same, None)

    def quarantined(self, dataset: str) -> list[str]:
        """Return the sources of a dataset that are in quarantine."""
        sql = "SELECT DISTINCT source FROM quarantine WHERE dataset = ? ORDER BY source"
        return [str(source) for (source,) in self._catalog.rows(sql, [dataset])]

    def entries(self, dataset: str, wanted: Sequence[str]) -> list[tuple[str, str]]:
        """Return (id, job) of entries of the quarantine; without `wanted` of all of a dataset.

        Raises
        ------
        UnknownId
            One of `wanted`, an id or its beginning, is that of no entry, or of several.
        """
        sql = "SELECT id, job FROM quarantine WHERE dataset = ? ORDER BY id"
        every = [(str(entry), str(job)) for entry, job in self._catalog.rows(sql, [dataset])]
        if not wanted:
            return every
        found = []
        for name in wanted:
            same = [one for one in every if one[0].startswith(name.upper())]
            if len(same) != 1 or len(name) < _SHORTEST:
                raise UnknownId(name, f"entry in the quarantine of {dataset}")
            found += same
        return found

    def drop(self, entries: Sequence[str]) -> list[str]:
        """Forget entries of the quarantine; return the items whose bytes nothing else needs."""
        listed = ", ".join("?" for _ in entries) or "NULL"
        with self._writing, self._catalog.transaction() as cursor:
            rows = cursor.execute(
                f"DELETE FROM quarantine WHERE id IN ({listed}) RETURNING item_id",  # noqa: S608
                list(entries),
            ).fetchall()
            kept = {row[0] for row in cursor.execute("SELECT item_id FROM quarantine").fetchall()}
        return sorted({str(row[0]) for row in rows if row[0]} - kept)

    def _refused(self, job: str) -> list[QuarantineInfo]:
        sql = f"SELECT {_ENTRY} FROM quarantine WHERE job = ? ORDER BY id"  # noqa: S608
        rows = self._catalog.records(sql, [job])
        return [QuarantineInfo(**{**row, "created": utc(row["created"])}) for row in rows]


def _error_body(error: BaseException) -> dict[str, str]:
    if isinstance(error, RagstoneError):
        return error.as_dict()
    return {"code": "error", "message": f"{type(error).__name__}: {error}", "hint": ""}


def _info(row: dict[str, Any], refused: list[QuarantineInfo] | None = None) -> JobInfo:
    spec = read_spec(row["kind"], row["spec"])
    progress, result = _KINDS[spec.kind]
    return JobInfo(
        job=row["job"],
        kind=row["kind"],
        dataset=row["dataset"],
        state=row["state"],
        created=utc(row["created"]),
        started=_when(row["started"]),
        ended=_when(row["ended"]),
        sources=[place for place, _ in spec.opened_with()] if isinstance(spec, IngestSpec) else [],
        message=spec.message,
        progress=_read(row["progress"], progress) if progress else None,
        result=_read(row["result"], result) if result else _ingested(row["result"]),
        error=_read(row["error"], JobError),
        quarantine=refused or [],
        encoder=spec.encoder if isinstance(spec, ReembedSpec) else "",
        family=spec.family if isinstance(spec, TrainSpec) else "",
        model=spec.name if isinstance(spec, TrainSpec) else "",
    )


def _ingested(text: str | None) -> JobResult | None:
    """Return the result of an ingestion; one of the first releases was the counts alone."""
    return _read(text, JobResult) if text and "version" in json.loads(text) else None


def _when(value: datetime | None) -> datetime | None:
    return utc(value) if value else None


def _read(text: str | None, kind: Any) -> Any:
    return _adapter(kind).validate_json(text) if text else None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
