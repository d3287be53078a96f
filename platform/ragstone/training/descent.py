"""Which models have an item in the version that they learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ragstone.schemas.synthetic import MARK, model_of
from ragstone.schemas.tracing import LearntModel, LearntSide, MadeBy
from ragstone.training.dividing import BY_ITEMS, is_held_out
from ragstone.training.registry import Registry
from ragstone.training.snapshots import leaders

if TYPE_CHECKING:
    from ragstone.schemas.models import ModelInfo
    from ragstone.storage.store import Store

KNN = "+knn"


def models_with(store: Store, items: Sequence[str]) -> list[LearntModel]:
    """Return the models, and the datastores beside them, whose version held one of `items`.

    One that was left out then, since a model made it or it holds a golden query, was in the version
    all the same. A model from another workspace counts where its version has the same digest here.
    Trainings that are not finished are not named: see `Registry.unfinished`.
    """
    found = []
    for info in Registry(store.root / "models").all():
        name, data = f"{info.name}@{info.number}", f"{info.data.dataset}@{info.data.version}"
        held = _held(store, data, info.data.digest, items)
        if held:
            found.append(LearntModel(name, data, _side(store, info, held)))
        if info.datastore is None:
            continue
        # An older datastore does not say what it holds; most hold what their model learnt from.
        holds = info.datastore.data or data
        digest = info.datastore.data_digest or info.data.digest
        if _held(store, holds, digest, items):
            found.append(LearntModel(f"{name}{KNN}", holds, "training"))
    return found


def made_by(store: Store, models: Sequence[LearntModel]) -> list[str]:
    """Return the ids of the items, of any dataset and version, that one of `models` made.

    A model is known by the digest of its weights: another workspace may call it otherwise.
    """
    registry = Registry(store.root / "models")
    digests = {registry.info(model.name.removesuffix(KNN)).digest for model in models}
    if not digests:
        return []
    rows = store.catalog.rows(
        "SELECT DISTINCT item_id FROM items WHERE contains(CAST(metadata AS VARCHAR), ?) "  # noqa: S608
        f"AND list_contains(?, json_extract_string(metadata, '$.{MARK}.digest')) ORDER BY item_id",
        [f'"{MARK}"', sorted(digests)],
    )
    return [str(item) for (item,) in rows]


def origin(store: Store, metadata: Mapping[str, Any]) -> MadeBy | None:
    """Return what the metadata of an item says of the model that made it; None for no model."""
    if not model_of(metadata):
        return None
    note = metadata[MARK]
    digest = str(note.get("digest", ""))
    registry = Registry(store.root / "models")
    return MadeBy(
        model=note["model"],
        digest=digest,
        known=any(info.digest == digest for info in registry.all()),
        run=str(note.get("run", "")),
        data=str(note.get("data", "")),
        seed=int(note.get("seed", 0)),
        number=int(note.get("number", 0)),
        conditions=dict(note.get("conditions", {})),
        prompt=str(note.get("prompt", "")),
    )


def _held(store: Store, data: str, digest: str, items: Sequence[str]) -> list[str]:
    """Return those of `items` that the version `data` with this digest held."""
    dataset, _, version = data.rpartition("@")
    rows = store.catalog.rows(
        "SELECT DISTINCT i.item_id FROM items i JOIN datasets d USING (dataset_id) "
        "LEFT JOIN versions v ON v.dataset_id = i.dataset_id AND v.version = ? "
        "WHERE d.name = ? AND list_contains(?, i.item_id) AND i.added <= ? "
        "AND (i.removed IS NULL OR i.removed > ?) AND coalesce(v.digest, ?) = ?",
        [int(version), dataset, list(items), int(version), int(version), digest, digest],
    )
    return [str(item) for (item,) in rows]


def _side(store: Store, info: ModelInfo, items: Sequence[str]) -> LearntSide:
    if info.data.held_out != BY_ITEMS:
        return "both"
    head = store.head(info.data.dataset)
    if info.data.version in store.collected(head.dataset_id):
        return "unknown"  # what its duplicates were is not kept any more
    manifest = store.manifest(head.dataset_id, info.data.version)
    led_by = leaders(store, manifest)
    sides = {is_held_out(led_by.get(item, item)) for item in items}
    return "both" if len(sides) > 1 else "held out" if sides == {True} else "training"
