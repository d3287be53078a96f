"""Lists and details: what the catalog knows, as API results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from ragstone.errors import InvalidArgument, UnknownId
from ragstone.retrieval.filters import chosen_items
from ragstone.retrieval.question import MAX_NEIGHBOURS, check_number
from ragstone.retrieval.sorting import sorted_by
from ragstone.schemas.answers import StoredAnswer
from ragstone.schemas.api import (
    ChunkDetail,
    DatasetInfo,
    ItemDetail,
    ItemSummary,
    QuarantineInfo,
    VersionInfo,
)
from ragstone.schemas.finding import Neighbour
from ragstone.schemas.synthetic import model_of
from ragstone.schemas.tagging import tags_of
from ragstone.storage import living
from ragstone.storage.catalog import utc
from ragstone.storage.composing import listed

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

MIN_PREFIX = 8
MAX_PAGE = 1_000
MAX_OFFSET = 2**62
MAX_SNIPPET = 1_000  # characters


def datasets(store: Store) -> list[DatasetInfo]:
    """Return all datasets, by name."""
    rows = store.catalog.rows(
        "SELECT d.name, d.dataset_id, v.version, v.items, v.chunks, d.created, v.created "
        "FROM datasets d JOIN versions v USING (dataset_id) "
        "WHERE list_contains(?, dataset_id || '@' || version) ORDER BY d.name",
        [[f"{head.dataset_id}@{head.version}" for head in store.heads()]],
    )
    made = {head.dataset: living.synthetic(store.catalog, head) for head in store.heads()}
    return [
        DatasetInfo(
            name, identity, version, items, chunks, utc(created), utc(changed), made.get(name, 0)
        )
        for name, identity, version, items, chunks, created, changed in rows
    ]


def versions(store: Store, dataset: str) -> list[VersionInfo]:
    """Return the versions of `dataset` that are kept, newest first."""
    head = store.head(dataset)
    dataset_id = head.dataset_id
    rows = store.catalog.records(
        "SELECT version, digest, content, parent, message, created, items, chunks, added, "
        "removed, space FROM versions WHERE dataset_id = ? AND version <= ? ORDER BY version DESC",
        # The catalog hears of a version a moment before it can be read.
        [dataset_id, head.version],
    )
    names: dict[int, list[str]] = {}
    for tag in store.tags.of(dataset_id).values():
        names.setdefault(tag.version, []).append(tag.name)
    return [
        VersionInfo(
            dataset=dataset,
            **{**row, "created": utc(row["created"])},
            tags=names.get(row["version"], []),
            forgotten=[r.id for r in store.erasures.concerning(dataset_id, row["version"])],
            synthetic=living.synthetic(store.catalog, store.manifest(dataset_id, row["version"])),
        )
        for row in rows
    ]


def items(
    store: Store,
    reference: str,
    offset: int,
    limit: int,
    where: Sequence[str] = (),
    order: str = "",
    snippet: int = 0,
) -> list[ItemSummary]:
    """Return a page of the items of `reference`; see `Workspace.items`."""
    check_page(offset, limit)
    check_number("snippet", snippet, 0, MAX_SNIPPET)
    with store.shared():
        manifest = store.resolve(reference)
        chosen, by = chosen_items(store, manifest, where), sorted_by(store, manifest, order)
        rows = store.catalog.rows(
            f"WITH chosen AS ({chosen.sql}) SELECT item_key FROM chosen i "  # noqa: S608
            f"ORDER BY {by.sql} LIMIT ? OFFSET ?",
            [*chosen.parameters, *by.parameters, limit, offset],
        )
        keys = [int(row[0]) for row in rows]
        beginnings = _beginnings(store, manifest, keys, snippet) if snippet else {}
        return _summaries(store, manifest, keys, beginnings)


def count_items(store: Store, reference: str, where: Sequence[str]) -> int:
    """Return how many items of `reference` pass all filters."""
    chosen = chosen_items(store, store.resolve(reference), where)
    rows = store.catalog.rows(f"SELECT count(*) FROM ({chosen.sql})", chosen.parameters)  # noqa: S608
    return int(rows[0][0])


def check_page(offset: int, limit: int) -> None:
    """Refuse a page out of bounds.

    Raises
    ------
    InvalidArgument
        It begins below 0, or has fewer than 1 or more than 1,000 entries.
    """
    if not 0 <= offset < MAX_OFFSET:
        raise InvalidArgument("offset", offset, f"a number from 0 to {MAX_OFFSET - 1}")
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidArgument("limit", limit, f"a number from 1 to {MAX_PAGE}")


def _summaries(
    store: Store, manifest: Manifest, keys: Sequence[int], beginnings: Mapping[int, str]
) -> list[ItemSummary]:
    """Return what the catalog knows of live items, in the order of their keys given."""
    if not keys:
        return []
    version = manifest.version
    rows = store.catalog.records(
        f"WITH page AS (SELECT * FROM items WHERE item_key IN ({listed(keys)}) "  # noqa: S608
        "AND dataset_id = ? AND added <= ? AND (removed IS NULL OR removed > ?)) "
        "SELECT p.item_key, any_value(p.item_id) AS item_id, "
        "min_by(s.source, s.source_key) AS source, "
        "min_by(s.name, s.source_key) AS name, any_value(p.title) AS title, "
        "any_value(p.media_type) AS media_type, any_value(p.modality) AS modality, "
        "any_value(p.size) AS size, any_value(p.chunks) AS chunks, any_value(p.added) AS added, "
        "any_value(p.metadata) AS metadata "
        "FROM page p JOIN sources s USING (dataset_id, item_key) "
        "WHERE s.added <= ? AND (s.removed IS NULL OR s.removed > ?) GROUP BY p.item_key",
        [manifest.dataset_id, version, version, version, version],
    )
    found: dict[int, ItemSummary] = {}
    for row in rows:
        key, metadata = int(row.pop("item_key")), json.loads(row.pop("metadata"))
        made, tags, begins = model_of(metadata), tags_of(metadata), beginnings.get(key, "")
        found[key] = ItemSummary(**row, synthetic=made, tags=tags, snippet=begins)
    return [found[key] for key in keys if key in found]


def _beginnings(store: Store, manifest: Manifest, keys: Sequence[int], most: int) -> dict[int, str]:
    """Return the beginning of the text of items: of their first chunk, which the index stores."""
    if manifest.keywords is None or not keys:
        return {}
    rows = store.catalog.rows(
        "SELECT item_key, chunk_key FROM chunks WHERE dataset_id = ? AND ordinal = 0 "  # noqa: S608
        f"AND item_key IN ({listed(keys)})",
        [manifest.dataset_id],
    )
    owners = {int(chunk): int(item) for item, chunk in rows}
    found = store.generations.fetch(manifest.keywords, list(owners))
    return {owners[chunk]: str(row["text"])[:most] for chunk, row in found.items()}


def quarantine(store: Store, dataset: str | None) -> list[QuarantineInfo]:
    """Return the inputs that could not become items, newest first.

    Raises
    ------
    UnknownDataset
        There is no such dataset, and nothing of one in quarantine.
    """
    rows = store.catalog.records(
        "SELECT id, dataset, source, stage, code, reason, hint, item_id, size, created "
        "FROM quarantine WHERE dataset = ? OR ? IS NULL ORDER BY id DESC",
        [dataset, dataset],
    )
    if dataset is not None and not rows:
        store.head(dataset)
    return [QuarantineInfo(**{**row, "created": utc(row["created"])}) for row in rows]


def find_item(store: Store, item: str) -> str:
    """Return the id of the item, of any dataset, version or in quarantine, that `item` begins.

    Raises
    ------
    UnknownId
        There is none, or the prefix fits several ids.
    """
    prefix = _prefix(item, "item")
    rows = store.catalog.rows(
        "SELECT item_id FROM items WHERE starts_with(item_id, ?) "
        "UNION SELECT item_id FROM quarantine WHERE starts_with(item_id, ?)",
        [prefix, prefix],
    )
    if len(rows) != 1:
        raise UnknownId(item, "item")
    return str(rows[0][0])


def item_row(store: Store, item: str) -> dict[str, Any]:
    """Return the catalog's row of the item, of any dataset or version, that `item` begins.

    Raises
    ------
    UnknownId
        There is none, or the prefix fits several ids.
    """
    rows = store.catalog.records(
        "SELECT * FROM items WHERE starts_with(item_id, ?) "
        "ORDER BY removed IS NOT NULL, added DESC",
        [_prefix(item, "item")],
    )
    if len({row["item_id"] for row in rows}) != 1:
        raise UnknownId(item, "item")
    return rows[0]


def find_item_keys(store: Store, manifest: Manifest, item: str) -> list[int]:
    """Return the keys of the live items of a version whose id is, or begins with, `item`.

    Raises
    ------
    UnknownId
        There is none, or the prefix fits several ids.
    """
    rows = store.catalog.rows(
        "SELECT item_key, item_id FROM items WHERE dataset_id = ? AND starts_with(item_id, ?) "
        "AND added <= ? AND (removed IS NULL OR removed > ?)",
        [manifest.dataset_id, _prefix(item, "item"), manifest.version, manifest.version],
    )
    if len({row[1] for row in rows}) != 1:
        raise UnknownId(item, "item of this dataset")
    return [int(row[0]) for row in rows]


def show(store: Store, identity: str, around: int = 0) -> ItemDetail | ChunkDetail | StoredAnswer:
    """Return the item, chunk or answer that `identity` means; see `Workspace.show`."""
    check_number("around", around, 0, MAX_NEIGHBOURS)
    prefix = _prefix(identity)
    chunks = _chunks(store, "starts_with(chunk_id, ?)", [prefix])
    found: list[tuple[str, Any]] = [(row["chunk_id"], row) for row in chunks]
    rows = store.catalog.records(
        "SELECT i.*, d.name AS dataset FROM items i JOIN datasets d USING (dataset_id) "
        "WHERE starts_with(item_id, ?) ORDER BY removed IS NOT NULL, added DESC",
        [prefix],
    )
    found += [(row["item_id"], row) for row in rows]
    answers = store.catalog.rows(
        "SELECT answer_id, record FROM answers WHERE starts_with(answer_id, ?)", [prefix.upper()]
    )
    found += [(row[0], row[1]) for row in answers]
    if len({key for key, _ in found}) != 1:
        raise UnknownId(identity)
    value = found[0][1]
    if value in chunks:
        return _in_context(store, value, around)
    if around:
        raise InvalidArgument("around", around, "0 for what is no chunk")
    return _stored_answer(value) if isinstance(value, str) else _item_detail(store, value)


def _prefix(identity: str, kind: str = "item, chunk or answer") -> str:
    if len(identity) < MIN_PREFIX:
        raise UnknownId(identity, kind)
    return identity.lower()


def _chunks(store: Store, condition: str, parameters: list[object]) -> list[dict[str, Any]]:
    sql = (
        "SELECT c.*, i.item_id, d.name AS dataset FROM chunks c "  # noqa: S608
        "JOIN items i USING (dataset_id, item_key) JOIN datasets d USING (dataset_id) "
        f"WHERE {condition} "
        "QUALIFY row_number() OVER (PARTITION BY dataset_id, chunk_key ORDER BY i.added DESC) = 1 "
        "ORDER BY i.removed IS NOT NULL, c.chunk_key"
    )
    return store.catalog.records(sql, parameters)


def _chunk_detail(store: Store, row: dict[str, Any], text: str | None = None) -> ChunkDetail:
    if text is None:
        text = store.item_text(row["dataset_id"], row["item_key"])
    known = {field.name: row[field.name] for field in fields(ChunkDetail) if field.name in row}
    return ChunkDetail(**known, text=text[row["start"] : row["end"]])


def _in_context(store: Store, row: dict[str, Any], around: int) -> ChunkDetail:
    """Return a chunk with up to `around` others on each side."""
    item, ordinal = (row["dataset_id"], row["item_key"]), row["ordinal"]
    text = store.item_text(*item)
    condition = "c.dataset_id = ? AND c.item_key = ? AND c.ordinal BETWEEN ? AND ?"
    near = _chunks(store, condition, [*item, ordinal - around, ordinal + around])
    near.sort(key=lambda other: int(other["ordinal"]))
    return replace(
        _chunk_detail(store, row, text),
        before=[_neighbour(other, text) for other in near if other["ordinal"] < ordinal],
        after=[_neighbour(other, text) for other in near if other["ordinal"] > ordinal],
    )


def _neighbour(row: dict[str, Any], text: str) -> Neighbour:
    known = {field.name: row[field.name] for field in fields(Neighbour) if field.name in row}
    return Neighbour(**known, text=text[row["start"] : row["end"]])


def _item_detail(store: Store, row: dict[str, Any]) -> ItemDetail:
    dataset_id, key = row["dataset_id"], row["item_key"]
    sources = store.catalog.rows(
        "SELECT source, any_value(name) FROM sources WHERE dataset_id = ? AND item_key = ? "
        "GROUP BY source ORDER BY bool_and(removed IS NOT NULL), min(source_key)",
        [dataset_id, key],
    )
    text = store.item_text(dataset_id, key)
    chunks = _chunks(store, "c.dataset_id = ? AND c.item_key = ?", [dataset_id, key])
    return ItemDetail(
        item_id=row["item_id"],
        dataset=row["dataset"],
        sources=[source for source, _ in sources],
        name=sources[0][1],
        title=row["title"],
        media_type=row["media_type"],
        modality=row["modality"],
        size=row["size"],
        metadata=json.loads(row["metadata"]),
        added=row["added"],
        removed=row["removed"],
        text=text,
        chunks=[_chunk_detail(store, chunk, text) for chunk in chunks],
    )


def _stored_answer(record: str) -> StoredAnswer:
    from pydantic import TypeAdapter

    return TypeAdapter(StoredAnswer).validate_json(record)
