"""One vector for each item of a version: the mean direction of its chunks with words."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ragstone.ingestion.dedup.semantic import item_vectors
from ragstone.storage import living, manifests, parts
from ragstone.storage.changes import embedded

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest, PartRef


def vectors_by_item(
    root: Path, manifest: Manifest
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the keys of the items of a version, and their vectors; see `item_vectors`.

    Those that are hidden as duplicates are among them.
    """
    gone = manifests.unpack_bitmap(manifest.removed_items)
    gone -= manifests.unpack_bitmap(manifest.hidden)
    owners, vectors = owned(root, manifest.parts, manifest.space)
    alive = living.not_of(pa.table({"item_key": owners}), gone).to_numpy(zero_copy_only=False)
    return item_vectors(owners[alive], vectors[alive])


def owned(
    root: Path, of: Iterable[PartRef], space: str
) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Return the vectors of the chunks in some parts, and the keys of their items."""
    several = list(of)
    keys, vectors = embedded(root, several, space)
    tables = [
        parts.read_table(root / part.path, "chunks", ["chunk_key", "item_key"]) for part in several
    ]
    table = pa.concat_tables(tables) if tables else pa.table({"chunk_key": [], "item_key": []})
    chunk, item = (table[name].to_numpy() for name in ("chunk_key", "item_key"))
    order = np.argsort(chunk)
    places = order[np.searchsorted(chunk[order], keys)] if len(keys) else np.empty(0, np.int64)
    owners: NDArray[np.int64] = item[places].astype(np.int64)
    return owners, vectors
