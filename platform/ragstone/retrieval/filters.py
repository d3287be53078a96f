"""Filters: the tree of an expression to parameterised SQL to the chunks that may be found.

A field is one that every item has (modality, source, …) or a key of its metadata; `a.b` means key
b of object a, or of each object in the list a, of which one has to pass. `=` also means "is one
of" for a metadata list; `~` means "contains", whatever the case.

Items that a model made pass only filters that speak of `synthetic`: this is the one place that
leaves them out of what is searched, answered from, counted and measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from pyroaring import BitMap64

from ragstone.errors import UnknownField
from ragstone.retrieval import filter_times
from ragstone.retrieval.filter_syntax import (
    Condition,
    Either,
    Every,
    Negation,
    Node,
    conditions,
    parse,
)
from ragstone.schemas.synthetic import MARK, MODEL, speaks_of
from ragstone.storage.living import made_by_models

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_LIVE = "i.dataset_id = ? AND i.added <= ? AND (i.removed IS NULL OR i.removed > ?)"
_SOURCE = (
    "EXISTS (SELECT 1 FROM sources s WHERE s.dataset_id = i.dataset_id "
    "AND s.item_key = i.item_key AND s.added <= ? AND (s.removed IS NULL OR s.removed > ?) "
    "AND {test})"
)
_MOST_KEYS = 4  # of a field that leads through lists

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
class Clause:
    """SQL with the values of its parameters."""

    sql: str
    parameters: list[object]


def allowed_chunks(
    store: Store, manifest: Manifest, where: Sequence[str], beside: Sequence[Manifest] = ()
) -> BitMap64 | None:
    """Return the chunk keys of the version that pass all of `where`; None when all do.

    Parameters
    ----------
    beside
        Versions that are searched together with this one: a field that one of them has is known.

    Raises
    ------
    InvalidFilter
        An expression cannot be read.
    UnknownField
        No item of the versions has such a field.
    """
    if not (where or manifest.synthetic_parts):
        return store.live_chunks(manifest.dataset_id, manifest.version)
    chosen = _chosen(store, manifest, where, beside)
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
    chosen = _chosen(store, manifest, where, ())
    return Clause(f"SELECT i.* FROM items i WHERE {chosen.sql}", chosen.parameters)  # noqa: S608


def _chosen(
    store: Store, manifest: Manifest, where: Sequence[str], beside: Sequence[Manifest]
) -> Clause:
    roots = [parse(expression) for expression in where]
    fields = {condition.field for root in roots for condition in conditions(root)}
    check_fields(store, sorted(fields - FIELDS.keys() - {MARK, MODEL}), [manifest, *beside])
    clauses = [_compile(root, manifest.version) for root in roots if not _holds_for_all(root)]
    if manifest.synthetic_parts and not speaks_of(fields):
        clauses.append(Clause(f"NOT {made_by_models(manifest)}", []))
    return _joined("AND", [Clause(_LIVE, _version(manifest)), *clauses])


def _version(manifest: Manifest) -> list[object]:
    return [manifest.dataset_id, manifest.version, manifest.version]


def check_fields(store: Store, fields: Sequence[str], manifests: Sequence[Manifest]) -> None:
    """Look whether the metadata of the versions has these fields.

    Raises
    ------
    UnknownField
        No item has one of them.
    """
    for field in fields:
        sql = f"SELECT 1 FROM items i WHERE {_LIVE} AND {holds(field)} LIMIT 1"  # noqa: S608
        if not any(store.catalog.rows(sql, _version(m)) for m in manifests):
            keys = sorted({key for m in manifests for key in _metadata_keys(store, m)})
            raise UnknownField(field, [*FIELDS, *keys])


def _metadata_keys(store: Store, manifest: Manifest) -> list[str]:
    sql = f"SELECT DISTINCT unnest(json_keys(i.metadata)) AS k FROM items i WHERE {_LIVE}"  # noqa: S608
    return [str(row[0]) for row in store.catalog.rows(sql, _version(manifest))]


# ---------------------------------------------------------------- trees


def _holds_for_all(node: Node) -> bool:
    """Tell whether a filter is `a exists or a missing`, which costs time and leaves out nothing."""
    if not isinstance(node, Either):
        return False
    parts = [part for part in node.of if isinstance(part, Condition)]
    named, operators = {part.field for part in parts}, {part.operator for part in parts}
    return len(named) == 1 and operators == {"exists", "missing"} and len(parts) == len(node.of)


def _compile(node: Node, version: int) -> Clause:
    match node:
        case Condition():
            return _condition(node, version)
        case Every():
            return _joined("AND", [_compile(part, version) for part in node.of])
        case Either():
            return _joined("OR", [_compile(part, version) for part in node.of])
        case Negation():
            inner = _compile(node.of, version)
            # What an item does not have can be compared with nothing: it holds for none.
            return Clause(f"NOT coalesce({inner.sql}, false)", inner.parameters)


def _joined(glue: str, clauses: Sequence[Clause]) -> Clause:
    sql = f" {glue} ".join(f"({clause.sql})" for clause in clauses)
    return Clause(sql, [value for clause in clauses for value in clause.parameters])


def _condition(condition: Condition, version: int) -> Clause:
    column = FIELDS.get(condition.field)
    if condition.operator == "missing":
        there = _condition(Condition(condition.field, "exists"), version)
        return Clause(f"NOT coalesce({there.sql}, false)", there.parameters)
    if column is None:
        return _metadata_clause(condition)
    if condition.operator == "exists":
        clause = Clause(f"CAST({column} AS VARCHAR) <> ''", [])
    else:
        clause = comparison(column, condition.operator, condition.value)
    if column.startswith("s."):
        return Clause(
            _SOURCE.format(test=f"({clause.sql})"), [version, version, *clause.parameters]
        )
    return clause


# ---------------------------------------------------------------- metadata


def pointer(field: str) -> str:
    """Return the JSON pointer of a field of the metadata: `a.b` is key b of object a."""
    return "".join(f"/{_escaped(key)}" for key in field.split("."))


def metadata_value(field: str) -> str:
    """Return SQL for the JSON value of a field of the metadata of item `i`.

    The pointer is a string literal: DuckDB binds no parameter twice, and reads JSON faster so.
    """
    return f"json_extract(i.metadata, {_literal(pointer(field))})"


def listed_values(field: str) -> str | None:
    """Return SQL for what `a.b` means where `a` is a list of objects: a list of JSON values.

    None for a field that leads through no list, and for one of very many keys.
    """
    keys = ['"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"' for key in field.split(".")]
    if not 1 < len(keys) <= _MOST_KEYS:
        return None
    extracts = []
    for through in product(("", "[*]"), repeat=len(keys) - 1):
        if any(through):
            path = "$" + "".join(
                f".{key}{way}" for key, way in zip(keys, (*through, ""), strict=True)
            )
            extracts += [f"json_extract(i.metadata, {_literal(path + end)})" for end in ("", "[*]")]
    every = f"flatten([{', '.join(extracts)}])"
    return f"list_filter({every}, lambda x: json_type(x) NOT IN ('ARRAY', 'OBJECT', 'NULL'))"


def holds(field: str) -> str:
    """Return SQL that tells whether the metadata of item `i` has a field."""
    plain = f"json_exists(i.metadata, {_literal(pointer(field))})"
    listed = listed_values(field)
    return plain if listed is None else f"({plain} OR len({listed}) > 0)"


def _metadata_clause(condition: Condition) -> Clause:
    plain, listed = _plain_clause(condition), listed_values(condition.field)
    if listed is None:
        return plain
    several = _listed_clause(condition, listed)
    there = f"json_exists(i.metadata, {_literal(pointer(condition.field))})"
    return Clause(
        f"CASE WHEN {there} THEN ({plain.sql}) ELSE ({several.sql}) END",
        [*plain.parameters, *several.parameters],
    )


def _plain_clause(condition: Condition) -> Clause:
    value = metadata_value(condition.field)
    if condition.operator == "exists":
        empty = f"json_type({value}) = 'ARRAY' AND json_array_length({value}) = 0"
        return Clause(f"json_type({value}) <> 'NULL' AND NOT ({empty})", [])
    clause = comparison(f"({value} ->> '$')", condition.operator, condition.value)
    if condition.operator != "=":
        return clause
    member = f"json_contains({value}, to_json(?))"
    return Clause(
        f"({clause.sql}) OR coalesce({member}, false)", [*clause.parameters, condition.value]
    )


def _listed_clause(condition: Condition, listed: str) -> Clause:
    """Return that one of the values passes; of `!=` that there are some, and none is equal."""
    if condition.operator == "exists":
        return Clause(f"len({listed}) > 0", [])
    other = condition.operator == "!="
    one = comparison("(x ->> '$')", "=" if other else condition.operator, condition.value)
    passing = f"len(list_filter({listed}, lambda x: {one.sql}))"
    return Clause(f"len({listed}) > 0 AND {passing} {'= 0' if other else '> 0'}", one.parameters)


# ---------------------------------------------------------------- comparisons


def comparison(column: str, operator: str, value: str) -> Clause:
    """Return SQL that compares a column with a value: as times, as numbers, else as text.

    As times where both are: what is asked may be a year, which else is a number.
    """
    plain = _comparison(column, operator, value)
    span = filter_times.stretch(value)
    if span is None or operator == "~":
        return plain
    time = filter_times.stored(f"CAST({column} AS VARCHAR)")
    timed, parameters = filter_times.compared(f"({time})", operator, span)
    sql = f"CASE WHEN ({time}) IS NULL THEN ({plain.sql}) ELSE {timed} END"
    return Clause(sql, [*plain.parameters, *parameters])


def _comparison(column: str, operator: str, value: str) -> Clause:
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


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
