"""Stored answers in lists: pages of them, newest first, without what made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ragstone.schemas.answers import AnswerList, AnswerSummary
from ragstone.storage.catalog import utc

if TYPE_CHECKING:
    from ragstone.storage.catalog import Catalog

_CHOSEN = (
    "FROM answers a WHERE (a.dataset_id = $dataset OR $dataset IS NULL) "
    "AND ($session IS NULL OR a.session_id = $session OR a.session_id IN "
    "(SELECT s.session_id FROM sessions s "
    "WHERE s.title = $session AND s.dataset_id = a.dataset_id))"
)
# The records are read of one page alone: each has the texts of all its hits.
_PAGE = (
    f"WITH page AS (SELECT a.answer_id {_CHOSEN} ORDER BY a.answer_id DESC "  # noqa: S608
    "LIMIT $limit OFFSET $offset), said AS (SELECT answer_id, version, state, session_id, created, "
    "record->>'said' AS said, record->'answer' AS answer FROM answers JOIN page USING (answer_id)) "
    "SELECT answer_id, answer->>'question' AS question, answer->>'rewritten' AS rewritten, "
    "CASE state WHEN 'done' THEN answer->>'answer' ELSE said END AS answer, "
    "CAST(answer->>'found' AS BOOLEAN) AS found, state, answer->>'dataset' AS dataset, version, "
    "answer->>'generator' AS generator, CAST(answer->>'evidence' AS DOUBLE) AS evidence, "
    "session_id AS session, created, CAST(answer->>'seconds' AS DOUBLE) AS seconds "
    "FROM said ORDER BY answer_id DESC"
)


def listed(
    catalog: Catalog, dataset_id: str | None, session: str | None, offset: int, limit: int
) -> AnswerList:
    """Return a page of the answers from one dataset and of one session, when given.

    Parameters
    ----------
    session
        Its id, or its name.
    """
    chosen = {"dataset": dataset_id, "session": session}
    with catalog.cursor() as cursor:
        counted = cursor.execute(f"SELECT count(*) {_CHOSEN}", chosen).fetchall()
        cursor.execute(_PAGE, {**chosen, "limit": limit, "offset": offset})
        names = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return AnswerList(counted[0][0], [_summary(row) for row in rows])


def _summary(row: dict[str, Any]) -> AnswerSummary:
    """Return an answer of the list; records of before a field was there have none of it."""
    known: dict[str, Any] = {name: "" if value is None else value for name, value in row.items()}
    known["created"] = utc(row["created"])
    return AnswerSummary(**known)
