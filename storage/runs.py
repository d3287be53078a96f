"""Stored runs of training: operational data, in the catalog alone."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ragstone.errors import UnknownId
from ragstone.schemas.runs import (
    Run,
    RunBegun,
    RunCurve,
    RunEnded,
    RunEvent,
    RunMeasured,
    RunPoint,
)
from ragstone.storage.catalog import now, utc

if TYPE_CHECKING:
    from ragstone.storage.catalog import Catalog

_MIN_PREFIX = 8  # characters of an id
_MEASURES = [field.name for field in fields(RunPoint)]
_TYPES = {"step": pa.int64(), "figures": pa.string()}  # the others are numbers
_POINTS = pa.schema(
    [("run", pa.string()), *((name, _TYPES.get(name, pa.float64())) for name in _MEASURES)]
)
_SELECT = """
    SELECT r.* EXCLUDE (dataset_id), coalesce(d.name, r.dataset_id) AS dataset,
           coalesce(m.step, 0) AS step, m.loss, m.validation
    FROM runs r LEFT JOIN datasets d ON d.dataset_id = r.dataset_id
    LEFT JOIN (SELECT run, max(step) AS step, arg_max(loss, step) AS loss,
                      min(validation) AS validation FROM metrics GROUP BY run) m ON m.run = r.run
"""


def record(catalog: Catalog, event: RunEvent) -> None:
    """Keep what has become of a run."""
    match event:
        case RunBegun():
            _begin(catalog, event)
        case RunMeasured():
            _measure(catalog, event)
        case RunEnded():
            catalog.write(
                "UPDATE runs SET state = ?, error = ?, model = ?, ended = ? WHERE run = ?",
                [event.state, event.error, event.model, now(), event.run],
            )


def _begin(catalog: Catalog, event: RunBegun) -> None:
    run = event.run
    values = {
        "run": run.run,
        "name": run.name,
        "family": run.family,
        "dataset_id": event.dataset_id,
        "version": run.version,
        "data_digest": run.data_digest,
        "seed": run.seed,
        "steps": run.steps,
        "parameters": run.parameters,
        "settings": json.dumps(run.settings),
        "device": run.device,
        "state": "running",
        "error": "",
        "model": "",
        "began": run.began,
    }
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    with catalog.transaction() as cursor:
        known = cursor.execute(
            "UPDATE runs SET state = 'running', error = '', ended = NULL WHERE run = ? "
            "RETURNING run",
            [run.run],
        ).fetchone()
        if known is None:
            cursor.execute(f"INSERT INTO runs ({names}) VALUES ({marks})", list(values.values()))  # noqa: S608
        cursor.execute("DELETE FROM metrics WHERE run = ? AND step > ?", [run.run, event.step])


def _measure(catalog: Catalog, event: RunMeasured) -> None:
    values = [
        {"run": event.run, **asdict(one), "figures": json.dumps(one.figures)}
        for one in event.points
    ]
    rows = pa.Table.from_pylist(values, schema=_POINTS)
    with catalog.transaction() as cursor:
        cursor.register("points", rows)
        cursor.execute("INSERT INTO metrics BY NAME SELECT * FROM points")
        cursor.unregister("points")


def end_lost(catalog: Catalog) -> None:
    """Mark runs whose process is gone: nobody but the owner of a workspace has any."""
    if catalog.rows("SELECT 1 FROM runs WHERE state = 'running' LIMIT 1"):
        catalog.write(
            "UPDATE runs SET state = 'stopped', ended = ? WHERE state = 'running'", [now()]
        )


def listed(catalog: Catalog) -> list[Run]:
    """Return all runs, newest first."""
    return [_read(row) for row in catalog.records(f"{_SELECT} ORDER BY r.run DESC")]


def find(catalog: Catalog, identity: str) -> RunCurve:
    """Return the run whose id is, or begins with, `identity`, and what was measured in it.

    Raises
    ------
    UnknownId
        There is none, or the prefix fits several.
    """
    found: list[dict[str, Any]] = []
    if len(identity) >= _MIN_PREFIX:
        sql = f"{_SELECT} WHERE starts_with(r.run, ?) LIMIT 2"
        found = catalog.records(sql, [identity.upper()])
    if len(found) != 1:
        raise UnknownId(identity, "run")
    run = _read(found[0])
    names = ", ".join(_MEASURES)
    sql = f"SELECT {names} FROM metrics WHERE run = ? ORDER BY step"  # noqa: S608
    return RunCurve(run, [_point(row) for row in catalog.records(sql, [run.run])])


def _point(row: dict[str, Any]) -> RunPoint:
    return RunPoint(**{**row, "figures": json.loads(row["figures"] or "{}")})


def _read(row: dict[str, Any]) -> Run:
    ended = row["ended"]
    times = {"began": utc(row["began"]), "ended": utc(ended) if ended else None}
    return Run(**{**row, **times, "settings": json.loads(row["settings"])})
