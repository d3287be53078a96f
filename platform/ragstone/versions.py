"""Versions as objects: tags, forks, restores; what is given up and what is erased for real."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ragstone import listing
from ragstone.changes import check_name
from ragstone.errors import InvalidArgument
from ragstone.schemas.api import ForgetReceipt, TagInfo, VersionInfo
from ragstone.storage import branches, forgetting
from ragstone.storage.erasures import Receipt
from ragstone.storage.tags import Tag
from ragstone.training.descent import KNN, made_by, models_with
from ragstone.training.registry import DATASTORE, Registry

if TYPE_CHECKING:
    from ragstone.storage.store import Store


def tag(store: Store, version: str, name: str, message: str, *, move: bool) -> TagInfo:
    """Name a version ("D", "D@V")."""
    with store.writing(), store.sweeping_after_failure():  # gc, which spares tags, waits
        manifest = store.resolve(version)
        return _tag_info(manifest.dataset, store.tags.set(manifest, name, message, move=move))


def untag(store: Store, dataset: str, name: str) -> None:
    """Take a name away."""
    with store.writing(), store.sweeping_after_failure():
        store.tags.remove(store.head(dataset), name)


def tags(store: Store, dataset: str) -> list[TagInfo]:
    """Return the tags of `dataset`, by version and name."""
    found = store.tags.of(store.head(dataset).dataset_id).values()
    ordered = sorted(found, key=lambda tag: (tag.version, tag.name))
    return [_tag_info(dataset, entry) for entry in ordered]


def fork(store: Store, source: str, name: str, message: str) -> VersionInfo:
    """Make the dataset `name` from `source` without copying."""
    check_name(name)
    branches.fork(store, source, name, message)
    return listing.versions(store, name)[0]


def restore(store: Store, version: str, message: str) -> VersionInfo:
    """Make a new version equal to `version`."""
    if "@" not in version:
        raise InvalidArgument("version", version, "DATASET@VERSION, the one to go back to")
    made = branches.restore(store, version, message)
    return listing.versions(store, made.dataset)[0]


def forget(
    store: Store, items: Sequence[str], reason: str, *, models: bool = False
) -> ForgetReceipt:
    """Erase items, named by their ids or prefixes, from the whole workspace."""
    found = [listing.find_item(store, item) for item in items]
    if not found:
        raise InvalidArgument("items", list(items), "at least one item id")
    return _receipt(store, forgetting.forget(store, found, reason, _learnt(store, found, models)))


def _learnt(store: Store, items: Sequence[str], delete: bool) -> forgetting.Learnt:  # noqa: FBT001
    """Return the models that have an item in their data, those that go first.

    Trainings that are not finished are among them: they hold texts of a version that is not known.
    """
    registry = Registry(store.root / "models")
    folders = {name: registry.training_folder(name) for name in registry.unfinished()}
    learnt = models_with(store, items)
    for model in learnt:
        folder = registry.folder(model.name.removesuffix(KNN))
        folders[model.name] = folder / DATASTORE if model.name.endswith(KNN) else folder
    return forgetting.Learnt(sorted(folders), folders if delete else {}, made_by(store, learnt))


def forgotten(store: Store) -> list[ForgetReceipt]:
    """Return the receipts of all erasures, newest first."""
    return [_receipt(store, receipt) for receipt in reversed(store.erasures.receipts)]


def _receipt(store: Store, receipt: Receipt) -> ForgetReceipt:
    names = {head.dataset_id: head.dataset for head in store.heads()}
    versions = [
        f"{names.get(dataset_id, dataset_id)}@{number}"
        for dataset_id, numbers in receipt.versions.items()
        for number in numbers
    ]
    return ForgetReceipt(
        id=receipt.id,
        created=datetime.fromisoformat(receipt.created),
        reason=receipt.reason,
        items=receipt.items,
        sources=receipt.sources,
        chunks=receipt.chunks,
        versions=versions,
        answers=receipt.answers,
        learnt=receipt.learnt,
        deleted=receipt.deleted,
        made=receipt.made,
    )


def _tag_info(dataset: str, entry: Tag) -> TagInfo:
    created = datetime.fromisoformat(entry.created)
    return TagInfo(dataset, entry.name, entry.version, entry.message, created)
