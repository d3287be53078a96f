"""What `D`, `D@VERSION`, `D@TAG` and `D@TIME` mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragstone.errors import CollectedVersion, UnknownVersion
from ragstone.storage.tags import as_time

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_LONGEST_NUMBER = 18  # digits of a version


def resolve(store: Store, reference: str) -> Manifest:
    """Return the version that `reference` means; see `Store.resolve`."""
    name, at, wanted = reference.partition("@")
    head = store.head(name)
    if not at:
        return head
    number = _number(store, head, wanted)
    if not 1 <= number <= head.version:
        raise UnknownVersion(name, wanted, head.version, store.tags.of(head.dataset_id))
    if number in store.collected(head.dataset_id):
        raise CollectedVersion(name, number)
    return store.manifest(head.dataset_id, number)


def _number(store: Store, head: Manifest, wanted: str) -> int:
    """Return the number that is written, tagged, or of the newest version at a time; else 0."""
    if wanted.isascii() and wanted.isdigit() and len(wanted) <= _LONGEST_NUMBER:
        return int(wanted)
    moment = as_time(wanted)
    if moment is None:
        tag = store.tags.of(head.dataset_id).get(wanted)
        return tag.version if tag else 0
    sql = "SELECT max(version) FROM versions WHERE dataset_id = ? AND created <= ?"
    ((number,),) = store.catalog.rows(sql, [head.dataset_id, moment.replace(tzinfo=None)])
    return number or 0
