"""Changes that are made at once: a version without some items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ragstone.errors import InvalidArgument
from ragstone.ingestion.dedup.settling import Settling
from ragstone.listing import find_item_keys

if TYPE_CHECKING:
    from ragstone.storage.store import Store

_NAME = "a name of letters, digits, '-', '_' and '.', that begins with a letter or digit"


def delete(store: Store, dataset: str, items: Sequence[str], message: str) -> None:
    """Commit a version of `dataset` without `items`; see `Workspace.delete`."""
    with store.writing(), store.change(dataset) as change:  # nobody commits in between
        head = change.head
        assert head is not None  # a change without a space is of a dataset that is there
        keys = {key for item in items for key in find_item_keys(store, head, item)}
        if not keys:
            raise InvalidArgument("items", list(items), "at least one item id")
        live = store.live_sources(head).to_pylist()
        change.removed_items.update(keys)
        change.removed_sources.update(r["source_key"] for r in live if r["item_key"] in keys)
        default = f"delete {len(keys)} item(s)"
        store.commit(change, message or default, head.settings, settle=Settling(store))


def check_name(dataset: str) -> None:
    """Refuse names that do not work as `NAME@VERSION` or in a path.

    Raises
    ------
    InvalidArgument
        The name is not of letters, digits, '-', '_' and '.'.
    """
    plain = dataset.replace("-", "a").replace("_", "a").replace(".", "a")
    if not (dataset[:1].isalnum() and plain.isalnum() and len(dataset) <= 100):
        raise InvalidArgument("dataset", dataset, _NAME)
