"""From an item to all that was made from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ragstone.errors import InvalidArgument, UnknownId
from ragstone.listing import MAX_OFFSET, MAX_PAGE, MIN_PREFIX
from ragstone.schemas.tracing import Trace, TracedAnswer
from ragstone.storage.catalog import utc
from ragstone.training.descent import made_by, models_with, origin

if TYPE_CHECKING:
    from ragstone.storage.store import Store


def trace(store: Store, item: str, limit: int, offset: int) -> Trace:
    """See `Workspace.trace`."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidArgument("limit", limit, f"a number from 1 to {MAX_PAGE}")
    if not 0 <= offset < MAX_OFFSET:
        raise InvalidArgument("offset", offset, f"a number from 0 to {MAX_OFFSET - 1}")
    item_id = _item_id(store, item)
    ((total, cited),) = store.catalog.rows(
        "SELECT count(DISTINCT answer_id), count(DISTINCT answer_id) FILTER (cited) "
        "FROM answer_sources WHERE item_id = ?",
        [item_id],
    )
    named = store.catalog.rows(
        "SELECT arg_max(s.name, s.added), arg_max(i.metadata, i.added) FROM sources s "
        "JOIN items i USING (dataset_id, item_key) WHERE i.item_id = ?",
        [item_id],
    )
    name, metadata = named[0]
    learnt = models_with(store, [item_id])
    return Trace(
        item_id=item_id,
        name=name or "",
        answers=_answers(store, item_id, limit, offset),
        total=int(total),
        cited=int(cited),
        models=learnt,
        made_by=origin(store, json.loads(metadata or "{}")),
        made=made_by(store, learnt),
    )


def _item_id(store: Store, item: str) -> str:
    """Return the id that `item` is or begins; of an item whose versions were given up, too."""
    found: list[tuple[str]] = []
    if len(item) >= MIN_PREFIX:
        found = store.catalog.rows(
            "SELECT item_id FROM items WHERE starts_with(item_id, ?) "
            "UNION SELECT item_id FROM answer_sources WHERE starts_with(item_id, ?)",
            [item.lower(), item.lower()],
        )
    if len(found) != 1:
        raise UnknownId(item, "item")
    return str(found[0][0])


def _answers(store: Store, item_id: str, limit: int, offset: int) -> list[TracedAnswer]:
    rows = store.catalog.rows(
        "WITH used AS (SELECT answer_id, bool_or(cited) AS cited, list(chunk_id) AS chunks "
        "FROM answer_sources WHERE item_id = ? GROUP BY answer_id "
        "ORDER BY answer_id DESC LIMIT ? OFFSET ?) "
        "SELECT u.answer_id, a.record->'answer'->>'question', a.record->'answer'->>'dataset', "
        "a.version, a.created, u.cited, u.chunks FROM used u JOIN answers a USING (answer_id) "
        "ORDER BY u.answer_id DESC",
        [item_id, limit, offset],
    )
    return [
        TracedAnswer(answer_id, question, dataset, version, utc(created), cited, chunks)
        for answer_id, question, dataset, version, created, cited, chunks in rows
    ]
