"""Golden queries: what should be found in a dataset, so that its search can be measured any time.

They are operational data, as jobs and answers are: kept in the catalog alone, of a dataset and not
of a version. A judgement that was made of feedback remembers which.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from ulid import ULID

from ragstone.errors import InvalidArgument
from ragstone.listing import find_item_keys
from ragstone.schemas.api import GoldenQuery

if TYPE_CHECKING:
    import duckdb

    from ragstone.evaluation.judged import JudgedQueries
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_COLUMNS = ["dataset_id", "query_id", "query", "document", "grade", "feedback"]
_ANSWERS = 1  # grade of an item that feedback says answers

_Row = tuple[str, str, str, str, int, str]  # of _COLUMNS


def add(store: Store, dataset: str, queries: Path, qrels: Path) -> None:
    """Take judged queries in; see `Workspace.add_golden`."""
    from ragstone.evaluation.judged import check_names, item_names, read_judged

    head = store.head(dataset)
    judged = read_judged(queries, qrels)
    check_names(judged, item_names(store, head))
    rows = [
        (head.dataset_id, query, text, document, grade, "")
        for query, text in judged.queries.items()
        for document, grade in judged.judgements[query].items()
    ]
    with store.catalog.transaction() as cursor:
        cursor.execute(
            "DELETE FROM golden_queries WHERE dataset_id = ? AND list_contains(?, query_id)",
            [head.dataset_id, list(judged.queries)],
        )
        _insert(cursor, rows)


def add_query(store: Store, dataset: str, query: str, items: Sequence[str]) -> GoldenQuery:
    """Keep one query with the items that answer it; see `Workspace.add_golden_query`."""
    from ragstone.evaluation.judged import names_of

    asked, head = " ".join(query.split()), store.head(dataset)
    if not asked:
        raise InvalidArgument("query", query, "words")
    if not items:
        raise InvalidArgument("items", [], "ids of items that answer the query")
    ids = [item_id for item in items for item_id in _item_ids(store, head, item)]
    names = set(names_of(store, head, ids).values())
    with store.catalog.transaction() as cursor:
        told = cursor.execute(
            "SELECT document FROM golden_queries WHERE dataset_id = ? AND query = ? "
            "AND grade >= ? AND feedback = ''",
            [head.dataset_id, asked, _ANSWERS],
        ).fetchall()
        new = sorted(names - {document for (document,) in told})
        judge(cursor, head.dataset_id, asked, new, "")
    return next(kept for kept in listed(store, dataset) if kept.query == asked)


def _item_ids(store: Store, head: Manifest, item: str) -> list[str]:
    keys = find_item_keys(store, head, item)
    sql = "SELECT DISTINCT item_id FROM items WHERE dataset_id = ? AND list_contains(?, item_key)"
    return [str(row[0]) for row in store.catalog.rows(sql, [head.dataset_id, keys])]


def judge(
    cursor: duckdb.DuckDBPyConnection,
    dataset_id: str,
    query: str,
    documents: Sequence[str],
    feedback: str,
) -> None:
    """Say that items answer a query, in the transaction of `cursor`.

    `feedback` is the id of what says so; empty when somebody does so directly.

    A query that is golden already is not asked twice: its best judgement of an item counts.
    """
    ((known,),) = cursor.execute(
        "SELECT min(query_id) FROM golden_queries WHERE dataset_id = ? AND query = ?",
        [dataset_id, query],
    ).fetchall()
    query_id = known or feedback or str(ULID())
    _insert(cursor, [(dataset_id, query_id, query, name, _ANSWERS, feedback) for name in documents])


def withdraw(cursor: duckdb.DuckDBPyConnection, feedback: str) -> None:
    """Take the judgements away that were made of `feedback`."""
    cursor.execute("DELETE FROM golden_queries WHERE feedback = ?", [feedback])


def _insert(cursor: duckdb.DuckDBPyConnection, rows: Sequence[_Row]) -> None:
    if not rows:
        return
    columns = dict(zip(_COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    cursor.register("incoming", pa.table(columns))
    names = ", ".join(_COLUMNS)
    cursor.execute(f"INSERT INTO golden_queries ({names}) SELECT {names} FROM incoming")  # noqa: S608
    cursor.unregister("incoming")


def listed(store: Store, dataset: str) -> list[GoldenQuery]:
    """Return the golden queries of `dataset`, by id."""
    found: dict[str, GoldenQuery] = {}
    rows = store.catalog.rows(
        "SELECT query_id, query, document, grade, feedback FROM golden_queries "
        "WHERE dataset_id = ? ORDER BY query_id, grade DESC, document, feedback",
        [store.head(dataset).dataset_id],
    )
    for query_id, query, document, grade, feedback in rows:
        entry = found.setdefault(query_id, GoldenQuery(query_id, query, {}))
        entry.documents.setdefault(document, grade)
        if feedback and feedback not in entry.feedback:
            entry.feedback.append(feedback)
    return list(found.values())


def clear(store: Store, dataset: str) -> None:
    """Take all golden queries of `dataset` away."""
    sql = "DELETE FROM golden_queries WHERE dataset_id = ?"
    store.catalog.write(sql, [store.head(dataset).dataset_id])


def judged(store: Store, dataset: str) -> JudgedQueries | None:
    """Return the golden queries of `dataset` as `evaluate` takes them; None when it has none."""
    from ragstone.evaluation.judged import JudgedQueries

    found = listed(store, dataset)
    if not found:
        return None
    return JudgedQueries(
        {entry.query_id: entry.query for entry in found},
        {entry.query_id: entry.documents for entry in found},
    )


def chosen(store: Store, dataset: str, queries: Path | None, qrels: Path | None) -> JudgedQueries:
    """Return the judged queries in the files, without files the golden queries of the dataset.

    Raises
    ------
    InvalidArgument
        Only one of the files is given, or none, and the dataset has no golden queries.
    """
    from ragstone.evaluation.judged import read_judged

    if queries is not None and qrels is not None:
        return read_judged(queries, qrels)
    if queries is not None or qrels is not None:
        missing = "qrels" if qrels is None else "queries"
        raise InvalidArgument(missing, None, "given: queries and qrels go together")
    golden = judged(store, dataset)
    if golden is None:
        expected = f"a file, or golden queries of the dataset: ragstone golden {dataset}"
        raise InvalidArgument("queries", None, expected)
    return golden
