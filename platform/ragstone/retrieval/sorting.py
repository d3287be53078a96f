"""The order of a list of items: a field, and which way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragstone.retrieval.filters import FIELDS, Clause, check_fields, metadata_value

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_AS_CAME = "i.item_key"
_FIRST_SOURCE = (
    "(SELECT min_by({column}, s.source_key) FROM sources s WHERE s.dataset_id = i.dataset_id "
    "AND s.item_key = i.item_key AND s.added <= ? AND (s.removed IS NULL OR s.removed > ?))"
)


def sorted_by(store: Store, manifest: Manifest, order: str) -> Clause:
    """Return what follows ORDER BY for items `i` of the version.

    Parameters
    ----------
    order
        A field as in filters, the smallest first; with `-` before it the largest. Items without
        it come last, equals as they came. Empty: all as they came.

    Raises
    ------
    UnknownField
        No item of the version has such a field.
    """
    if not order:
        return Clause(_AS_CAME, [])
    field, way = order.removeprefix("-"), "DESC" if order.startswith("-") else "ASC"
    values, parameters = _values(store, manifest, field)
    keys = [f"{value} {way} NULLS LAST" for value in values]
    return Clause(", ".join([*keys, _AS_CAME]), parameters)


def _values(store: Store, manifest: Manifest, field: str) -> tuple[list[str], list[object]]:
    """Return what to compare one after the other: of metadata first what are numbers."""
    column = FIELDS.get(field)
    if column is None:
        check_fields(store, [field], [manifest])
        value = f"({metadata_value(field)} ->> '$')"
        return [f"TRY_CAST({value} AS DOUBLE)", f"lower({value})"], []
    if column.startswith("s."):
        first = _FIRST_SOURCE.format(column=column)
        return [f"lower({first})"], [manifest.version, manifest.version]
    return [f"lower({column})" if field == "title" else column], []
