"""Stored answers: kept with a seal, so that none can be changed or taken away unseen.

The row of an answer has a digest, and its seal is the BLAKE3 of that digest and of the seal before
it. A digest alone would show that a row was changed; only the chain shows that one was taken away
together with its digest. What `forget` erases leaves its seal, which tells nothing of what it was.

No key is involved: whoever can write the catalog can also seal everything anew. Against that helps
a seal that was written down elsewhere, since it stands for all answers before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from ragstone.schemas.answers import StoredAnswer
from ragstone.schemas.api import to_json
from ragstone.storage.files import digest_bytes

if TYPE_CHECKING:
    import duckdb

    from ragstone.storage.catalog import Catalog

_ROWS_AT_A_TIME = 100
_READ = TypeAdapter(StoredAnswer)


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """An answer as the catalog holds it."""

    answer_id: str
    dataset_id: str
    version: int
    created: datetime  # UTC, without a zone
    state: str
    session_id: str
    record: str  # JSON of a StoredAnswer

    @property
    def digest(self) -> str:
        """BLAKE3 of all that is in the row, however its JSON is spelt.

        Raises ValueError when the record is no JSON.
        """
        values = [self.answer_id, self.dataset_id, self.version, self.created.isoformat()]
        content = [*values, self.state, self.session_id, json.loads(self.record)]
        return digest_bytes(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())

    def stored(self) -> StoredAnswer | None:
        """Return what the record says; None when it is no record of an answer."""
        try:
            return _READ.validate_json(self.record)
        except ValidationError:
            return None


@dataclass(frozen=True, slots=True)
class Seal:
    """The seal of one answer; `number` counts from 1, without gaps."""

    number: int
    answer_id: str
    digest: str
    seal: str

    @classmethod
    def after(cls, before: Seal | None, answer_id: str, digest: str) -> Seal:
        """Return the seal that follows `before`; None before the first one."""
        number, seal = (before.number, before.seal) if before else (0, "")
        return cls(number + 1, answer_id, digest, digest_bytes(f"{seal}{digest}".encode()))


_COLUMNS = ", ".join(f"a.{column.name}" for column in fields(AnswerRow))
_SEAL = ", ".join(f"s.{column.name}" for column in fields(Seal))


# ---------------------------------------------------------------- keeping


def insert(cursor: duckdb.DuckDBPyConnection, dataset_id: str, stored: StoredAnswer) -> Seal:
    """Keep an answer with its seal and what it used, in the transaction of `cursor`."""
    answer = stored.answer
    record = json.dumps(to_json(stored))
    # By name, as the table has grown by columns.
    cursor.execute(
        "INSERT INTO answers (answer_id, dataset_id, version, created, record, state, session_id) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            answer.answer_id,
            dataset_id,
            answer.version,
            answer.created,
            record,
            stored.state,
            answer.session,
        ],
    )
    row = _row(cursor, answer.answer_id)
    last = cursor.execute("SELECT * FROM seals ORDER BY number DESC LIMIT 1").fetchone()
    made = Seal.after(Seal(*last) if last else None, answer.answer_id, row.digest)
    cursor.execute(
        "INSERT INTO seals VALUES (?, ?, ?, ?)",
        [made.number, made.answer_id, made.digest, made.seal],
    )
    quoted = {citation.chunk_id for citation in answer.citations}
    for item_id, chunk_id in dict.fromkeys((hit.item_id, hit.chunk_id) for hit in stored.hits):
        cursor.execute(
            "INSERT INTO answer_sources VALUES (?, ?, ?, ?)",
            [answer.answer_id, item_id, chunk_id, chunk_id in quoted],
        )
    return made


def _row(cursor: duckdb.DuckDBPyConnection, answer_id: str) -> AnswerRow:
    sql = f"SELECT {_COLUMNS} FROM answers a WHERE answer_id = ?"  # noqa: S608
    found = cursor.execute(sql, [answer_id]).fetchone()
    assert found is not None
    return AnswerRow(*found)


def erase(cursor: duckdb.DuckDBPyConnection, answer_id: str) -> None:
    """Delete an answer with what it used, but not its seal, in the transaction of `cursor`."""
    for table in ("answers", "answer_sources"):
        cursor.execute(f"DELETE FROM {table} WHERE answer_id = ?", [answer_id])  # noqa: S608


# ---------------------------------------------------------------- looking


def matching(catalog: Catalog, prefix: str) -> list[tuple[AnswerRow, Seal | None]]:
    """Return up to two answers, with their seals, whose id begins with `prefix`."""
    sql = (
        f"SELECT {_COLUMNS}, {_SEAL} FROM answers a LEFT JOIN seals s USING (answer_id) "  # noqa: S608
        "WHERE starts_with(a.answer_id, ?) ORDER BY a.answer_id, s.number LIMIT 2"
    )
    return [_split(row) for row in catalog.rows(sql, [prefix.upper()])]


def sealed_rows(catalog: Catalog) -> Iterator[tuple[AnswerRow | None, Seal | None]]:
    """Yield all answers and all seals, as they fit together, in the order of the seals.

    Answers without a seal come first. All are as of one moment.
    """
    sql = (
        f"SELECT {_COLUMNS}, {_SEAL} FROM answers a FULL JOIN seals s USING (answer_id) "  # noqa: S608
        "ORDER BY s.number NULLS FIRST, a.answer_id"
    )
    with catalog.cursor() as cursor:
        cursor.execute(sql)
        while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
            for row in rows:
                answer, seal = _split(row)
                yield (answer if answer.answer_id else None), seal


def _split(row: tuple[Any, ...]) -> tuple[AnswerRow, Seal | None]:
    width = len(fields(AnswerRow))
    seal = row[width:]
    return AnswerRow(*row[:width]), None if seal[0] is None else Seal(*seal)


def tampering(row: AnswerRow, seal: Seal | None) -> str:
    """Say what shows that a row is not as it was stored; empty when nothing does."""
    stored = row.stored()
    if stored is None:
        return "its record is none of an answer"
    if seal is None:
        # Answers that are older than seals have no receipt either.
        return "its seal was taken away" if stored.receipt else ""
    return "" if row.digest == seal.digest else "its record was changed after it was stored"
