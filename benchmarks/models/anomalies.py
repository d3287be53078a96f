"""Digits that a model has not learnt: how well each family tells them from those that it has.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/anomalies.py [ae classifier] [--steps N]

For each digit, a model learns MNIST's training images of the nine others; then all test images are
ranked by how odd they are to it. The figure is the area under the ROC curve: the chance that an
image of the digit is odder than one of the others. The classifier is told which of the nine digits
an image is while it learns; the autoencoder is told nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from time import process_time
from typing import cast

import numpy as np
import torch
from _mnist import images_of, load
from numpy.typing import NDArray
from scipy.stats import rankdata

from ragstone.models.families import family
from ragstone.models.images import ImageModel
from ragstone.training.anomalies import oddness
from ragstone.training.feeding_images import ImageData
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

HELD_OUT = 500
NETWORKS: dict[str, dict[str, object]] = {"ae": {"latent": 8}, "classifier": {}}
GOAL = 0.9


def main() -> None:
    """Train ten models of each family, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", default=list(NETWORKS))
    parser.add_argument("--steps", type=int, default=600)
    chosen = parser.parse_args()
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    print("| | " + " | ".join(map(str, range(10))) + f" | of {GOAL} or more | CPU minutes |")
    print("| --- |" + " --- |" * 12)
    for name in chosen.families:
        begun = process_time()
        areas = [area(data, name, digit, chosen.steps) for digit in range(10)]
        good = sum(found >= GOAL for found in areas)
        minutes = (process_time() - begun) / 60
        shown = " | ".join(f"{found:.3f}" for found in areas)
        print(f"| {name} | {shown} | {good} | {minutes:.1f} |", flush=True)


def area(data: Path, name: str, digit: int, steps: int) -> float:
    """Return the area under the curve for a digit that was left out."""
    x_train, y_train, x_test, y_test = load(data)
    kept = np.flatnonzero(y_train != digit)
    labels = y_train[kept] - (y_train[kept] > digit)  # from 0 without a gap
    sides = [
        images_of(x_train[kept[part]], labels[part])
        for part in (slice(HELD_OUT, None), slice(0, HELD_OUT))
    ]
    torch.manual_seed(0)
    known = family(name)
    told = {"labels": 9} if name == "classifier" else {}
    model = known.build(known.config.of({**NETWORKS[name], **told}))
    recipe = TrainingSettings.of({**known.recipe, "steps": steps})
    with tempfile.TemporaryDirectory() as folder:
        Trainer(model, ImageData(*sides), recipe, Path(folder)).fit()
    model.eval()
    return auroc(oddness(cast("ImageModel", model), images_of(x_test, y_test)), y_test == digit)


def auroc(scores: NDArray[np.float64], odd: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve (Mann and Whitney 1947)."""
    ranks = rankdata(scores)
    count = int(odd.sum())
    above = ranks[odd].sum() - count * (count + 1) / 2
    return float(above / (count * (len(scores) - count)))


if __name__ == "__main__":
    main()
