"""Facets: how the items of a version that pass the filters spread over the values of a field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ragstone.errors import InvalidArgument, UnknownField
from ragstone.retrieval.filters import (
    FIELDS,
    Clause,
    chosen_items,
    holds,
    listed_values,
    metadata_value,
)
from ragstone.schemas.api import Bin, Facet, FacetValue
from ragstone.schemas.synthetic import where_with

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

MAX_VALUES = 1_000
_FIELDS_SHOWN = 12  # when nobody names one
_BINS = 10
_OF_ITEMS = {name: column for name, column in FIELDS.items() if column.startswith("i.")}
_USUAL = ("modality", "media_type")  # of those that every item has


def facets(
    store: Store,
    manifest: Manifest,
    fields: Sequence[str],
    where: Sequence[str] = (),
    limit: int = 20,
) -> list[Facet]:
    """Return the facets of `fields`; of the most usual ones when there are none.

    Parameters
    ----------
    limit
        Values of a field, the most frequent first. A field of numbers with more values than that
        has bins of equal width instead.

    Raises
    ------
    InvalidFilter
        An expression of `where` cannot be read.
    UnknownField
        No item of the version has such a field.
    InvalidArgument
        `limit` is out of bounds.
    """
    if not 1 <= limit <= MAX_VALUES:
        raise InvalidArgument("limit", limit, f"a number from 1 to {MAX_VALUES:,}")
    chosen = chosen_items(store, manifest, where)
    return [
        _facet(store, manifest, chosen, field, limit)
        for field in fields or _usual_fields(store, chosen)
    ]


def _facet(store: Store, manifest: Manifest, chosen: Clause, field: str, limit: int) -> Facet:
    values, parameters = values_of(store, manifest, chosen, field), chosen.parameters
    ((items, having, distinct, numbers),) = store.catalog.rows(
        f"WITH {values} SELECT (SELECT count(*) FROM chosen), count(DISTINCT item_key), "  # noqa: S608
        "count(DISTINCT value), "
        "count(DISTINCT value) FILTER (TRY_CAST(value AS DOUBLE) IS NOT NULL) FROM found "
        "WHERE value IS NOT NULL",
        parameters,
    )
    numeric = distinct > limit and numbers == distinct
    counted = [] if numeric else _counted(store, values, parameters, limit)
    bins = _bins(store, values, parameters) if numeric else []
    others = 0 if numeric else distinct - len(counted)
    return Facet(field, counted, bins, others, items - having)


def _counted(store: Store, values: str, parameters: list[object], limit: int) -> list[FacetValue]:
    rows = store.catalog.rows(
        f"WITH {values} SELECT value, count(DISTINCT item_key) AS items FROM found "  # noqa: S608
        "WHERE value IS NOT NULL GROUP BY value ORDER BY items DESC, value LIMIT ?",
        [*parameters, limit],
    )
    return [FacetValue(str(value), int(items)) for value, items in rows]


def _bins(store: Store, values: str, parameters: list[object]) -> list[Bin]:
    rows = store.catalog.rows(
        f"WITH {values} SELECT TRY_CAST(value AS DOUBLE) FROM found WHERE value IS NOT NULL "  # noqa: S608
        "AND isfinite(TRY_CAST(value AS DOUBLE))",
        parameters,
    )
    numbers = np.array([row[0] for row in rows], np.float64)
    counts, edges = np.histogram(numbers, bins=_BINS)
    return [
        Bin(float(low), float(high), int(count))
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


def values_of(store: Store, manifest: Manifest, chosen: Clause, field: str) -> str:
    """Return SQL of the tables `chosen` (items) and `found` (item and value, lists' entries apart).

    Raises
    ------
    UnknownField, InvalidArgument
        No item of the version has such a field, or it is one of the sources.
    """
    column = _OF_ITEMS.get(field)
    if column is None:
        _check(store, manifest, field)
        value = metadata_value(field)
        entries = (
            f"CASE json_type({value}) WHEN 'ARRAY' THEN json_extract_string({value}, '$[*]')"
            f" WHEN 'OBJECT' THEN [] ELSE [json_extract_string({value}, '$')] END"
        )
        listed = listed_values(field)
        also = f" || list_transform({listed}, lambda x: x ->> '$')" if listed else ""
        entries = f"unnest(({entries}){also})"
    else:
        entries = f"CAST({column} AS VARCHAR)"
    found = f"SELECT item_key, {entries} AS value FROM chosen i"  # noqa: S608
    return f"chosen AS ({chosen.sql}), found AS ({found})"


def _check(store: Store, manifest: Manifest, field: str) -> None:
    if field in FIELDS:
        raise InvalidArgument("field", field, f"metadata, or one of {', '.join(_OF_ITEMS)}")
    chosen = chosen_items(store, manifest, where_with((), wanted=True))
    found = store.catalog.rows(
        f"WITH chosen AS ({chosen.sql}) SELECT 1 FROM chosen i "  # noqa: S608
        f"WHERE {holds(field)} LIMIT 1",
        chosen.parameters,
    )
    if not found:
        raise UnknownField(field, [*_OF_ITEMS, *_metadata_fields(store, chosen)])


def _usual_fields(store: Store, chosen: Clause) -> list[str]:
    return [*_USUAL, *_metadata_fields(store, chosen)][:_FIELDS_SHOWN]


def _metadata_fields(store: Store, chosen: Clause) -> list[str]:
    """Return the fields of metadata with simple values: of most items first, quality last."""
    rows = store.catalog.rows(
        f"WITH chosen AS ({chosen.sql}), outer_keys AS ("  # noqa: S608
        "SELECT metadata, unnest(json_keys(metadata)) AS name FROM chosen), "
        "typed AS (SELECT name, json_extract(metadata, '$.\"' || name || '\"') AS value "
        "FROM outer_keys WHERE name NOT LIKE '%\"%'), "
        "named AS (SELECT name FROM typed WHERE json_type(value) <> 'OBJECT' UNION ALL "
        "SELECT name || '.' || unnest(json_keys(value)) FROM typed "
        "WHERE json_type(value) = 'OBJECT') "
        "SELECT name FROM named GROUP BY name "
        "ORDER BY starts_with(name, 'quality.'), count(*) DESC, name",
        chosen.parameters,
    )
    return [str(row[0]) for row in rows]
