"""The first step of making a map: the items of a version get their places, in any process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.mapping import Plane, plane

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.storage.manifests import Manifest


@dataclass(frozen=True, slots=True)
class PlaceTask:
    """All that a process needs to know."""

    root: Path  # of the workspace
    job: str
    settings: Settings
    manifest: Manifest
    space: str
    method: str


@dataclass(frozen=True, slots=True)
class Placed:
    """The map, which the owner of the workspace has to keep."""

    plane: Plane


def place(task: PlaceTask) -> Placed:
    """Make the map; see `mapping.plane` for what it raises."""
    return Placed(plane(task.root, task.manifest, task.space, task.method))
