"""Stored feedback: operational data, as answers and golden queries are, in the catalog alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ragstone.errors import UnknownId
from ragstone.schemas.feedback import Feedback
from ragstone.storage.catalog import now, utc

if TYPE_CHECKING:
    import duckdb

    from ragstone.schemas.feedback import FeedbackState
    from ragstone.storage.catalog import Catalog

MIN_PREFIX = 8  # characters of an id

# The golden query is found by its words: they may have been judged before the feedback was.
_SELECT = """
    SELECT f.* EXCLUDE (dataset_id), coalesce(d.name, f.dataset_id) AS dataset,
           a.record->'answer'->>'question' AS question,
           coalesce((SELECT min(g.query_id) FROM golden_queries g
                     WHERE g.dataset_id = f.dataset_id AND len(f.items) > 0 AND g.query =
                     coalesce(nullif(a.record->'answer'->>'rewritten', ''),
                              a.record->'answer'->>'question')), '') AS golden
    FROM feedback f JOIN answers a USING (answer_id)
    LEFT JOIN datasets d ON d.dataset_id = f.dataset_id
"""
_ERASED = "list_contains(?::VARCHAR[], answer_id) OR list_has_any(items, ?::VARCHAR[])"


def insert(catalog: Catalog, dataset_id: str, given: Feedback) -> None:
    """Keep new feedback.

    Raises
    ------
    UnknownId
        Its answer was erased meanwhile.
    """
    values = [
        given.id,
        given.answer_id,
        dataset_id,
        given.version,
        given.rating,
        given.reason,
        given.comment,
        given.answer_text,
        given.principal,
        given.created,
        given.state,
    ]
    with catalog.transaction() as cursor:
        kept = cursor.execute(
            "INSERT INTO feedback (id, answer_id, dataset_id, version, rating, reason, comment, "
            "answer_text, principal, created, state, reviewer, items) "
            "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', [] "
            "WHERE EXISTS (SELECT 1 FROM answers WHERE answer_id = ?) RETURNING id",
            [*values, given.answer_id],
        ).fetchone()
        if kept is None:
            raise UnknownId(given.answer_id, "answer")


def listed(catalog: Catalog, dataset_id: str | None, state: FeedbackState | None) -> list[Feedback]:
    """Return the feedback, on one dataset or in one state when given, newest first."""
    sql = f"{_SELECT} WHERE (f.dataset_id = $1 OR $1 IS NULL) AND (f.state = $2 OR $2 IS NULL)"
    rows = catalog.records(f"{sql} ORDER BY f.id DESC", [dataset_id, state])
    return [_read(row) for row in rows]


def find(catalog: Catalog, identity: str) -> Feedback:
    """Return the feedback whose id is, or begins with, `identity`.

    Raises
    ------
    UnknownId
        There is none, or the prefix fits several.
    """
    found: list[dict[str, Any]] = []
    if len(identity) >= MIN_PREFIX:
        sql = f"{_SELECT} WHERE starts_with(f.id, ?) LIMIT 2"
        found = catalog.records(sql, [identity.upper()])
    if len(found) != 1:
        raise UnknownId(identity, "feedback")
    return _read(found[0])


def _read(row: dict[str, Any]) -> Feedback:
    reviewed = row["reviewed"]
    times = {"created": utc(row["created"]), "reviewed": utc(reviewed) if reviewed else None}
    return Feedback(**{**row, **times})


def decide(
    cursor: duckdb.DuckDBPyConnection,
    feedback: str,
    state: FeedbackState,
    reviewer: str,
    items: Sequence[str] = (),
) -> None:
    """Accept feedback with the items that answer its question, or reject it.

    Raises
    ------
    UnknownId
        It was erased meanwhile.
    """
    changed = cursor.execute(
        "UPDATE feedback SET state = ?, reviewer = ?, reviewed = ?, items = ?::VARCHAR[] "
        "WHERE id = ? RETURNING id",
        [state, reviewer, now(), list(items), feedback],
    ).fetchone()
    if changed is None:
        raise UnknownId(feedback, "feedback")


def erase(cursor: duckdb.DuckDBPyConnection, answers: Sequence[str], items: Sequence[str]) -> None:
    """Delete the feedback on `answers`, and what was accepted with one of `items`.

    The judgements that were made of it go with it.
    """
    gone = [list(answers), list(items)]
    cursor.execute(
        f"DELETE FROM golden_queries WHERE feedback IN (SELECT id FROM feedback WHERE {_ERASED})",  # noqa: S608
        gone,
    )
    cursor.execute(f"DELETE FROM feedback WHERE {_ERASED}", gone)  # noqa: S608
