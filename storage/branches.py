"""Fork and restore: versions that are equal to one that is there, and copy nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pyroaring import BitMap64
from ulid import ULID

from ragstone.errors import DatasetExists
from ragstone.storage import manifests
from ragstone.storage.composing import created_after
from ragstone.storage.manifests import Manifest

if TYPE_CHECKING:
    from ragstone.storage.store import Store


def fork(store: Store, source: str, name: str, message: str) -> Manifest:
    """Make the dataset `name`, whose first version is equal to `source` ("D" or "D@V").

    Raises
    ------
    UnknownDataset, UnknownVersion, CollectedVersion
        There is no `source`.
    DatasetExists
        The name is taken.
    """
    with store.writing():
        origin = store.resolve(source)
        if any(head.dataset == name for head in store.heads()):
            raise DatasetExists(name)
        return _publish(
            store,
            replace(
                _equal(origin),
                dataset_id=str(ULID()),
                dataset=name,
                version=1,
                parent=None,
                message=message or f"fork of {origin.dataset}@{origin.version}",
                created=created_after(None),
                added=origin.items,
                removed=0,
            ),
            None,
        )


def restore(store: Store, version: str, message: str) -> Manifest:
    """Make the next version of a dataset, equal to `version` ("D@V").

    Raises
    ------
    UnknownDataset, UnknownVersion, CollectedVersion
        There is none.
    """
    with store.writing():
        origin = store.resolve(version)
        head = store.head(origin.dataset)
        then, now = _items(store, origin), _items(store, head)
        return _publish(
            store,
            replace(
                _equal(origin),
                version=head.version + 1,
                parent=head.digest,
                message=message or f"restore of version {origin.version}",
                created=created_after(head),
                added=len(then - now),
                removed=len(now - then),
                # What came later is left out, and its keys are never given to anything else.
                next_item=head.next_item,
                next_source=head.next_source,
                next_chunk=head.next_chunk,
            ),
            head,
        )


def _items(store: Store, manifest: Manifest) -> BitMap64:
    return BitMap64(store.live_sources(manifest)["item_key"].to_numpy())


def _equal(origin: Manifest) -> Manifest:
    return replace(origin, origin=origin.digest, format=manifests.MANIFEST_FORMAT, digest="")


def _publish(store: Store, manifest: Manifest, head: Manifest | None) -> Manifest:
    try:
        return store.publish(manifests.seal(manifest), head)
    except BaseException:
        store.expect_leftovers()
        raise
