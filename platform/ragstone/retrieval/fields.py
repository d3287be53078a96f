"""Which fields the items of a version have, and what kind of values: what one can filter by."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ragstone.retrieval import filter_times
from ragstone.retrieval.filters import FIELDS, chosen_items
from ragstone.schemas.api import FieldInfo
from ragstone.schemas.synthetic import where_with

if TYPE_CHECKING:
    from ragstone.schemas.api import FieldKind
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_LOOKED_AT = 2_000  # items; a field that fewer than one of 1,000 has may go unnoticed
_FEW = 20  # different numbers up to which each is a value of its own, like a label
_DEEP = 3  # keys of a name
_KEY = re.compile(r"[^\s<>=!~(.]+")  # others cannot be written in a filter
_OF_ALL: dict[str, FieldKind] = {
    "modality": "value",
    "media_type": "value",
    "size": "number",
    "title": "text",
    "name": "text",
    "source": "text",
    "added": "number",
}


def fields(store: Store, manifest: Manifest) -> list[FieldInfo]:
    """Return the fields of a version: those of all items, then of metadata the most frequent first.

    Of a large version 2,000 items are looked at, which lie evenly in it.
    """
    chosen = chosen_items(store, manifest, where_with((), wanted=True))
    step = max(1, -(-manifest.items // _LOOKED_AT))
    rows = store.catalog.rows(
        f"WITH chosen AS ({chosen.sql}), numbered AS "  # noqa: S608
        "(SELECT metadata, row_number() OVER (ORDER BY item_key) AS place FROM chosen) "
        "SELECT metadata FROM numbered WHERE place % ? = 0",
        [*chosen.parameters, step],
    )
    found: dict[str, list[Any]] = {}
    for (metadata,) in rows:
        for name, value in _flat(json.loads(metadata)):
            found.setdefault(name, []).append(value)
    held = Counter({name: len(values) for name, values in found.items()})
    named = sorted(held, key=lambda name: (name.startswith("quality."), -held[name], name))
    ours = [FieldInfo(name, kind) for name, kind in _OF_ALL.items()]
    return ours + [FieldInfo(name, kind_of(found[name])) for name in named if name not in FIELDS]


def _flat(metadata: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the names of simple values, and of lists, as filters name them."""
    for key, value in metadata.items():
        name = f"{before}{key}"
        if not _KEY.fullmatch(key) or value is None:
            continue
        if not isinstance(value, Mapping):
            yield name, value
        elif name.count(".") + 1 < _DEEP:
            yield from _flat(value, f"{name}.")


def is_measured(kind: FieldKind) -> bool:
    """Tell whether values of a kind lie on a scale."""
    return kind in {"number", "time"}


def kind_of(values: list[Any]) -> FieldKind:
    """Return what the values of a field are, by most of them."""
    texts = [str(value) for value in values if not isinstance(value, list)]
    if texts and all(map(_is_number, texts)):
        return "number" if len(set(texts)) > _FEW else "value"
    if texts and all(map(_is_time, texts)):
        return "time"
    many = len(texts) == len(values) and len(set(texts)) > max(_FEW, len(texts) // 2)
    return "text" if many else "value"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    return filter_times.stretch(text) is not None
