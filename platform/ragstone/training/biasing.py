"""How the items of a version spread over metadata, and what a model makes of their labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from ragstone.errors import InvalidArgument
from ragstone.models.images import LABEL, ImageModel, unscaled
from ragstone.retrieval.facets import MAX_VALUES, facets
from ragstone.schemas.models import BiasReport, LabelShare, Spread
from ragstone.training.eyes import advice, eye_of
from ragstone.training.measures.intervals import of_share
from ragstone.training.model_files import open_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ragstone.models.images import ImageCodec
    from ragstone.schemas.api import Facet
    from ragstone.schemas.models import ModelInfo
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store
    from ragstone.training.measures.extractors import Extractor
    from ragstone.training.registry import Registry

_AT_ONCE = 100  # images


def bias(
    store: Store,
    registry: Registry,
    manifest: Manifest,
    fields: Sequence[str],
    model: str,
    samples: int,
    extractor: str,
) -> BiasReport:
    """See `Workspace.bias`."""
    if samples < 1:
        raise InvalidArgument("samples", samples, "at least 1")
    spreads = [_spread(facet) for facet in facets(store, manifest, fields, limit=MAX_VALUES)]
    of = f"{manifest.dataset}@{manifest.version}"
    if not model:
        return BiasReport(of, spreads)
    info, (network, codec) = registry.info(model), open_model(registry.folder(model))
    if not isinstance(network, ImageModel) or "sample" not in network.capabilities:
        raise InvalidArgument("model", model, "one that makes images, such as a vae")
    eye = eye_of(registry, extractor, info, codec)
    if eye is None:
        return BiasReport(of, spreads, f"{info.name}@{info.number}", notes=[advice(info, codec)])
    field = _label_field(info, registry, eye)
    data = _shares({v.value: v.items for v in facets(store, manifest, [field])[0].values})
    labels = _labels(network, codec, eye, data, samples)
    return BiasReport(
        of,
        spreads,
        model=f"{info.name}@{info.number}",
        extractor=eye.reference,
        samples=samples,
        labels=labels,
        distance=sum(abs(one.made - one.data) for one in labels) / 2,
        notes=[] if codec.labels else ["The model was told no labels: none can be asked for."],
    )


def _spread(facet: Facet) -> Spread:
    """Return how even the values of a field are."""
    counts = [value.items for value in facet.values]
    counts += [part.items for part in facet.bins if part.items]
    total = sum(counts)
    entropy = -sum(n / total * math.log(n / total) for n in counts) if total else 0.0
    return Spread(
        field=facet.field,
        values=facet.values,
        bins=facet.bins,
        others=facet.others,
        missing=facet.missing,
        evenness=entropy / math.log(len(counts)) if len(counts) > 1 else 1.0,
        imbalance=max(counts, default=1) / min(counts, default=1),
    )


def _label_field(info: ModelInfo, registry: Registry, eye: Extractor) -> str:
    """Return the field of the metadata that the labels are from."""
    told = info.material.get(LABEL) or registry.info(eye.reference).material.get(LABEL)
    return str(told)


def _shares(counts: dict[str, int]) -> dict[str, float]:
    total = sum(counts.values()) or 1
    return {value: number / total for value, number in counts.items()}


def _labels(
    model: ImageModel, codec: ImageCodec, eye: Extractor, data: dict[str, float], samples: int
) -> list[LabelShare]:
    """Return of each label its share of the data and of what is made, and how well it is made."""
    seen = _seen(model, eye, samples, None)
    made = _shares({label: int((seen == n).sum()) for n, label in enumerate(eye.codec.labels)})
    each = max(1, samples // max(1, len(codec.labels)))
    found = []
    for label in sorted({*data, *made}):
        right = None
        if label in codec.labels and label in eye.codec.labels:
            looked = _seen(model, eye, each, codec.labels.index(label))
            right = float((looked == eye.codec.labels.index(label)).mean())
        interval = of_share(right, each) if right is not None else None
        found.append(LabelShare(label, data.get(label, 0.0), made.get(label, 0.0), right, interval))
    return found


@torch.inference_mode()
def _seen(model: ImageModel, eye: Extractor, count: int, label: int | None) -> NDArray[np.int64]:
    """Return the labels that the classifier sees in `count` samples."""
    rng = torch.Generator().manual_seed(0)
    seen = []
    for first in range(0, count, _AT_ONCE):
        made = model.sample(rng, min(_AT_ONCE, count - first), label)
        seen.append(eye.look(unscaled(made).cpu().numpy())[1])
    return np.concatenate(seen)
