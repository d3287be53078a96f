"""A version that is fused in another way, and is else like the one before it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ragstone.errors import VersionConflict
from ragstone.storage import manifests
from ragstone.storage.composing import created_after
from ragstone.storage.manifests import Manifest, TunedFusion

if TYPE_CHECKING:
    from ragstone.storage.store import Store


def set_fusion(store: Store, head: Manifest, fusion: TunedFusion | None, message: str) -> Manifest:
    """Publish the version after `head` with `fusion`; None forgets what was learned.

    Raises
    ------
    VersionConflict
        The head has moved: it was learned with other data.
    """
    with store.writing():
        if store.head(head.dataset).digest != head.digest:
            raise VersionConflict(head.dataset, head.version + 1)
        made = replace(
            head,
            version=head.version + 1,
            parent=head.digest,
            message=message,
            created=created_after(head),
            added=0,
            removed=0,
            origin="",
            fusion=fusion,
            format=manifests.MANIFEST_FORMAT,
            digest="",
        )
        try:
            return store.publish(manifests.seal(made), head)
        except BaseException:
            store.expect_leftovers()
            raise
