"""Filters: `year>=2020` to parameterised SQL to the chunks that may be found.

A field is one that every item has (modality, source, …) or a key of its metadata; `a.b` means key
b of object a. `=` also means "is one of" for a metadata list; `~` means "contains", whatever the
case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyroaring import BitMap64

from ragstone.errors import InvalidFilter, UnknownField

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_EXPRESSION = re.compile(r"\s*([^\s<>=!~]+)\s*(>=|<=|!=|=|>|<|~)\s*(.*?)\s*", re.DOTALL)
_LIVE = "i.dataset_id = ? AND i.added <= ? AND (i.removed IS NULL OR i.removed > ?)"
_SOURCE = (
    "EXISTS (SELECT 1 FROM sources s WHERE s.dataset_id = i.dataset_id "
    "AND s.item_key = i.item_key AND s.added <= ? AND (s.removed IS NULL OR s.removed > ?) "
    "AND {test})"
)

FIELDS = {
    "modality": "i.modality",
    "media_type": "i.media_type",
    "title": "i.title",
    "size": "i.size",
    "item_id": "i.item_id",
    "added": "i.added",
    "source": "s.source",
    "name": "s.name",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One `--where`: `field operator value`."""

    field: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Clause:
    """SQL with the values of its parameters."""

    sql: str
    parameters: list[object]


def parse(expression: str) -> Condition:
    """Read `FIELD OPERATOR VALUE`.

    Raises
    ------
    InvalidFilter
        It is not of this form.
    """
    match = _EXPRESSION.fullmatch(expression)
    if not match:
        raise InvalidFilter(expression, "has no field, operator and value")
    field, operator, value = match.groups()
    if not value:
        raise InvalidFilter(expression, "has no value")
    return Condition(field, operator, value)


def allowed_chunks(store: Store, manifest: Manifest, where: Sequence[str]) -> BitMap64 | None:
    """Return the chunk keys of the version that pass all of `where`; None when all do.

    Raises
    ------
    InvalidFilter
        An expression cannot be read.
    UnknownField
        No item of the version has such a field.
    """
    live = store.live_chunks(manifest.dataset_id, manifest.version)
    if not where:
        return live
    chosen = _conditions(store, manifest, where)
    table = store.catalog.table(
        "SELECT c.chunk_key FROM chunks c JOIN items i USING (dataset_id, item_key) "  # noqa: S608
        f"WHERE {chosen.sql}",
        chosen.parameters,
    )
    return BitMap64(table["chunk_key"].to_numpy())


def chosen_items(store: Store, manifest: Manifest, where: Sequence[str]) -> Clause:
    """Return the query for the items of the version that pass all of `where`, all columns.

    Raises as `allowed_chunks`.
    """
    chosen = _conditions(store, manifest, where)
    return Clause(f"SELECT i.* FROM items i WHERE {chosen.sql}", chosen.parameters)  # noqa: S608


def _conditions(store: Store, manifest: Manifest, where: Sequence[str]) -> Clause:
    version: list[object] = [manifest.dataset_id, manifest.version, manifest.version]
    clauses = [_compile(store, parse(expression), version) for expression in where]
    conditions = " AND ".join([_LIVE, *(f"({clause.sql})" for clause in clauses)])
    return Clause(conditions, [*version, *(v for clause in clauses for v in clause.parameters)])


def pointer(field: str) -> str:
    """Return the JSON pointer of a field of the metadata: `a.b` is key b of object a."""
    return "".join(f"/{_escaped(key)}" for key in field.split("."))


def metadata_value(field: str) -> str:
    """Return SQL for the JSON value of a field of the metadata of item `i`.

    The pointer is a string literal: DuckDB binds no parameter twice, and reads JSON faster so.
    """
    literal = "'" + pointer(field).replace("'", "''") + "'"
    return f"json_extract(i.metadata, {literal})"


def _compile(store: Store, condition: Condition, version: list[object]) -> Clause:
    column = FIELDS.get(condition.field)
    if column is None:
        return _metadata_clause(store, condition, version)
    clause = _comparison(column, condition)
    if column.startswith("s."):
        return Clause(_SOURCE.format(test=f"({clause.sql})"), [*version[1:], *clause.parameters])
    return clause


def _metadata_clause(store: Store, condition: Condition, version: list[object]) -> Clause:
    found = store.catalog.rows(
        f"SELECT 1 FROM items i WHERE {_LIVE} AND json_exists(i.metadata, ?) LIMIT 1",  # noqa: S608
        [*version, pointer(condition.field)],
    )
    if not found:
        raise UnknownField(condition.field, [*FIELDS, *_metadata_keys(store, version)])
    value = metadata_value(condition.field)
    clause = _comparison(f"({value} ->> '$')", condition)
    if condition.operator != "=":
        return clause
    member = f"json_contains({value}, to_json(?))"
    return Clause(
        f"({clause.sql}) OR coalesce({member}, false)", [*clause.parameters, condition.value]
    )


def _comparison(column: str, condition: Condition) -> Clause:
    operator, value = condition.operator, condition.value
    if operator == "~":
        return Clause(f"contains(lower(CAST({column} AS VARCHAR)), lower(?))", [value])
    try:
        number = float(value)
    except ValueError:
        return Clause(f"CAST({column} AS VARCHAR) {operator} ?", [value])
    as_number = f"TRY_CAST({column} AS DOUBLE) {operator} ?"
    if operator in {"=", "!="}:
        glue = "OR" if operator == "=" else "AND"
        as_text = f"CAST({column} AS VARCHAR) {operator} ?"
        return Clause(
            f"{as_text} {glue} coalesce({as_number}, {operator == '!='})", [value, number]
        )
    return Clause(as_number, [number])


def _metadata_keys(store: Store, version: list[object]) -> list[str]:
    sql = (
        f"SELECT DISTINCT unnest(json_keys(i.metadata)) AS k FROM items i WHERE {_LIVE} ORDER BY k"  # noqa: S608
    )
    return [str(row[0]) for row in store.catalog.rows(sql, version)]


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
