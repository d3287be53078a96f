"""Models that say how likely an image is, on MNIST: nats of the test set, or bits per dimension.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/likelihood.py made [--set steps=500]

`vae`, `made` and `pixelcnn` learn images whose pixels are drawn black or white anew in each step,
white as often as they are light; the test set is drawn once, from seed 0. Flows learn the 256
levels, with noise within a level. Nothing is chosen by the test set: the last weights are measured.
Minutes are processor time of one thread; the goal allows 15 for each.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from _mnist import binarised, images_of, load
from numpy.typing import NDArray

from ragstone.models.families import family
from ragstone.models.images import ImageModel
from ragstone.training.feeding_images import ImageData, Images
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

SEEN = 128  # images that are validated while it learns
SIDE = 28
AT_ONCE = 250


@dataclass(frozen=True)
class Recipe:
    """Settings of a network and its training, and the nats that are the goal."""

    network: dict[str, Any]
    training: dict[str, Any]
    goal: float | None = None


BINARY = {"pixels": "binary"}
SHARED = {"precision": "bfloat16", "schedule": "wsd", "ema": 0.995, "checkpoint_every": 0}
RECIPES = {
    "made": Recipe(
        {**BINARY, "hidden": 4000},
        {**SHARED, "steps": 3200, "batch": 512, "learning_rate": 1e-2, "weight_decay": 0.1},
        86.5,
    ),
    "vae": Recipe(
        {**BINARY, "latent": 40, "width": 16},
        {**SHARED, "steps": 8_000, "batch": 64, "learning_rate": 2e-3, "schedule": "cosine"},
        93.0,
    ),
    "pixelcnn": Recipe(BINARY, {**SHARED, "steps": 1600, "batch": 16, "learning_rate": 5e-3}, 90.0),
    "realnvp": Recipe(
        {"width": 24, "scales": 2}, {**SHARED, "steps": 700, "batch": 32, "learning_rate": 1e-3}
    ),
    "glow": Recipe({"width": 48}, {**SHARED, "steps": 700, "batch": 32, "learning_rate": 1e-3}),
    "maf": Recipe({"hidden": 256}, {**SHARED, "steps": 700, "batch": 128, "learning_rate": 3e-4}),
}


def main() -> None:
    """Train, measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", choices=RECIPES)
    parser.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    recipe = RECIPES[chosen.family]
    network, training = _told(chosen.family, recipe, dict(one.split("=") for one in chosen.set))
    learnt, _, test, _ = load(data)
    known = family(chosen.family)
    torch.manual_seed(chosen.seed)
    model = known.build(known.config.of({**network, "size": SIDE}))
    settings = TrainingSettings.of({**known.recipe, **training, "seed": chosen.seed})
    begun = process_time()
    with tempfile.TemporaryDirectory() as folder:
        feed = ImageData(_unlabelled(learnt), _unlabelled(test[:SEEN]))
        Trainer(model, feed, settings, Path(folder), _show).fit()
    minutes = (process_time() - begun) / 60
    levels = binarised(test) if network.get("pixels") == "binary" else test
    nats = measured(model.cpu().eval(), levels, chosen.seed)
    bits = nats / SIDE**2 / math.log(2)
    print(f"{chosen.family} {network} {training}")
    print("| family | parameters | images seen | nats | bits per dimension | CPU minutes |")
    print("| --- | --- | --- | --- | --- | --- |")
    aim = f"**{nats:.2f}** (goal {recipe.goal:g})" if recipe.goal else f"{nats:.1f}"
    print(
        f"| `{chosen.family}` | {model.parameters_count:,} | {settings.steps * settings.batch:,} | "
        f"{aim} | {bits:.3f}, {model.log_prob_kind} | {minutes:.1f} |"
    )


@torch.inference_mode()
def measured(model: ImageModel, images: NDArray[np.uint8], seed: int) -> float:
    """Return the mean loss of images in nats per image, as a validation counts it."""
    rng, total = torch.Generator().manual_seed(seed), 0.0
    feed = _unlabelled(images)
    for first in range(0, len(images), AT_ONCE):
        batch = feed.batch(np.arange(first, min(first + AT_ONCE, len(images))))
        total += float(model.training_step(batch, rng, "validate").value) * len(batch["images"])
    return total / len(images) * images[0].size


def _told(
    name: str, recipe: Recipe, asked: dict[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return settings of network and training, with those asked for."""
    network, training = dict(recipe.network), dict(recipe.training)
    for key, value in asked.items():
        known = family(name).config.__dataclass_fields__
        target = network if key in known else training
        kind = str((known if key in known else TrainingSettings.__dataclass_fields__)[key].type)
        target[key] = {"int": int, "float": float, "str": str, "bool": bool}[kind](value)
    return network, training


def _unlabelled(pixels: NDArray[np.uint8]) -> Images:
    return images_of(pixels, np.zeros(len(pixels), np.int64))


def _show(progress: Any) -> None:
    if progress.step % 200 == 0 or progress.validation is not None:
        print(f"{progress.step}: {progress.loss * SIDE**2:.2f}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
