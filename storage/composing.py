"""What the next version of a dataset says: its manifest, from the head and a change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyroaring import BitMap64

from ragstone.storage import living, manifests, parts, projection
from ragstone.storage.catalog import now
from ragstone.storage.manifests import GenerationRef, Manifest, SegmentRef

if TYPE_CHECKING:
    from ragstone.storage.changes import Change
    from ragstone.storage.store import Store

_COLUMNS = ["source", "item_key", "item_id", "work_key"]


def next_manifest(
    store: Store,
    change: Change,
    message: str,
    settings: str,
    segments: list[SegmentRef],
    generation: GenerationRef | None,
) -> Manifest:
    """Return the sealed manifest of the version after `change.head`."""
    head, live = change.head, _live_rows(store, change)
    manifest = Manifest(
        dataset_id=change.dataset_id,
        dataset=change.name,
        version=head.version + 1 if head else 1,
        parent=head.digest if head else None,
        message=message,
        created=created_after(head),
        settings=settings,
        space=change.space,
        encoder=change.encoder or (head.encoder if head else ""),
        content=projection.content_digest(live),
        items=len(live["item_key"].unique()),
        chunks=generation.chunks if generation else 0,
        added=change.added + len(change.returning) - len(change.hidden - change.hidden_before),
        removed=len(change.removed_items - change.hidden_before),
        next_item=change.next_item,
        next_source=change.next_source,
        next_chunk=change.next_chunk,
        parts=[*(head.parts if head else []), *change.parts],
        segments=segments,
        keywords=generation,
        removed_items=manifests.pack_bitmap(change.tombstones),
        removed_sources=_joined(head.removed_sources if head else "", change.removed_sources),
        media=change.media,
        pairs=[*(head.pairs if head else []), *change.pairs],
        policy=change.policy,
        hidden=manifests.pack_bitmap(change.hidden) if change.hidden else "",
        cursors={**(head.cursors if head else {}), **change.cursors},
        fusion=head.fusion if head else None,
    )
    return manifests.seal(manifest)


def created_after(head: Manifest | None) -> str:
    """Return the time of the next version: later than its parent's, whatever the clock does."""
    moment = now()
    if head:
        moment = max(moment, head.created_at + timedelta(milliseconds=1))
    return _to_milliseconds(moment)


def _to_milliseconds(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def chunks_of(store: Store, change: Change, items: BitMap64) -> BitMap64:
    """Return the chunk keys of `items` of earlier versions."""
    if not items:
        return BitMap64()
    keys = listed(items)
    sql = f"SELECT chunk_key FROM chunks WHERE dataset_id = ? AND item_key IN ({keys})"  # noqa: S608
    return BitMap64(store.catalog.table(sql, [change.dataset_id])["chunk_key"].to_numpy())


def listed(keys: Iterable[int]) -> str:
    """Return `keys` as an SQL list; for lists too long to bind one by one."""
    return ", ".join(str(int(key)) for key in keys)


def _live_rows(store: Store, change: Change) -> pa.Table:
    """Return (source, item_key, item_id, work_key) of what the next version holds."""
    old = store.live_sources(change.head, hidden=True)
    gone = pa.array(list(change.removed_sources), pa.int64())
    kept = old.filter(pc.invert(pc.is_in(old["source_key"], gone)))
    every = pa.concat_tables([kept.select(_COLUMNS), *_new_rows(store, change, kept)])
    return every.filter(living.not_of(every, change.hidden))


def _new_rows(store: Store, change: Change, old: pa.Table) -> list[pa.Table]:
    schema = old.select(_COLUMNS).schema
    folders = [change.root / part.path for part in change.parts]
    if not folders:
        return []
    sources = pa.concat_tables(parts.read_table(f, "sources") for f in folders)
    gone = pa.array(list(change.removed_sources), pa.int64())
    sources = sources.filter(pc.invert(pc.is_in(sources["source_key"], gone)))
    fields = ["item_key", "item_id", "work_key"]
    items = pa.concat_tables(parts.read_table(f, "items", fields) for f in folders)
    known = pa.concat_tables([items, _known_items(store, change, sources, items, fields)])
    joined = sources.select(["source", "item_key"]).join(known, "item_key", join_type="inner")
    return [joined.select(_COLUMNS).cast(schema)]


def _known_items(
    store: Store, change: Change, sources: pa.Table, items: pa.Table, fields: list[str]
) -> pa.Table:
    """Return the items of earlier versions that new sources (duplicates) point to."""
    fresh = set(items["item_key"].to_pylist())
    older = sorted(set(sources["item_key"].to_pylist()) - fresh)
    if not older:
        return items.slice(0, 0)
    table = store.catalog.table(
        f"SELECT DISTINCT {', '.join(fields)} FROM items "  # noqa: S608
        f"WHERE dataset_id = ? AND item_key IN ({listed(older)})",
        [change.dataset_id],
    )
    return table.cast(items.schema)


def _joined(old: str, new: BitMap64) -> str:
    return manifests.pack_bitmap(manifests.unpack_bitmap(old) | new)
