"""What lives in a version, as the catalog tells it, and as the parts themselves do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyroaring import BitMap64

from ragstone.errors import DamagedFile
from ragstone.schemas.synthetic import MODEL
from ragstone.storage import manifests, parts
from ragstone.storage.catalog import Catalog
from ragstone.storage.manifests import Manifest, PartRef


def sources(catalog: Catalog, manifest: Manifest | None, *, hidden: bool = False) -> pa.Table:
    """Return the source objects of a version, one row each, none for None.

    Columns: source_key, source, item_key, item_id, work_key.

    Parameters
    ----------
    hidden
        Those of the items that are hidden as duplicates, too.
    """
    version = manifest.version if manifest else 0
    visible = catalog.table(
        "SELECT s.source_key, s.source, s.item_key, i.item_id, i.work_key "
        "FROM sources s JOIN items i USING (dataset_id, item_key) "
        "WHERE s.dataset_id = ? AND s.added <= ? AND (s.removed IS NULL OR s.removed > ?) "
        "AND i.added <= ? AND (i.removed IS NULL OR i.removed > ?)",
        [manifest.dataset_id if manifest else "", version, version, version, version],
    )
    if not (hidden and manifest and manifest.hidden):
        return visible
    return pa.concat_tables([visible, _hidden_sources(catalog, manifest).cast(visible.schema)])


def _hidden_sources(catalog: Catalog, manifest: Manifest) -> pa.Table:
    listed = ", ".join(map(str, manifests.unpack_bitmap(manifest.hidden)))
    return catalog.table(
        "SELECT DISTINCT s.source_key, s.source, s.item_key, i.item_id, i.work_key "  # noqa: S608
        "FROM sources s JOIN items i USING (dataset_id, item_key) "
        "WHERE s.dataset_id = ? AND s.added <= ? AND (s.removed IS NULL OR s.removed > ?) "
        f"AND s.item_key IN ({listed})",
        [manifest.dataset_id, manifest.version, manifest.version],
    )


def shared_sources(catalog: Catalog, dataset_id: str, version: int) -> dict[int, tuple[str, str]]:
    """Return (source, name) of the items that have, or had, more than one source object."""
    rows = catalog.rows(
        "SELECT item_key, min_by(source, source_key), min_by(name, source_key) FROM sources "
        "WHERE dataset_id = ? AND added <= ? AND (removed IS NULL OR removed > ?) "
        "AND item_key IN (SELECT item_key FROM sources WHERE dataset_id = ? "
        "GROUP BY item_key HAVING count(*) > 1) GROUP BY item_key",
        [dataset_id, version, version, dataset_id],
    )
    return {int(key): (str(source), str(name)) for key, source, name in rows}


def chunks(catalog: Catalog, manifest: Manifest) -> BitMap64 | None:
    """Return the chunk keys of a version; None when its indexes hold no others."""
    if manifest.chunks == _indexed(manifest):
        return None
    table = catalog.table(
        "SELECT c.chunk_key FROM chunks c JOIN items i USING (dataset_id, item_key) "
        "WHERE c.dataset_id = ? AND i.added <= ? AND (i.removed IS NULL OR i.removed > ?)",
        [manifest.dataset_id, manifest.version, manifest.version],
    )
    return BitMap64(table["chunk_key"].to_numpy())


def _indexed(manifest: Manifest) -> int:
    """Count the chunks in a version's vector segments; one may be in several spaces."""
    if len({segment.space for segment in manifest.segments}) < 2:
        return sum(segment.vectors for segment in manifest.segments)
    held = (manifests.unpack_bitmap(segment.keys) for segment in manifest.segments)
    return len(BitMap64.union(*held))


def synthetic(catalog: Catalog, manifest: Manifest) -> int:
    """Count the items of a version that a model made."""
    if not manifest.synthetic_parts:
        return 0
    ((count,),) = catalog.rows(
        "SELECT count(*) FROM items i WHERE i.dataset_id = ? AND i.added <= ? "  # noqa: S608
        f"AND (i.removed IS NULL OR i.removed > ?) AND {made_by_models(manifest)}",
        [manifest.dataset_id, manifest.version, manifest.version],
    )
    return int(count)


def made_by_models(manifest: Manifest) -> str:
    """Return SQL that tells whether a model made item `i` of a version, which holds such items.

    Only the parts that hold some are looked into.
    """
    listed = ", ".join(f"'{part}'" for part in manifest.synthetic_parts)
    return f"(i.part IN ({listed}) AND json_extract_string(i.metadata, '$.{MODEL}') IS NOT NULL)"


def chunks_in(root: Path, of: Iterable[PartRef], manifest: Manifest) -> BitMap64:
    """Return the chunk keys in the parts `of` whose items `manifest` has not removed."""
    removed = manifests.unpack_bitmap(manifest.removed_items)
    live = BitMap64()
    for part in of:
        table = parts.read_table(root / part.path, "chunks", ["chunk_key", "item_key"])
        live |= BitMap64(table.filter(not_of(table, removed))["chunk_key"].to_numpy())
    return live


def not_of(table: pa.Table, items: BitMap64) -> pa.Array:
    """Return which rows are of none of `items`."""
    keys = np.fromiter(items, np.int64, len(items))
    return pa.array(~np.isin(table["item_key"].to_numpy(), keys))


def part_folder(root: Path, history: list[Manifest], part_id: str) -> Path:
    """Return the folder with the rows of a part, where the newest version that names it has it.

    Raises
    ------
    DamagedFile
        No version names it.
    """
    for manifest in reversed(history):
        for part in manifest.parts:
            if part.id == part_id:
                return root / part.path
    raise DamagedFile(root / "datasets", f"no version names part {part_id}")
