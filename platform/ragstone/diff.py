"""What changed between two versions, of one dataset or of two: source by source, field by field.

The catalog finds and counts what differs; texts are read only for the items that are listed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ragstone.comparison import field_changes, text_change
from ragstone.errors import CollectedVersion, DamagedFile, InvalidArgument
from ragstone.listing import MAX_OFFSET
from ragstone.schemas.api import (
    ComparedVersion,
    DiffCounts,
    FieldChange,
    ItemChange,
    VersionDiff,
)
from ragstone.schemas.synthetic import model_of
from ragstone.storage import living

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

MAX_LISTED = 200  # of each kind; both texts of every changed one are read

_KINDS = ("added", "removed", "moved", "changed")

# $1, $2: dataset and version before; $3, $4: after. A source of which the other version has the
# bytes elsewhere has moved; of several with the same bytes the first goes with the first.
_PAIRS = """
WITH old AS (
    SELECT s.source, s.name, s.item_key, i.item_id, i.work_key
    FROM sources s JOIN items i USING (dataset_id, item_key)
    WHERE s.dataset_id = $1 AND s.added <= $2 AND (s.removed IS NULL OR s.removed > $2)
    AND i.added <= $2 AND (i.removed IS NULL OR i.removed > $2)
), new AS (
    SELECT s.source, s.name, s.item_key, i.item_id, i.work_key
    FROM sources s JOIN items i USING (dataset_id, item_key)
    WHERE s.dataset_id = $3 AND s.added <= $4 AND (s.removed IS NULL OR s.removed > $4)
    AND i.added <= $4 AND (i.removed IS NULL OR i.removed > $4)
), gone AS (
    SELECT *, row_number() OVER (PARTITION BY item_id ORDER BY source) AS turn
    FROM old ANTI JOIN new USING (source)
), come AS (
    SELECT *, row_number() OVER (PARTITION BY item_id ORDER BY source) AS turn
    FROM new ANTI JOIN old USING (source)
), pairs AS (
    SELECT CASE WHEN o.item_id = n.item_id AND o.work_key = n.work_key THEN 'same'
           ELSE 'changed' END AS kind,
           source, source AS was, o.name AS old_name, n.name AS new_name,
           o.item_key AS old_key, n.item_key AS new_key
    FROM old o JOIN new n USING (source)
    UNION ALL
    SELECT CASE WHEN o.source IS NULL THEN 'added' WHEN n.source IS NULL THEN 'removed'
           ELSE 'moved' END,
           coalesce(n.source, o.source), o.source, o.name, n.name, o.item_key, n.item_key
    FROM gone o FULL JOIN come n USING (item_id, turn)
)
"""
_COUNT = _PAIRS + "SELECT kind, count(*) FROM pairs GROUP BY kind"  # noqa: S608
_PAGE = (
    _PAIRS + "SELECT * FROM pairs WHERE kind <> 'same' "  # noqa: S608
    "QUALIFY row_number() OVER (PARTITION BY kind ORDER BY source) BETWEEN $5 + 1 AND $5 + $6 "
    "ORDER BY source"
)

# Only items that are not the same on both sides can have other chunks.
_CHUNKS = """
WITH old AS (
    SELECT item_key, item_id, work_key FROM items
    WHERE dataset_id = $1 AND added <= $2 AND (removed IS NULL OR removed > $2)
), new AS (
    SELECT item_key, item_id, work_key FROM items
    WHERE dataset_id = $3 AND added <= $4 AND (removed IS NULL OR removed > $4)
), other AS (
    SELECT item_id FROM old ANTI JOIN new USING (item_id, work_key)
    UNION SELECT item_id FROM new ANTI JOIN old USING (item_id, work_key)
), old_chunks AS (
    SELECT DISTINCT chunk_id FROM chunks WHERE dataset_id = $1
    AND item_key IN (SELECT item_key FROM old SEMI JOIN other USING (item_id))
), new_chunks AS (
    SELECT DISTINCT chunk_id FROM chunks WHERE dataset_id = $3
    AND item_key IN (SELECT item_key FROM new SEMI JOIN other USING (item_id))
)
SELECT (SELECT count(*) FROM new_chunks ANTI JOIN old_chunks USING (chunk_id)),
       (SELECT count(*) FROM old_chunks ANTI JOIN new_chunks USING (chunk_id))
