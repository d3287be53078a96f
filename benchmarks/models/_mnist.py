"""MNIST for the benchmarks of models of images, and the network that they are measured by.

The training images are the 60,000 of MNIST, the test images its 10,000. Distances are of 64
features of a `classifier` that is trained here once, in less than a minute, and kept in the folder
of temporary files under the digest of all that it follows from; so all benchmarks share it, and it
is named by the digest of its weights: FD-1a2b3c4d. A model is measured by 10,000 images that it
made: their distance is that to the training images, their coverage that of the test images.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/_mnist.py

It prints the name of the network, how many of the test images it tells right, and the floors: the
distances of sets that no model made.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np
import torch
from blake3 import blake3
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from ragstone.models import classifier, images
from ragstone.models.classifier import Classifier, ClassifierConfig
from ragstone.models.nn import convolutional
from ragstone.training.feeding_images import ImageData, Images
from ragstone.training.measures import distances
from ragstone.training.settings import TrainingSettings
from ragstone.training.trainer import Trainer

Pixels = NDArray[np.uint8]

RECIPE = TrainingSettings(
    steps=600, batch=100, optimiser="adamw", learning_rate=2e-3, weight_decay=0.01
)
CONFIG = ClassifierConfig(labels=10)
HELD_OUT = 1_000  # of the training images, which the trainer validates by


def load(data: Path) -> tuple[Pixels, NDArray[np.int64], Pixels, NDArray[np.int64]]:
    """Return training images (60000, 1, 28, 28), their labels, and the same of 10,000 to test.

    Both are shuffled, always alike: the file has them by digit, so that the first are all zeros.
    """
    x_train, y_train, x_test, y_test = _stored(data)
    orders = [np.random.default_rng(0).permutation(len(labels)) for labels in (y_train, y_test)]
    return x_train[orders[0]], y_train[orders[0]], x_test[orders[1]], y_test[orders[1]]


def _stored(data: Path) -> tuple[Pixels, NDArray[np.int64], Pixels, NDArray[np.int64]]:
    with np.load(data / "mnist" / "mnist.npz") as found:
        x_train, y_train, x_test, y_test = (
            found[name] for name in ("x_train", "y_train", "x_test", "y_test")
        )
    labels = (y_train.astype(np.int64), y_test.astype(np.int64))
    return x_train[:, None], labels[0], x_test[:, None], labels[1]


def binarised(pixels: Pixels, seed: int = 0) -> Pixels:
    """Return images of 0 and 255 alone: each pixel is lit with a chance of its brightness.

    So did Salakhutdinov and Murray (2008). The same seed gives the same draw: the test images are
    those of seed 0, drawn once.
    """
    chance = np.random.default_rng(seed).random(pixels.shape, np.float32)
    return np.where(chance < pixels / np.float32(255), 255, 0).astype(np.uint8)


def images_of(pixels: Pixels, labels: NDArray[np.int64]) -> Images:
    """Return images as the trainer reads them."""
    return Images(pixels, np.arange(len(pixels)), labels)


@dataclass(frozen=True, slots=True)
class Extractor:
    """The frozen network; `name` is what distances of its features are called."""

    model: Classifier
    name: str

    def features(self, pixels: Pixels) -> NDArray[np.float32]:
        """Return the features of images, uint8 (count, 1, 28, 28), as (count, 64)."""
        return self._look(pixels)[0]

    def classify(self, pixels: Pixels) -> NDArray[np.int64]:
        """Return the digits that it sees, (count,)."""
        return self._look(pixels)[1]

    def _look(self, pixels: Pixels) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        features, labels = self.model.look(torch.from_numpy(np.ascontiguousarray(pixels)))
        return features.numpy(), labels.numpy()


def extractor(data: Path) -> Extractor:
    """Return the network, trained on the training images where it is not kept yet."""
    model = Classifier(CONFIG)
    path = Path(tempfile.gettempdir()) / f"ragstone-mnist-{_key()}.safetensors"
    if not path.is_file():
        _train(model, data, path)
    model.load_state_dict(load_file(path))
    model.eval().requires_grad_(requires_grad=False)
    return Extractor(model, f"FD-{blake3(path.read_bytes()).hexdigest()[:8]}")


def fd(real: NDArray[np.float32], made: NDArray[np.float32]) -> float:
    """Return the Frechet distance of features; the goals are of 10,000 made images."""
    return distances.frechet(real, made)


def coverage(real: NDArray[np.float32], made: NDArray[np.float32]) -> float:
    """Return the part of the real ones that have a made one near; of as many of both."""
    return distances.coverage(real, made)


def _train(model: Classifier, data: Path, path: Path) -> None:
    pixels, labels, _, _ = _stored(data)
    parts = [
        images_of(pixels[side], labels[side])
        for side in (slice(HELD_OUT, None), slice(0, HELD_OUT))
    ]
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(RECIPE.seed)
        model = Classifier(CONFIG)
        Trainer(model, ImageData(*parts), RECIPE, Path(folder), device="cpu").fit()
        save_file(model.state_dict(), Path(folder) / "weights")
        mine = path.with_suffix(f".{os.getpid()}")  # another may be at it
        mine.write_bytes((Path(folder) / "weights").read_bytes())
        mine.replace(path)


def _key() -> str:
    """Return the digest of what the network follows from."""
    sources = [Path(str(module.__file__)) for module in (classifier, images, convolutional)]
    parts = [RECIPE.to_json(), CONFIG.to_json(), *(path.read_text("utf-8") for path in sources)]
    return blake3("\0".join(parts).encode()).hexdigest()[:16]


def gaussians(pixels: Pixels, labels: NDArray[np.int64], count: int, kept: int = 50) -> Pixels:
    """Return images of a Gaussian for each digit, in its `kept` principal components."""
    chance = np.random.default_rng(1)
    made = []
    for digit in range(10):
        rows = pixels[labels == digit].reshape(-1, 784).astype(np.float64)
        values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False))
        spread = vectors[:, -kept:] * np.sqrt(values[-kept:].clip(min=0))
        made.append(rows.mean(0) + chance.normal(size=(count // 10, kept)) @ spread.T)
    return np.concatenate(made).clip(0, 255).round().astype(np.uint8).reshape(-1, 1, 28, 28)


def main() -> None:
    """Print the floors."""
    data = Path(os.environ["RAGSTONE_DATA"])
    begun = process_time()
    network = extractor(data)
    print(f"{network.name}: {process_time() - begun:.0f} s of CPU time", file=sys.stderr)
    x_train, y_train, x_test, y_test = load(data)
    right = float((network.classify(x_test) == y_test).mean())
    print(f"{network.name}: {network.model.parameters_count:,} parameters, {right:.2%} right")
    train, test = network.features(x_train), network.features(x_test)
    made = network.features(gaussians(x_train, y_train, 10_000))
    for name, real, other in (
        ("test images, training images", train, test),
        ("test images, half of the training images", train[:30_000], test),
        ("10,000 training images, the others", train[10_000:], train[:10_000]),
        ("a Gaussian per digit (50 components), training images", train, made),
        ("the same, test images", test, made),
    ):
        filled = distances.filling(real[:10_000], other)
        kernel = distances.kernel_distance(real[: len(other)], other)
        print(
            f"{name}: {network.name} {fd(real, other):.2f}, "
            f"KID {kernel.value:.1f} +- {kernel.error:.1f}, "
            f"precision {filled.precision:.3f}, recall {filled.recall:.3f}, "
            f"density {filled.density:.3f}, coverage {filled.coverage:.3f}"
        )


if __name__ == "__main__":
    main()
