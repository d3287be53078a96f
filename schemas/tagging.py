"""The tags of items: a list in their metadata, which filters find with `tags=checked`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TAGS = "tags"  # key of the metadata


def tags_of(metadata: Mapping[str, Any]) -> list[str]:
    """Return the tags of an item; what its source wrote under `tags` counts as well."""
    found = metadata.get(TAGS)
    if isinstance(found, str):
        return [found]
    return [tag for tag in found if isinstance(tag, str)] if isinstance(found, list) else []
