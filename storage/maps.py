"""Maps of versions, kept beside them: what was computed of their vectors, and can be again.

`datasets/<id>/maps/<digest of the version>.<space>.<method>.json`, sealed. A map goes with its
version; those of a dataset go when an item is erased from it, since they name items.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragstone.errors import DamagedFile
from ragstone.storage.files import make_folder
from ragstone.storage.sealed import read_sealed, write_sealed

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest

MAPS = "maps"
_DIGEST = 24  # characters that tell versions apart


def kept(root: Path, manifest: Manifest, space: str, method: str) -> dict[str, Any] | None:
    """Return a map that was kept; None where there is none, or none that can be read."""
    path = _path(root, manifest, space, method)
    if not path.exists():
        return None
    try:
        return read_sealed(path)
    except DamagedFile:  # it is made anew, and then takes its place; `doctor` names it
        return None


def keep(
    root: Path, manifest: Manifest, space: str, method: str, values: Mapping[str, Any]
) -> None:
    """Keep a map (JSON) for as long as its version."""
    path = _path(root, manifest, space, method)
    make_folder(path.parent)
    write_sealed(path, values)


def named(root: Path, manifest: Manifest) -> set[str]:
    """Return the maps of a version that are kept, by path in the workspace."""
    found = _folder(root, manifest).glob(f"{manifest.digest[:_DIGEST]}.*.json")
    return {path.relative_to(root).as_posix() for path in found}


def _path(root: Path, manifest: Manifest, space: str, method: str) -> Path:
    name = f"{manifest.digest[:_DIGEST]}.{space}.{method}.json"
    return _folder(root, manifest) / name


def _folder(root: Path, manifest: Manifest) -> Path:
    return root / "datasets" / manifest.dataset_id / MAPS
