"""Rows of parts on their way into an export: what belongs to an item, and vectors of chunks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ragstone.exchange.layout import SIGNATURE, SOURCE, vectors_type
from ragstone.storage import manifests, parts

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest, PartRef

Keys = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ByItem:
    """Rows that belong to items: several may belong to one, and none."""

    keys: Keys  # of the items, ascending; one for each entry
    entries: pa.StructArray

    @classmethod
    def of(cls, table: pa.Table, kind: pa.StructType) -> ByItem:
        """Take the fields of `kind` from `table`; rows of one item stay in their order."""
        table = table.take(np.argsort(table["item_key"].to_numpy(), kind="stable"))
        columns = [table[field.name].combine_chunks() for field in kind]
        entries = pa.StructArray.from_arrays(columns, fields=list(kind))
        return cls(table["item_key"].to_numpy(), entries)

    def of_items(self, keys: Keys) -> pa.ListArray:
        """Return the list of each of the items `keys`."""
        begin = np.searchsorted(self.keys, keys, "left")
        counts = np.searchsorted(self.keys, keys, "right") - begin
        offsets = np.concatenate([[0], np.cumsum(counts)])
        chosen = np.arange(offsets[-1]) + np.repeat(begin - offsets[:-1], counts)
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), self.entries.take(chosen))


def live_sources(tables: Iterable[pa.Table], manifest: Manifest) -> ByItem:
    """Return the sources of the items that a version shows; `tables` are those of its parts."""
    every = pa.concat_tables([parts.TABLES["sources"].empty_table(), *tables])
    table = without(every, "source_key", manifest.removed_sources)
    table = without(table, "item_key", manifest.removed_items)
    return ByItem.of(table.sort_by("source_key"), SOURCE)


def signatures(root: Path, part: PartRef) -> ByItem:
    """Return the signatures of the items of a part; one of format 1 has none."""
    if "signatures.parquet" in part.files:
        table = parts.read_table(root / part.path, "signatures")
    else:
        table = parts.TABLES["signatures"].empty_table()
    return ByItem.of(table, SIGNATURE)


def vectors(root: Path, part: PartRef, keys: Keys, space: str, dimension: int) -> pa.Array:
    """Return the vectors of the chunks `keys` in `space`, null where a chunk has none."""
    kind = vectors_type(dimension)
    if space not in parts.spaces_of(part):
        return pa.nulls(len(keys), kind)
    known, rows = parts.read_embedded(root / part.path, space)
    if not len(known):
        return pa.nulls(len(keys), kind)
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known, keys, sorter=order), len(known) - 1)
    found = order[place]  # shape (len(keys),); the right row only where `has` is true
    has = known[found] == keys
    flat = np.where(has[:, None], rows[found], np.float16(0)).ravel()
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=kind, mask=pa.array(~has))


def without(table: pa.Table, column: str, removed: str) -> pa.Table:
    """Return the rows of `table` whose key is not in the bitmap `removed`."""
    gone = manifests.unpack_bitmap(removed)
    if not gone:
        return table
    keep = np.isin(table[column].to_numpy(), np.fromiter(gone, np.int64, len(gone)), invert=True)
    return table.filter(pa.array(keep))
