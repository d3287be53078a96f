"""A version as any process can read it: its files, and what of it only the catalog knows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragstone.ingestion.dedup.settling import outcome_of
from ragstone.storage import manifests, parts
from ragstone.storage.blobs import Blobs
from ragstone.storage.living import made_by_models

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_ALWAYS = ("item_key", "item_id", "modality", "text", "metadata")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a training reads; plain data, so it can be handed to another process.

    Whoever reads it has to see to it that no file is deleted meanwhile (`Store.shared`).

    Parameters
    ----------
    root
        Folder of the workspace.
    questions
        Golden queries of the dataset.
    leaders
        By item id, where they differ: the least item id of the duplicate groups that the item is
        in, directly or not.
    """

    root: Path
    manifest: Manifest
    questions: tuple[str, ...]
    leaders: Mapping[str, str]

    @classmethod
    def of(cls, store: Store, manifest: Manifest) -> Snapshot:
        """Read from the catalog what other processes cannot."""
        sql = "SELECT DISTINCT query FROM golden_queries WHERE dataset_id = ?"
        questions = (str(query) for (query,) in store.catalog.rows(sql, [manifest.dataset_id]))
        return cls(store.root, manifest, tuple(questions), leaders(store, manifest))

    @property
    def blobs(self) -> Blobs:
        """The bytes of items that are not kept in the parts."""
        return Blobs(self.root / "blobs")

    def rows(self, columns: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """See `living_rows`."""
        return living_rows(self.root, self.manifest, columns)


def living_rows(
    root: Path, manifest: Manifest, columns: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Yield `columns` of each item of a version, and always those of `_ALWAYS`.

    Parameters
    ----------
    root
        Folder of the workspace.
    """
    removed = manifests.unpack_bitmap(manifest.removed_items)
    wanted = [*_ALWAYS, *columns]
    for part in manifest.parts:
        for batch in parts.read_table(root / part.path, "items", wanted).to_batches():
            for row in batch.to_pylist():
                if row["item_key"] not in removed:
                    yield {**row, "metadata": json.loads(row["metadata"])}


def leaders(store: Store, manifest: Manifest) -> dict[str, str]:
    """Return the least item id of the duplicate groups that an item is in, where it is another.

    What a model made leads only what models made: it does not change the side of another.
    """
    ids = {
        int(key): str(item)
        for key, item in store.catalog.rows(
            "SELECT item_key, item_id FROM items WHERE dataset_id = ?", [manifest.dataset_id]
        )
    }
    made = _made_by_models(store, manifest)
    parent: dict[str, str] = {}

    def leader(item: str) -> str:
        while parent.get(item, item) != item:
            item = parent[item]
        return item

    for group in outcome_of(store, f"{manifest.dataset}@{manifest.version}").groups:
        heads = sorted({leader(ids[key]) for key in group.members}, key=lambda i: (i in made, i))
        for one in heads:
            parent[one] = heads[0]
    return {item: leader(item) for item in parent if leader(item) != item}


def _made_by_models(store: Store, manifest: Manifest) -> set[str]:
    """Return the ids of the items that models made, in the parts of a version."""
    if not manifest.synthetic_parts:
        return set()
    sql = f"SELECT item_id FROM items i WHERE dataset_id = ? AND {made_by_models(manifest)}"  # noqa: S608
    return {str(item) for (item,) in store.catalog.rows(sql, [manifest.dataset_id])}
