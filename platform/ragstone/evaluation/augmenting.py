"""Whether images that a model makes help to learn from few real ones.

A classifier is trained on a part of the real images, and on the same part with what the model
makes, in as many steps and from the same seed; what is held out says which tells more of the labels
right. Several seeds, which draw the part and all chance of the training, say how much of the
difference is luck. The model itself has learnt from its whole version: with a small part it knows
more than the classifier could, which is what it is asked to pass on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import torch

from ragstone.errors import InvalidArgument
from ragstone.evaluation.bootstrap import difference, resampled_means
from ragstone.models.classifier import Classifier, ClassifierConfig
from ragstone.models.images import LABEL, ImageModel
from ragstone.schemas.models import AugmentationShare, AugmentationStudy
from ragstone.training.feeding_images import ImageData, Images
from ragstone.training.materials.base import Asked
from ragstone.training.materials.images import ImageMaterial
from ragstone.training.measures.drawing import drawn
from ragstone.training.model_files import open_model
from ragstone.training.settings import TrainingSettings
from ragstone.training.snapshots import Snapshot
from ragstone.training.trainer import Trainer

if TYPE_CHECKING:
    from ragstone.models.images import ImageCodec
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store
    from ragstone.training.registry import Registry

_SETTINGS = TrainingSettings(
    batch=32, optimiser="adamw", learning_rate=2e-3, weight_decay=0.01, warmup=20
)
Heard = Callable[[int, int], None]  # trainings done, and all


@dataclass(frozen=True, slots=True)
class Study:
    """What is compared: see `Workspace.evaluate_augmentation`."""

    label: str
    synthetic: int
    seeds: int
    shares: Sequence[float]
    steps: int

    def check(self) -> None:
        """Raise `InvalidArgument` when a number is out of its bounds."""
        for name, least in (("synthetic", 1), ("seeds", 2), ("steps", 1)):
            if getattr(self, name) < least:
                raise InvalidArgument(name, getattr(self, name), f"at least {least}")
        for share in self.shares:
            if not 0 < share <= 100:
                raise InvalidArgument("share", share, "a part of the real images, in percent")


def study(
    store: Store,
    registry: Registry,
    manifest: Manifest,
    model: str,
    asked: Study,
    on_progress: Heard,
) -> AugmentationStudy:
    """Train classifiers with and without what a model makes, and compare them."""
    asked.check()
    info, (network, codec) = registry.info(model), open_model(registry.folder(model))
    label = asked.label or str(info.material.get(LABEL, ""))
    if not isinstance(network, ImageModel) or not codec.labels:
        expected = "one that makes images of a label it is asked for: --set label=FIELD"
        raise InvalidArgument("model", model, expected)
    with TemporaryDirectory() as scratch:
        settings = {LABEL: label, "size": codec.size}
        reading = Asked(settings=settings, folder=Path(scratch), codec=codec)
        training, held_out = ImageMaterial().read(Snapshot.of(store, manifest), reading)
        made = drawn(network, training, asked.synthetic)
        assert made.labels is not None  # it has labels
        added = Images(made.pixels, np.arange(len(made.pixels)), made.labels)
        runs = _Runs(training, held_out, added, codec, asked.steps, Path(scratch))
        done, every = 0, len(asked.shares) * asked.seeds
        shares = []
        for share in asked.shares:
            scores = []
            for seed in range(asked.seeds):
                scores.append(runs.pair(share / 100, seed))
                done += 1
                on_progress(done, every)
            shares.append(_compared(share, runs.count(share / 100), scores))
    return AugmentationStudy(
        data=f"{manifest.dataset}@{manifest.version}",
        model=f"{info.name}@{info.number}",
        label=label,
        synthetic=asked.synthetic,
        seeds=asked.seeds,
        steps=asked.steps,
        held_out=len(held_out),
        shares=shares,
    )


def _compared(share: float, images: int, scores: list[tuple[float, float]]) -> AugmentationShare:
    found = np.array(scores)  # (seeds, 2): without, with
    drawn_again = resampled_means(found[:, 1:] - found[:, :1])[:, 0]
    without, with_ = found.mean(0)
    return AugmentationShare(
        share, images, difference(float(without), float(with_), drawn_again), found.tolist()
    )


@dataclass(frozen=True, slots=True)
class _Runs:
    """Trains classifiers of one set of images."""

    training: Images
    held_out: Images
    added: Images
    codec: ImageCodec
    steps: int
    folder: Path

    def count(self, part: float) -> int:
        """Return how many real images a part has: two at least."""
        return max(2, round(part * len(self.training)))

    def pair(self, part: float, seed: int) -> tuple[float, float]:
        """Return how much a classifier tells right that knows a part, and one with more."""
        order = np.random.default_rng(seed).permutation(len(self.training))
        chosen = np.sort(order[: self.count(part)])
        few = Images(
            self.training.pixels, self.training.places[chosen], self.training.labels[chosen]
        )
        return self._right(few, seed), self._right(_joined(few, self.added), seed)

    def _right(self, images: Images, seed: int) -> float:
        torch.manual_seed(seed)
        codec = self.codec
        model = Classifier(
            ClassifierConfig(
                channels=codec.channels, size=codec.size, labels=len(codec.labels), width=8
            )
        )
        settings = replace(_SETTINGS, steps=self.steps, seed=seed)
        with TemporaryDirectory(dir=self.folder) as place:
            trainer = Trainer(model, ImageData(images, self.held_out), settings, Path(place))
            trainer.fit()
        pixels = self.held_out.pixels[self.held_out.places]
        model.eval()
        _, told = model.look(torch.from_numpy(np.ascontiguousarray(pixels)))
        return float((told.cpu().numpy() == self.held_out.labels).mean())


def _joined(one: Images, other: Images) -> Images:
    pixels = np.concatenate([one.pixels[one.places], other.pixels[other.places]])
    labels = np.concatenate([one.labels, other.labels])
    return Images(pixels, np.arange(len(pixels)), labels)
