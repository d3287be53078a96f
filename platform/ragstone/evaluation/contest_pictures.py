"""The pictures of a comparison: samples of all families, their losses, and what quality costs."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from PIL import Image

from ragstone.evaluation.charts import Series, chart
from ragstone.evaluation.sheets import Pixels, block, png, side_by_side
from ragstone.models.images import LABEL, ImageModel, unscaled
from ragstone.storage import runs
from ragstone.training.model_files import open_model

if TYPE_CHECKING:
    from ragstone.schemas.models import Contestant, FamilyComparison, ModelInfo
    from ragstone.schemas.runs import RunPoint
    from ragstone.storage.store import Store
    from ragstone.training.registry import Registry

_COLUMNS, _ROWS = 10, 4  # of the sheet of a model


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture of the report: a PNG, or SVG as text."""

    file: str
    title: str
    data: bytes | str

    @property
    def html(self) -> str:
        """The picture as a part of a page."""
        if isinstance(self.data, str):
            return f"<figure>{self.data}</figure>"
        found = base64.b64encode(self.data).decode()
        source = f"data:image/png;base64,{found}"
        return f'<figure><img alt="{escape(self.title)}" src="{source}"></figure>'


def pictures(store: Store, registry: Registry, comparison: FamilyComparison) -> list[Figure]:
    """Return the pictures of a comparison, that of the samples first; none where no family learnt.

    `samples.png`; `loss-FAMILY.svg`; `coverage.svg`, where a family recorded it; and
    `fd-training.svg` and `fd-sampling.svg`, where there was an extractor.
    """
    known = [one for one in comparison.contestants if one.model is not None]
    if not known:
        return []
    return [
        _samples(registry, comparison, known),
        *_curves(store, known),
        *_costs(registry, comparison, known),
    ]


def _samples(registry: Registry, comparison: FamilyComparison, known: list[Contestant]) -> Figure:
    blocks: dict[str, Image.Image] = {}
    for one in known:
        if one.model is None:
            continue
        network, _ = open_model(registry.folder(f"{one.model.name}@{one.model.number}"))
        pixels = sheet_of(cast("ImageModel", network), comparison.seed)
        blocks[one.family] = block(pixels, _COLUMNS)
    title = f"Samples of all families, of seed {comparison.seed}"
    return Figure("samples.png", title, png(side_by_side(blocks)))


@torch.inference_mode()
def sheet_of(model: ImageModel, seed: int) -> Pixels:
    """Return four rows of ten samples; each column of a label where the model is told of labels."""
    rng = torch.Generator().manual_seed(seed)
    if not (model.config.labels and LABEL in model.conditioning):
        return unscaled(model.sample(rng, _COLUMNS * _ROWS, None)).cpu().numpy()
    columns = []
    for number in range(_COLUMNS):
        made = model.sample(rng, _ROWS, number % model.config.labels)
        columns.append(unscaled(made).cpu().numpy())
    return np.stack(columns, 1).reshape(-1, *columns[0].shape[1:])


def _curves(store: Store, known: list[Contestant]) -> list[Figure]:
    """Return a chart of each family's losses, and of coverage where it was recorded."""
    figures, covered = [], []
    for one in known:
        if one.model is None or not one.model.run:
            continue
        points = runs.find(store.catalog, one.model.run).points
        found = chart(one.family, _losses(points), "step", "loss", log=(False, False))
        if found:
            figures.append(Figure(f"loss-{one.family}.svg", f"Losses of {one.family}", found))
        covered.append(Series(one.family, _coverage(points), marked=True))
    title = "Coverage while it learns"
    found = chart(title, covered, "part of the training", "coverage", log=(False, False))
    return figures + ([Figure("coverage.svg", title, found)] if found else [])


def _losses(points: list[RunPoint]) -> list[Series]:
    validated = [(p.step, p.validation) for p in points if p.validation is not None]
    return [
        Series("training", [(p.step, p.loss) for p in points]),
        Series("held out", validated, marked=True, dashed=True),
    ]


def _coverage(points: list[RunPoint]) -> list[tuple[float, float]]:
    told = [p for p in points if "coverage" in p.figures]
    return [(p.step / points[-1].step, p.figures["coverage"]) for p in told]


def _costs(
    registry: Registry, comparison: FamilyComparison, known: list[Contestant]
) -> list[Figure]:
    """Return charts of the distance beside the seconds of training, and of sampling.

    Models of the same families and version that were compared with other minutes are shown, too.
    """
    if not comparison.extractor:
        return []
    name = f"FD-{registry.info(comparison.extractor).digest[:8]}"
    every = [info for info in registry.all() if name in info.measures]
    training, making = [], []
    for one in known:
        alike = [info for info in every if one.model and _alike(info, one.model)]
        points = sorted((info.seconds, info.measures[name]) for info in alike)
        training.append(Series(one.family, points, marked=True))
        found = one.measures.measures if one.measures else {}
        if name in found:
            seconds = 1_000 / found["samples_per_second"]
            making.append(Series(one.family, [(seconds, found[name])], marked=True))
    figures = []
    for kind, series, across in (
        ("training", training, "seconds of training"),
        ("sampling", making, "seconds for 1,000 samples"),
    ):
        title = f"{name} and seconds of {kind}"
        drawn = chart(title, series, across, name, log=(True, True))
        if drawn:
            figures.append(Figure(f"fd-{kind}.svg", title, drawn))
    return figures


def _alike(info: ModelInfo, other: ModelInfo) -> bool:
    """Tell whether two models differ in how long they were trained alone."""
    same = (info.family, info.data.digest, info.config, info.material)
    compared = info.name.endswith(f"m-{info.family}")  # measured with about as many samples
    return compared and same == (other.family, other.data.digest, other.config, other.material)
