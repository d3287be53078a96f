"""Which items of a dataset version a training learns from, and which it is validated by.

Whether an item is held out is decided by its id, or by the least id of the duplicate group that it
is in: so it stays on its side in every version, and its duplicates with it. Left out altogether
are items that models made, and items that hold a question which answers are measured by.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from ragstone.errors import InvalidArgument
from ragstone.ingestion.dedup.settling import outcome_of
from ragstone.schemas.synthetic import MARK
from ragstone.storage import manifests, parts
from ragstone.storage.living import made_by_models
from ragstone.training.questioned import Questions

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

Row = Mapping[str, Any]

HELD_OUT = 0.1  # of the items, or of the end of each
FEW = 20  # items; of fewer texts, the end of each is held out
BY_ITEMS = f"{HELD_OUT:.0%} of the items, by their ids, duplicates together"
_LICENCES = ("licence", "license")  # keys of metadata
_ALWAYS = ("item_key", "item_id", "modality", "text", "metadata")


@dataclass(frozen=True, slots=True)
class Division:
    """What a training may use of a version."""

    held_out: Mapping[str, bool]  # by item id, in the order of the ids
    how: str  # what is held out, in words
    licences: list[str]
    left_out: dict[str, int]  # items by reason


def divide(
    store: Store, manifest: Manifest, usable: Callable[[Row], bool], *, synthetic: bool = False
) -> Division:
    """Decide for each item of a version that is `usable` on which side it is.

    Parameters
    ----------
    usable
        Told of a row of the table of items, with `modality`, `text` and `metadata`, read.
    synthetic
        Take items that a model made, too.

    Raises
    ------
    InvalidArgument
        None is left.
    """
    questions = Questions(_questions(store, manifest))
    licences, left_out, ids = set[str](), Counter[str](), []
    for row in living_rows(store, manifest):
        if not usable(row):
            continue
        if row["metadata"].get(MARK) and not synthetic:
            left_out["made by a model"] += 1
        elif questions.asked_in(row["text"]):
            left_out["holds a golden query"] += 1
        else:
            ids.append(row["item_id"])
            licences |= licences_of(row["metadata"])
    if not ids:
        raise nothing_left(manifest.dataset, left_out)
    leaders = _leaders(store, manifest)
    sides = {item: _is_held_out(leaders.get(item, item)) for item in sorted(ids)}
    return Division(sides, BY_ITEMS, sorted(licences), dict(left_out))


def licences_of(metadata: Mapping[str, Any]) -> set[str]:
    """Return the licences that the metadata of an item name."""
    return {str(metadata[key]) for key in _LICENCES if metadata.get(key)}


def living_rows(
    store: Store, manifest: Manifest, columns: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Yield `columns` of each item of a version, and always those of `_ALWAYS`."""
    removed = manifests.unpack_bitmap(manifest.removed_items)
    wanted = [*_ALWAYS, *columns]
    for part in manifest.parts:
        for batch in parts.read_table(store.root / part.path, "items", wanted).to_batches():
            for row in batch.to_pylist():
                if row["item_key"] not in removed:
                    yield {**row, "metadata": json.loads(row["metadata"])}


def is_held_out(store: Store, manifest: Manifest, item_id: str) -> bool:
    """Tell on which side an item of a version is, when it is used."""
    return _is_held_out(_leaders(store, manifest).get(item_id, item_id))


def _is_held_out(item_id: str) -> bool:
    return int.from_bytes(blake3(item_id.encode()).digest()[:4]) < HELD_OUT * 2**32


def _questions(store: Store, manifest: Manifest) -> list[str]:
    sql = "SELECT DISTINCT query FROM golden_queries WHERE dataset_id = ?"
    return [str(query) for (query,) in store.catalog.rows(sql, [manifest.dataset_id])]


def nothing_left(dataset: str, left_out: Mapping[str, int]) -> InvalidArgument:
    """Return the error of a version without items to learn from, which says why each is out."""
    reasons = ", ".join(f"{number:,}: {reason}" for reason, number in left_out.items())
    expected = "one with items of this kind" + (f"; left out are {reasons}" if reasons else "")
    return InvalidArgument("dataset", dataset, expected)


def _leaders(store: Store, manifest: Manifest) -> dict[str, str]:
    """Return the least item id of the duplicate groups that an item is in, directly or not.

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
        leaders = sorted({leader(ids[key]) for key in group.members}, key=lambda i: (i in made, i))
        for one in leaders:
            parent[one] = leaders[0]
    return {item: leader(item) for item in ids.values()}


def _made_by_models(store: Store, manifest: Manifest) -> set[str]:
    """Return the ids of the items that models made, in the parts of a version."""
    if not manifest.synthetic_parts:
        return set()
    sql = f"SELECT item_id FROM items i WHERE dataset_id = ? AND {made_by_models(manifest)}"  # noqa: S608
    return {str(item) for (item,) in store.catalog.rows(sql, [manifest.dataset_id])}
