"""The tags of items: a list in their metadata, which filters find with `tags=checked`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

TAGS = "tags"  # key of the metadata
_MARK = "+"  # between the work key of an item as it was read, and the digest of its tags


def tags_of(metadata: Mapping[str, Any]) -> list[str]:
    """Return the tags of an item; what its source wrote under `tags` counts as well."""
    found = metadata.get(TAGS)
    if isinstance(found, str):
        return [found]
    return [tag for tag in found if isinstance(tag, str)] if isinstance(found, list) else []


def tagged_work_key(work_key: str, tags: Sequence[str]) -> str:
    """Return the work key of an item that has got these tags.

    So versions tell tags apart, while what is read again is still known: see `work_key_as_read`.
    """
    plain = work_key_as_read(work_key)
    if not tags:
        return plain
    return f"{plain}{_MARK}{sha256(json.dumps(list(tags)).encode()).hexdigest()[:8]}"


def work_key_as_read(work_key: str) -> str:
    """Return the work key that the same bytes and settings give again, whatever the tags."""
    return work_key.partition(_MARK)[0]
