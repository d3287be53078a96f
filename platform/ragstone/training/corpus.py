"""The texts of a dataset version, parted into those to learn from and those to validate by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blake3 import blake3

from ragstone.errors import InvalidArgument
from ragstone.ingestion.dedup.settling import outcome_of
from ragstone.storage import manifests, parts

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

HELD_OUT = 0.1  # of the items, or of the end of each
_FEW = 20  # items; of fewer, the end of each is held out
_LICENCES = ("licence", "license")  # keys of metadata


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts of a version, in the order of their items' ids."""

    training: list[str]
    held_out: list[str]
    how: str  # what is held out, in words
    licences: list[str]


def read_corpus(store: Store, manifest: Manifest) -> Corpus:
    """Return the texts of a version.

    Whether an item is held out is decided by its id, or by the least id of the duplicate group that
    it is in: so it stays on its side in every version, and its duplicates with it.

    Raises
    ------
    InvalidArgument
        It has no text.
    """
    found = sorted(_texts(store, manifest))
    if not found:
        raise InvalidArgument("dataset", manifest.dataset, "one that holds text")
    licences = sorted({licence for _, _, licence in found if licence})
    if len(found) < _FEW:
        cuts = [round(len(text) * (1 - HELD_OUT)) for _, text, _ in found]
        texts = [text for _, text, _ in found]
        how = f"the last {HELD_OUT:.0%} of each of {len(found)} items"
        first = [text[:cut] for text, cut in zip(texts, cuts, strict=True)]
        return Corpus(first, [t[c:] for t, c in zip(texts, cuts, strict=True)], how, licences)
    leaders = _leaders(store, manifest)
    sides: tuple[list[str], list[str]] = ([], [])
    for item_id, text, _ in found:
        sides[_is_held_out(leaders.get(item_id, item_id))].append(text)
    how = f"{HELD_OUT:.0%} of the items, by their ids, duplicates together"
    return Corpus(*sides, how, licences)


def _is_held_out(item_id: str) -> bool:
    return int.from_bytes(blake3(item_id.encode()).digest()[:4]) < HELD_OUT * 2**32


def _texts(store: Store, manifest: Manifest) -> Iterator[tuple[str, str, str]]:
    """Yield id, text and licence of each living item that has a text."""
    removed = manifests.unpack_bitmap(manifest.removed_items)
    columns = ["item_key", "item_id", "text", "metadata"]
    for part in manifest.parts:
        for row in parts.read_table(store.root / part.path, "items", columns).to_pylist():
            if row["item_key"] not in removed and row["text"].strip():
                metadata = json.loads(row["metadata"])
                licence = next((str(metadata[k]) for k in _LICENCES if metadata.get(k)), "")
                yield row["item_id"], row["text"], licence


def _leaders(store: Store, manifest: Manifest) -> dict[str, str]:
    """Return the least item id of the duplicate groups that an item is in, directly or not."""
    ids = {
        int(key): str(item)
        for key, item in store.catalog.rows(
            "SELECT item_key, item_id FROM items WHERE dataset_id = ?", [manifest.dataset_id]
        )
    }
    parent: dict[str, str] = {}

    def leader(item: str) -> str:
        while parent.get(item, item) != item:
            item = parent[item]
        return item

    for group in outcome_of(store, f"{manifest.dataset}@{manifest.version}").groups:
        leaders = sorted({leader(ids[key]) for key in group.members})
        for one in leaders:
            parent[one] = leaders[0]
    return {item: leader(item) for item in ids.values()}
