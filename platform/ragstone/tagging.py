"""Tags of items: a version in which some items have other tags; no text and no vector is made anew.

A tagged item is another row with the same bytes, chunks and vectors, as an item is whose source has
changed: the version before keeps the old one, so restoring it takes the tags away again. What is
read again from its source keeps its tags as long as the bytes are the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ulid import ULID

from ragstone.errors import InvalidArgument
from ragstone.ingestion.dedup.settling import Settling
from ragstone.listing import find_item_keys
from ragstone.schemas.tagging import TAGS, tagged_work_key, tags_of
from ragstone.storage import parts
from ragstone.storage.composing import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ragstone.storage.changes import Change
    from ragstone.storage.manifests import Manifest, PartRef
    from ragstone.storage.store import Store

LONGEST = 100  # characters of a tag
_ID = 64  # characters of a whole id


@dataclass(frozen=True, slots=True)
class Tagging:
    """What is asked for.

    Raises
    ------
    InvalidArgument
        There is nothing to do, a tag is to come and to go, or is no single line of text.
    """

    add: tuple[str, ...]
    remove: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, given in (("add", self.add), ("remove", self.remove)):
            for tag in given:
                if not (tag.strip() == tag and tag.isprintable() and 0 < len(tag) <= LONGEST):
                    expected = f"a line of 1 to {LONGEST} characters, without spaces at its ends"
                    raise InvalidArgument(name, tag, expected)
        if both := sorted({*self.add} & {*self.remove}):
            raise InvalidArgument("remove", both[0], "another tag than those to add")
        if not (self.add or self.remove):
            raise InvalidArgument("add", [], "at least one tag to add or to remove")

    @property
    def in_words(self) -> str:
        """What is done, for the message of a version."""
        return " ".join([*(f"+{tag}" for tag in self.add), *(f"-{tag}" for tag in self.remove)])

    def of(self, tags: Sequence[str]) -> list[str]:
        """Return the tags of an item afterwards, in the order in which they came."""
        return list(dict.fromkeys(tag for tag in (*tags, *self.add) if tag not in self.remove))


def tag_items(
    store: Store, dataset: str, items: Sequence[str], tagging: Tagging, message: str
) -> int:
    """Commit a version in which `items` have other tags; see `Workspace.tag_items`.

    Returns how many have; without any, no version is made.
    """
    if not items:
        raise InvalidArgument("items", [], "at least one item id")
    with store.writing(), store.change(dataset) as change:  # nobody commits in between
        head = change.head
        assert head is not None  # a change without a space is of a dataset that is there
        changed = _changed(store, head, _keys(store, head, items), tagging)
        if changed:
            _take_over(store, change, head, changed)
            default = f"tag {len(changed)} item(s): {tagging.in_words}"
            store.commit(change, message or default, head.settings, settle=Settling(store))
    return len(changed)


def _keys(store: Store, head: Manifest, items: Sequence[str]) -> set[int]:
    """Return the keys of live items; whole ids are looked for together."""
    whole = [item.lower() for item in items if len(item) == _ID]
    rows = store.catalog.rows(
        "SELECT item_id, item_key FROM items WHERE dataset_id = ? AND added <= ? "
        "AND (removed IS NULL OR removed > ?) AND item_id IN (SELECT unnest(?))",
        [head.dataset_id, head.version, head.version, whole],
    )
    found = {str(item) for item, _ in rows}
    others = [item for item in items if item.lower() not in found]
    return {int(key) for _, key in rows} | {
        key for item in others for key in find_item_keys(store, head, item)
    }


def _changed(
    store: Store, head: Manifest, keys: set[int], tagging: Tagging
) -> dict[int, dict[str, Any]]:
    """Return the metadata of those items that get other tags, by key.

    Raises
    ------
    InvalidArgument
        The source of an item has written something else under `tags`.
    """
    rows = store.catalog.rows(
        f"SELECT item_key, metadata, item_id FROM items WHERE item_key IN ({listed(keys)}) "  # noqa: S608
        "AND dataset_id = ? AND added <= ? AND (removed IS NULL OR removed > ?)",
        [head.dataset_id, head.version, head.version],
    )
    found: dict[int, dict[str, Any]] = {}
    for key, text, item in rows:
        metadata = json.loads(text)
        before = tags_of(metadata)
        if TAGS in metadata and metadata[TAGS] not in (before, *before, None):
            raise InvalidArgument("items", item[:12], "items whose field tags is a list of texts")
        after = tagging.of(before)
        if after != before:
            rest = {name: value for name, value in metadata.items() if name != TAGS}
            found[int(key)] = {**rest, TAGS: after} if after else rest
    return found


# ---------------------------------------------------------------- rows


def _take_over(
    store: Store, change: Change, head: Manifest, changed: Mapping[int, dict[str, Any]]
) -> None:
    """Put the rows of the items into a new part, under new keys, and take the old ones away."""
    old = np.array(sorted(changed), np.int64)
    tables: dict[str, list[pa.Table]] = {name: [] for name in parts.TABLES}
    vectors: dict[str, list[NDArray[np.float16]]] = {}
    for part in _parts(store, head, old):
        held = parts.read_tables(store.root, part)
        here = {name: table.filter(_of(table, old)) for name, table in held.items()}
        for name in here.keys() - {"sources"}:
            tables[name].append(here[name])
        for space in parts.spaces_of(part):
            embedded = parts.embedded_in(held["chunks"], space)
            wanted = _of(held["chunks"], old).to_numpy(zero_copy_only=False)[embedded]
            rows = parts.read_vectors(store.root / part.path, space)
            vectors.setdefault(space, []).append(np.asarray(rows[wanted]))
    sources = _sources(store, head, old)
    change.removed_items.update(changed)
    change.removed_sources.update(sources["source_key"].to_pylist())
    whole = {
        name: pa.concat_tables(of) if of else parts.TABLES[name].empty_table()
        for name, of in (tables | {"sources": [sources]}).items()
    }
    joined = {space: np.concatenate(rows) for space, rows in vectors.items()}
    placed = _placed(change, whole, old, changed)
    written = parts.write_tables(store.root, change.staging, str(ULID()), placed, joined)
    change.parts.append(written)
    change.added += len(old)


def _parts(store: Store, head: Manifest, items: NDArray[np.int64]) -> list[PartRef]:
    """Return the parts that hold the rows of live items."""
    rows = store.catalog.rows(
        f"SELECT DISTINCT part FROM items WHERE item_key IN ({listed(items)}) "  # noqa: S608
        "AND dataset_id = ? AND added <= ? AND (removed IS NULL OR removed > ?)",
        [head.dataset_id, head.version, head.version],
    )
    wanted = {str(part) for (part,) in rows}
    return [part for part in head.parts if part.id in wanted]


def _of(table: pa.Table, items: NDArray[np.int64]) -> pa.Array:
    """Return which rows are of `items`."""
    return pc.is_in(table["item_key"].combine_chunks(), pa.array(items))


def _sources(store: Store, head: Manifest, items: NDArray[np.int64]) -> pa.Table:
    """Return the source objects of live items."""
    table = store.catalog.table(
        "SELECT source_key, source, name, item_key FROM sources "  # noqa: S608
        f"WHERE item_key IN ({listed(items)}) AND dataset_id = ? AND added <= ? "
        "AND (removed IS NULL OR removed > ?) ORDER BY source_key",
        [head.dataset_id, head.version, head.version],
    )
    return table.cast(parts.TABLES["sources"])


def _placed(
    change: Change,
    tables: parts.Tables,
    old: NDArray[np.int64],
    changed: Mapping[int, dict[str, Any]],
) -> parts.Tables:
    """Return the rows under the next keys, the items with their new metadata."""
    items = tables["items"]
    fresh = {name: table for name, table in tables.items()}
    metadata = [changed[key] for key in items["item_key"].to_pylist()]
    work_keys = [
        tagged_work_key(key, tags_of(values))
        for key, values in zip(items["work_key"].to_pylist(), metadata, strict=True)
    ]
    texts = [json.dumps(values, ensure_ascii=False, sort_keys=True) for values in metadata]
    fresh["items"] = _set(_set(items, "metadata", texts), "work_key", work_keys)
    for name, table in fresh.items():
        places = np.searchsorted(old, table["item_key"].to_numpy())
        fresh[name] = _set(table, "item_key", change.next_item + places)
    counts = {"source_key": len(fresh["sources"]), "chunk_key": len(fresh["chunks"])}
    numbers = {"source_key": change.next_source, "chunk_key": change.next_chunk}
    for name, key in (("sources", "source_key"), ("chunks", "chunk_key")):
        fresh[name] = _set(fresh[name], key, numbers[key] + np.arange(counts[key]))
    change.next_item += len(old)
    change.next_source += counts["source_key"]
    change.next_chunk += counts["chunk_key"]
    return fresh


def _set(table: pa.Table, column: str, values: Sequence[str] | NDArray[np.int64]) -> pa.Table:
    place = table.schema.get_field_index(column)
    field = table.schema.field(place)
    return table.set_column(place, field, pa.array(values, field.type))