"""

Row = dict[str, Any]


def diff(
    store: Store,
    before: str,
    after: str | None = None,
    *,
    limit: int = 50,
    offset: int = 0,
    text: bool = True,
) -> VersionDiff:
    """Compare two versions by the sources they hold.

    Parameters
    ----------
    before, after
        References ("D", "D@3", "D@tag", "D@2026-11-21T10:00Z"). Without `after`, the version
        `before` is compared with the one it followed, or with nothing when it is the first.
    limit, offset
        Which of each kind (added, removed, moved, changed) to list, ordered by source; the counts
        are of all.
    text
        Compare the texts of listed items too.

    Raises
    ------
    UnknownDataset, UnknownVersion
        One of them is not there.
    CollectedVersion
        One of them was removed by `gc`, or all that came before the only one named.
    InvalidArgument
        `limit` or `offset` is out of bounds.
    """
    if not 0 <= limit <= MAX_LISTED:
        raise InvalidArgument("limit", limit, f"a number from 0 to {MAX_LISTED}")
    if not 0 <= offset < MAX_OFFSET:
        raise InvalidArgument("offset", offset, f"a number from 0 to {MAX_OFFSET - 1}")
    with store.shared():
        new = store.resolve(before if after is None else after)
        old = _predecessor(store, new) if after is None else store.resolve(before)
        return VersionDiff(
            before=_compared(store, old, new.dataset),
            after=_compared(store, new, new.dataset),
            counts=_counts(store, old, new),
            items=_items(store, old, new, offset, limit, text=text),
        )


def _predecessor(store: Store, manifest: Manifest) -> Manifest | None:
    """Return the newest kept version before `manifest`; None when there was never one."""
    if manifest.parent is None:
        return None
    kept = [m for m in store.history(manifest.dataset_id) if m.version < manifest.version]
    if not kept:
        raise CollectedVersion(manifest.dataset, manifest.version - 1)
    return kept[-1]


def _compared(store: Store, manifest: Manifest | None, dataset: str) -> ComparedVersion:
    if manifest is None:
        return ComparedVersion(dataset, 0, "", 0, 0, "", "")
    return ComparedVersion(
        dataset=manifest.dataset,
        version=manifest.version,
        digest=manifest.digest,
        items=manifest.items,
        chunks=manifest.chunks,
        space=manifest.space,
        settings=manifest.settings,
        synthetic=living.synthetic(store.catalog, manifest),
    )


def _sides(old: Manifest | None, new: Manifest) -> list[object]:
    """Return the parameters $1 to $4."""
    before = [old.dataset_id, old.version] if old else ["", 0]
    return [*before, new.dataset_id, new.version]


def _counts(store: Store, old: Manifest | None, new: Manifest) -> DiffCounts:
    counts = dict(store.catalog.rows(_COUNT, _sides(old, new)))
    ((come, gone),) = store.catalog.rows(_CHUNKS, _sides(old, new))
    return DiffCounts(
        **{kind: int(counts.get(kind, 0)) for kind in (*_KINDS, "same")},
        chunks_added=come,
        chunks_removed=gone,
    )


# ---------------------------------------------------------------- items


def _items(
    store: Store, old: Manifest | None, new: Manifest, offset: int, limit: int, *, text: bool
) -> list[ItemChange]:
    page = store.catalog.records(_PAGE, [*_sides(old, new), offset, limit])
    page.sort(key=lambda row: _KINDS.index(row["kind"]))  # stable: within a kind by source
    before = _details(store, old, page, "old") if old else {}
    after = _details(store, new, page, "new")
    if text:
        differ = [row for row in page if _may_read_differently(row, before, after)]
        if old:
            _add_texts(store, old, [before[row["old_key"]] for row in differ])
        _add_texts(store, new, [after[row["new_key"]] for row in differ])
    return [_item_change(row, before, after) for row in page]


def _details(store: Store, manifest: Manifest, page: list[Row], side: str) -> dict[int, Row]:
    """Return what the catalog knows of the items of one side of `page`, by item key."""
    keys = [row[f"{side}_key"] for row in page if row[f"{side}_key"] is not None]
    rows = store.catalog.records(
        "SELECT item_key, item_id, work_key, title, media_type, modality, size, chunks, metadata, "
        "part FROM items WHERE dataset_id = $1 AND added <= $2 AND "
        "(removed IS NULL OR removed > $2) AND list_contains($3, item_key)",
        [manifest.dataset_id, manifest.version, keys],
    )
    return {row["item_key"]: row for row in rows}


def _may_read_differently(pair: Row, before: dict[int, Row], after: dict[int, Row]) -> bool:
    """Tell whether both sides have an item and not the very same one (bytes and settings)."""
    if pair["kind"] not in {"changed", "moved"}:
        return False
    old, new = before[pair["old_key"]], after[pair["new_key"]]
    return (old["item_id"], old["work_key"]) != (new["item_id"], new["work_key"])


def _item_change(pair: Row, before: dict[int, Row], after: dict[int, Row]) -> ItemChange:
    old, new = before.get(pair["old_key"]), after.get(pair["new_key"])
    fields: list[FieldChange] = []
    text = None
    if old and new:
        fields = field_changes({**old, "name": pair["old_name"]}, {**new, "name": pair["new_name"]})
        if "text" in old and "text" in new:  # else they were not asked for, or cannot differ
            text = text_change(old["text"], new["text"])
    shown = new or old
    assert shown  # a source has an item in the version that holds it
    return ItemChange(
        kind=pair["kind"],
        source=pair["source"],
        was=pair["was"] if pair["kind"] == "moved" else None,
        name=pair["new_name"] if new else pair["old_name"],
        title=shown["title"],
        before=old["item_id"] if old else None,
        after=new["item_id"] if new else None,
        fields=fields,
        text=text,
        synthetic=model_of(json.loads(shown["metadata"])),
    )


def _add_texts(store: Store, manifest: Manifest, items: Iterable[Row]) -> None:
    """Read the texts of `items`, each part once, and put them in as `text`."""
    paths = {part.id: store.root / part.path / "items.parquet" for part in manifest.parts}
    wanted: dict[str, dict[int, Row]] = defaultdict(dict)
    for item in items:
        wanted[item["part"]][item["item_key"]] = item
    for part, rows in wanted.items():
        path = paths[part]
        try:
            found = pq.read_table(
                path, columns=["item_key", "text"], filters=[("item_key", "in", list(rows))]
            )
        except (OSError, pa.ArrowInvalid) as error:
            raise DamagedFile(path, str(error)) from error
        for row in found.to_pylist():
            rows[row["item_key"]]["text"] = row["text"]
        if any("text" not in row for row in rows.values()):
            raise DamagedFile(path, "it lacks items that the catalog has")
