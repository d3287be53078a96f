"""Adversarial models on MNIST: distance and coverage of what they make, and digits turned over.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/adversarial.py dcgan [--sheet dcgan.png]

`dcgan`, `wgan_gp`, `vaegan` and `stylegan` learn from the training images with their labels. 10,000
samples are measured against the test images, by the features of `_mnist.py`: the goal is a distance
of at most 15 with a coverage of at least 0.75. `cyclegan` learns from half of the training images
as they are, and from the other half inverted (255 less each pixel): no image is there in both ways.
The test images are translated both ways; the goal is that the network of `_mnist.py` tells at least
0.9 of them right, where inverted ones are inverted back for it. Nothing is chosen by the test
images: the last weights are measured. Minutes are processor time of one thread; the goal allows 15
for each.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any, cast

import _mnist
import numpy as np
import torch
from numpy.typing import NDArray

from ragstone.models.cyclegan import CycleGAN
from ragstone.models.families import family
from ragstone.models.images import ImageModel, png, scaled, unscaled
from ragstone.training.feeding_images import ImageData
from ragstone.training.learning import Chosen
from ragstone.training.progress import Progress
from ragstone.training.trainer import Trainer

SAMPLES = 10_000
AT_ONCE = 500
HELD_OUT = 2_000  # of the training images, whose coverage is watched
SHOWN = 100

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "dcgan": {"steps": 6000, "precision": "bfloat16"},
    "wgan_gp": {"steps": 12_000, "precision": "bfloat16"},
    "vaegan": {"steps": 4000, "precision": "bfloat16"},
    "stylegan": {"steps": 4000, "precision": "bfloat16"},
    "cyclegan": {"width": 8, "steps": 300, "ema": 0.99, "evaluate_every": 0},
}


@dataclass(frozen=True, slots=True)
class Trained:
    """A network, and the minutes of one thread that it took."""

    model: ImageModel
    steps: int
    minutes: float


def main() -> None:
    """Train, measure, and print Markdown."""
    chosen = _arguments()
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    torch.set_num_threads(1)
    settings = {**RECIPES[chosen.family], **dict(one.split("=") for one in chosen.set)}
    network = _mnist.extractor(data)
    pixels, labels, test, digits = _mnist.load(data)
    if chosen.family == "cyclegan":
        pixels, labels = halves(pixels)
    made = train(chosen.family, settings, pixels, labels, chosen.seed)
    if chosen.family == "cyclegan":
        sheet = _translated(made, network, test, digits)
    else:
        sheet = _sampled(chosen.family, made, network, test)
    if chosen.sheet:
        Path(chosen.sheet).write_bytes(png(sheet[:SHOWN]))


def train(
    name: str,
    settings: Mapping[str, Any],
    pixels: NDArray[np.uint8],
    labels: NDArray[np.int64],
    seed: int,
) -> Trained:
    """Train a family on images of all labels that there are."""
    known = family(name)
    chosen = Chosen.of(known, {**settings, "seed": seed})
    torch.manual_seed(seed)
    shape = {"size": pixels.shape[-1], "labels": int(labels.max()) + 1}
    model = known.build(known.config.of({**shape, **chosen.network}))
    sides = (slice(HELD_OUT, None), slice(0, HELD_OUT))
    feed = ImageData(*(_mnist.images_of(pixels[side], labels[side]) for side in sides))
    begun = process_time()
    with tempfile.TemporaryDirectory() as folder:
        Trainer(model, feed, chosen.training, Path(folder), _show, device="cpu").fit()
    minutes = (process_time() - begun) / 60
    return Trained(cast("ImageModel", model.eval()), chosen.training.steps, minutes)


def halves(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images, of which every other one is inverted, and which are: 0 upright, 1 inverted."""
    kinds = np.arange(len(pixels)) % 2
    return np.where(kinds[:, None, None, None] == 1, 255 - pixels, pixels), kinds


@torch.inference_mode()
def _sampled(
    name: str, made: Trained, network: _mnist.Extractor, test: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Print what samples are worth; return them."""
    rng = torch.Generator().manual_seed(0)
    parts = [made.model.sample(rng, AT_ONCE, None) for _ in range(SAMPLES // AT_ONCE)]
    found = np.concatenate([unscaled(part).numpy() for part in parts])
    real, features = network.features(test), network.features(found)
    print(
        f"| family | parameters | steps | {network.name} (goal 15) | coverage (goal 0.75) "
        "| CPU minutes |\n| --- | --- | --- | --- | --- | --- |"
    )
    print(
        f"| `{name}` | {made.model.parameters_count:,} | {made.steps:,} | "
        f"{_mnist.fd(real, features):.1f} | {_mnist.coverage(real, features):.3f} | "
        f"{made.minutes:.1f} |"
    )
    return found


@torch.inference_mode()
def _translated(
    made: Trained,
    network: _mnist.Extractor,
    test: NDArray[np.uint8],
    digits: NDArray[np.int64],
) -> NDArray[np.uint8]:
    """Print how many translated test images are told right; return some, beside what they were."""
    model, right, sheets = cast("CycleGAN", made.model), [], []
    for kind, shown in ((1, test), (0, 255 - test)):
        found = np.concatenate(
            [
                _turned(model, shown[first : first + AT_ONCE], kind)
                for first in range(0, 10_000, AT_ONCE)
            ]
        )
        told = network.classify(255 - found if kind else found)
        right.append(float((told == digits).mean()))
        sheets += [one for pair in zip(shown[:25], found[:25], strict=True) for one in pair]
    untouched = float((network.classify(test) == digits).mean())
    print(
        "| family | parameters | steps | to inverted (goal 0.9) | to upright (goal 0.9) "
        "| real ones | CPU minutes |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    print(
        f"| `cyclegan` | {model.parameters_count:,} | {made.steps:,} | {right[0]:.3f} | "
        f"{right[1]:.3f} | {untouched:.3f} | {made.minutes:.1f} |"
    )
    return np.stack(sheets)


def _turned(model: CycleGAN, pixels: NDArray[np.uint8], kind: int) -> NDArray[np.uint8]:
    images = scaled(torch.from_numpy(pixels))
    return unscaled(model.translate(images, 1.0, torch.Generator(), kind)).numpy()


def _show(progress: Progress) -> None:
    if progress.validation is not None:
        figures = ", ".join(f"{name} {value:.3f}" for name, value in progress.figures.items())
        print(f"{progress.step}: {progress.loss:.3f}, {figures}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", choices=RECIPES)
    parser.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", default="", help="PNG to write some of what it makes to")
    return parser.parse_args()


if __name__ == "__main__":
    main()
