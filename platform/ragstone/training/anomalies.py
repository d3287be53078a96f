"""How odd the images of a version are to a model: wrong files, rare kinds, what does not belong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.errors import InvalidArgument
from ragstone.models.families import family
from ragstone.models.images import LABEL, ImageModel, scaled
from ragstone.schemas.models import Anomaly
from ragstone.training.materials.base import Asked
from ragstone.training.materials.image_reading import TEXT
from ragstone.training.materials.images import ImageMaterial
from ragstone.training.materials.known import MATERIALS
from ragstone.training.model_files import open_model
from ragstone.training.snapshots import Snapshot

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store
    from ragstone.training.feeding_images import Images
    from ragstone.training.registry import Registry

_AT_ONCE = 128  # images
_NORMAL = 1.4826  # median absolute deviations of a normal distribution in its standard deviation
_TINY = 1e-12


def anomalies(
    store: Store, registry: Registry, dataset: str, model: str, limit: int
) -> list[Anomaly]:
    """See `Workspace.anomalies`."""
    if limit < 1:
        raise InvalidArgument("limit", limit, "at least 1")
    info = registry.info(model)
    material = MATERIALS[family(info.family).material]
    if not isinstance(material, ImageMaterial):
        raise InvalidArgument("model", model, "one of images")
    network, codec = open_model(registry.folder(model))
    with store.shared(), TemporaryDirectory() as scratch:
        manifest = store.resolve(dataset)
        settings = {**info.material, LABEL: "", TEXT: ""}  # what has no known label is of interest
        asked = Asked(settings=settings, folder=Path(scratch), codec=codec)
        sides = material.read(Snapshot.of(store, manifest), asked)
        ids = [item for images in sides for item in images.ids]
        found = np.concatenate([oddness(cast("ImageModel", network), images) for images in sides])
    return _named(store, manifest, _ranked(ids, found)[:limit])


def oddness(model: ImageModel, images: Images) -> NDArray[np.float64]:
    """Return how odd each image is to a model, (images,)."""
    device = next(model.parameters()).device
    found = [np.zeros(0)]
    for first in range(0, len(images), _AT_ONCE):
        numbers = np.arange(first, min(first + _AT_ONCE, len(images)))
        with torch.inference_mode():
            odd = model.oddness(scaled(images.batch(numbers)["images"].to(device)))
        found.append(odd.double().cpu().numpy())
    return np.concatenate(found)


def _ranked(ids: list[str], found: NDArray[np.float64]) -> list[Anomaly]:
    """Return the oddest first, equal ones by their ids."""
    middle = np.median(found)
    spread = _NORMAL * np.median(np.abs(found - middle))
    rows = sorted(zip(-found, ids, strict=True))
    return [
        Anomaly(item, "", float(-odd), float((-odd - middle) / max(spread, _TINY)))
        for odd, item in rows
    ]


def _named(store: Store, manifest: Manifest, found: list[Anomaly]) -> list[Anomaly]:
    rows = store.catalog.rows(
        "SELECT i.item_id, min_by(s.source, s.source_key) FROM items i "
        "JOIN sources s USING (dataset_id, item_key) WHERE i.dataset_id = ? "
        "AND list_contains(?, i.item_id) AND s.added <= ? AND (s.removed IS NULL OR s.removed > ?) "
        "GROUP BY i.item_id",
        [
            manifest.dataset_id,
            [one.item_id for one in found],
            manifest.version,
            manifest.version,
        ],
    )
    sources = {str(item): str(source) for item, source in rows}
    return [replace(one, source=sources.get(one.item_id, "")) for one in found]
