"""Searches that were answered, in the catalog, and the figures of what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from ragstone.schemas.insight import UsageFigures

if TYPE_CHECKING:
    from ragstone.storage.catalog import Catalog

By = Literal["all", "day", "dataset", "principal"]

_KEYS: dict[By, str] = {
    "all": "''",
    "day": "strftime(e.created, '%Y-%m-%d')",
    "dataset": "coalesce(d.name, '')",
    "principal": "e.principal",
}
# Nobody's name is kept with an answer: those are counted under the empty one.
_EVENTS = """
    SELECT created, dataset_id, principal, 'search' AS kind, seconds, hits > 0 AS found
    FROM searches
    UNION ALL
    SELECT created, dataset_id, '', CASE state WHEN 'done' THEN 'answer' ELSE 'failed' END,
           CAST(record->'answer'->>'seconds' AS DOUBLE),
           CAST(record->'answer'->>'found' AS BOOLEAN)
    FROM answers
    UNION ALL
    SELECT created, dataset_id, principal, rating, NULL, NULL FROM feedback
"""
_FIGURES = """
    count(*) FILTER (kind = 'search'),
    count(*) FILTER (kind = 'search' AND found),
    coalesce(quantile_cont(seconds, 0.5) FILTER (kind = 'search'), 0),
    coalesce(quantile_cont(seconds, 0.95) FILTER (kind = 'search'), 0),
    count(*) FILTER (kind IN ('answer', 'failed')),
    count(*) FILTER (kind = 'answer' AND found),
    count(*) FILTER (kind = 'failed'),
    coalesce(quantile_cont(seconds, 0.5) FILTER (kind = 'answer'), 0),
    coalesce(quantile_cont(seconds, 0.95) FILTER (kind = 'answer'), 0),
    count(*) FILTER (kind = 'good'),
    count(*) FILTER (kind = 'bad')
"""


@dataclass(frozen=True, slots=True)
class Searched:
    """One search, as a row of the table."""

    created: datetime  # UTC, without a zone
    dataset_id: str
    principal: str
    mode: str
    seconds: float
    hits: int
    query: str


def insert(catalog: Catalog, rows: Sequence[Searched], oldest: datetime) -> None:
    """Keep searches, all at once, and let go of those before `oldest`."""
    names = [field.name for field in fields(Searched)]
    table = pa.table({name: [getattr(row, name) for row in rows] for name in names})
    listed = ", ".join(names)
    with catalog.transaction() as cursor:
        cursor.register("incoming", table)
        cursor.execute(f"INSERT INTO searches ({listed}) SELECT {listed} FROM incoming")  # noqa: S608
        cursor.unregister("incoming")
        cursor.execute("DELETE FROM searches WHERE created < ?", [oldest])


def figures(
    catalog: Catalog, by: By, since: datetime, dataset_id: str | None
) -> list[UsageFigures]:
    """Return what was asked since then, by day, dataset or person."""
    sql = (
        f"SELECT {_KEYS[by]} AS key, {_FIGURES} FROM ({_EVENTS}) e "  # noqa: S608
        "LEFT JOIN datasets d USING (dataset_id) "
        "WHERE e.created >= ? AND (e.dataset_id = ? OR ? IS NULL) GROUP BY ALL ORDER BY key"
    )
    return [UsageFigures(*row) for row in catalog.rows(sql, [since, dataset_id, dataset_id])]
