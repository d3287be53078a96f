"""Measures of images: what comes back, what is copied, how varied, how well told."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from ragstone.models.base import Batch, Capability, Loss, Phase
from ragstone.models.classifier import Classifier, ClassifierConfig
from ragstone.models.images import LABEL, ImageCodec, ImageConfig, ImageModel, scaled
from ragstone.training.feeding_images import ImageData, Images
from ragstone.training.measures.base import Measured, Measuring
from ragstone.training.measures.distances import frechet
from ragstone.training.measures.drawing import drawn
from ragstone.training.measures.extractors import Extractor
from ragstone.training.measures.images import measure
from ragstone.training.measures.intervals import of_share, standard_error
from ragstone.training.measures.memorising import isolation, memorisation
from ragstone.training.measures.reconstructing import psnr, ssim

pytestmark = pytest.mark.usefixtures("one_thread")

LABELS = ("left", "right")
CODEC = ImageCodec(size=8, channels=1, labels=LABELS)


def pictures(seed: int, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Light bars at the left or at the right, of any height, width and brightness, with noise."""
    chance = np.random.default_rng(seed)
    pixels = chance.integers(0, 60, (count, 1, 8, 8))
    labels = np.arange(count) % 2
    for number, label in enumerate(labels):
        top, high, wide = chance.integers(0, 5), chance.integers(2, 5), chance.integers(2, 5)
        left = 0 if label == 0 else 8 - wide
        pixels[number, 0, top : top + high, left : left + wide] += chance.integers(60, 190)
    return pixels.astype(np.uint8), labels.astype(np.int64)


def images(seed: int, count: int) -> Images:
    pixels, labels = pictures(seed, count)
    return Images(pixels, np.arange(count), labels)


class Maker(ImageModel):
    """Gives, one after the other, images that it was given: not trained."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"sample"})
    conditioning: ClassVar[tuple[str, ...]] = (LABEL,)

    def __init__(self, source: Images, noise: int = 0) -> None:
        super().__init__()
        self.config = ImageConfig(size=8, labels=2)
        self.source, self.noise = source, noise

    def sample(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:
        known = np.flatnonzero(self.source.labels == label)
        numbers = torch.randint(len(known), (count,), generator=rng)
        pixels = self.source.batch(known[numbers.numpy()])["images"].int()
        noise = torch.randint(-self.noise, self.noise + 1, pixels.shape, generator=rng)
        return scaled((pixels + noise).clamp(0, 255))

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:  # noqa: ARG002
        return Loss(torch.zeros(()), {})  # there is nothing to learn


def extractor(training: Images) -> Extractor:
    torch.manual_seed(0)
    model = Classifier(ClassifierConfig(size=8, labels=2, width=8, features=8))
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(40):
        optimiser.zero_grad()
        step = model.training_step(
            training.batch(np.arange(len(training))), torch.Generator(), "train"
        )
        step.value.backward()
        optimiser.step()
    return Extractor("eye@1", "0123456789abcdef", model.eval(), CODEC)


@pytest.fixture(scope="module")
def data() -> ImageData:
    return ImageData(images(0, 400), images(1, 200))


@pytest.fixture(scope="module")
def eye(data: ImageData) -> Extractor:
    return extractor(data.training)


def measured(
    model: ImageModel, data: ImageData, eye: Extractor | None, samples: int = 200
) -> Measured:
    return measure(model, CODEC, data, Measuring(samples=samples, eye=eye))


def test_a_model_that_copies_is_caught_though_its_distance_is_the_best(
    data: ImageData, eye: Extractor
) -> None:
    honest = measured(Maker(images(2, 5_000)), data, eye).values  # new ones of the same kind
    copier = measured(Maker(data.training, noise=3), data, eye).values
    assert copier["FD-01234567"] < honest["FD-01234567"]
    assert copier["memorised"] > 0.95
    assert copier["memorised_z"] < -10
    assert honest["memorised"] < 0.12
    assert abs(honest["memorised_z"]) < 3


def test_a_blurred_model_is_no_copier() -> None:
    """The mean of images is nearer to each of them than they are to each other."""
    chance = np.random.default_rng(0)
    training, held_out, others = (
        chance.normal(size=(n, 30)).astype(np.float32) for n in (500, 300, 300)
    )
    blurred = 0.3 * others
    assert np.linalg.norm(blurred[:, None] - training, axis=2).min(1).mean() < (
        np.linalg.norm(held_out[:, None] - training, axis=2).min(1).mean() - 0.5
    )
    found = memorisation(blurred, training, held_out)
    assert found.share < 0.1
    half = np.concatenate([blurred[:150], training[:150]])
    assert memorisation(half, training, held_out).share == pytest.approx(0.5, abs=0.06)


def test_how_near_one_point_is_beside_the_others_is_counted_by_hand() -> None:
    training = np.array([[0.0, 0.0], [3.0, 4.0]], np.float32)
    found = isolation(np.array([[0.0, 0.0], [0.0, 4.0]], np.float32), training)
    assert found == pytest.approx([0, 3 / 3.5], abs=1e-5)
    chance = np.random.default_rng(0)
    first, second, points = (chance.normal(size=(n, 3)).astype(np.float32) for n in (40, 30, 90))
    ours, others = isolation(first, points), isolation(second, points)
    z = memorisation(first, points, second).z
    spread = math.sqrt(40 * 30 * 71 / 12)
    assert z == pytest.approx((mannwhitneyu(ours, others).statistic - 600) / spread)


def test_a_collapsed_model_is_told_by_variety_recall_and_coverage(
    data: ImageData, eye: Extractor
) -> None:
    honest = measured(Maker(images(2, 5_000)), data, eye)
    one = images(3, 2)  # one image of each label
    collapsed = measured(Maker(one, noise=2), data, eye)
    assert honest.values["diversity"] == pytest.approx(1, abs=0.1)
    assert collapsed.values["diversity:left"] < 0.3 > collapsed.values["diversity:right"]
    for name in ("recall", "coverage"):
        assert collapsed.values[name] < 0.2 < 0.5 < honest.values[name]
        low, high = honest.intervals[name]
        assert low < honest.values[name] < high
    distance = "FD-01234567"
    assert collapsed.values[distance] > 5 * honest.values[distance]
    assert honest.values[distance] < honest.values[f"{distance}_held_out"] * 3
    for made in (honest, collapsed):
        low, high = made.intervals[distance]
        assert low < made.values[distance] < high


def test_labels_that_are_asked_for_are_those_that_are_seen(data: ImageData, eye: Extractor) -> None:
    source = images(2, 1_000)
    right = measured(Maker(source), data, eye)
    wrong = measured(Maker(Images(source.pixels, source.places, 1 - source.labels)), data, eye)
    assert right.values["label_accuracy"] > 0.95
    assert wrong.values["label_accuracy"] < 0.05
    assert right.values["label_accuracy_held_out"] > 0.95
    stranger = Extractor(eye.reference, eye.digest, eye.model, ImageCodec(size=8, channels=1))
    told = measured(Maker(source), data, stranger)
    assert "label_accuracy" not in told.values
    assert "does not know the labels" in told.notes[0]


def test_what_is_measured_without_an_extractor_or_of_few(data: ImageData, eye: Extractor) -> None:
    model = Maker(images(2, 500))
    without = measured(model, data, None)
    assert not [name for name in without.values if name.startswith(("FD", "KID", "precision"))]
    assert {"memorised", "diversity", "samples_per_second"} <= set(without.values)
    few = measured(model, data, eye, samples=20)
    assert not [name for name in few.values if name.startswith("FD")]
    assert "--samples 1000" in few.notes[0]
    assert "diversity" not in measured(model, data, eye, samples=1).values  # no two of a label
    assert measured(model, data, eye, samples=0).values == {}


def test_samples_are_drawn_by_label_as_often_as_there_are_real_ones() -> None:
    pixels, _ = pictures(0, 90)
    source = Images(pixels, np.arange(90), (np.arange(90) >= 60).astype(np.int64))
    made = drawn(Maker(source), source, 10)
    assert made.labels is not None
    assert np.bincount(made.labels).tolist() == [7, 3]
    for picture, label in zip(made.pixels, made.labels, strict=True):
        assert any(
            np.array_equal(picture, pixels[n]) for n in np.flatnonzero(source.labels == label)
        )
    again = drawn(Maker(source), source, 10)
    assert np.array_equal(made.pixels, again.pixels)
    assert drawn(Maker(source), source, 300).pixels.shape == (300, 1, 8, 8)


def test_psnr_and_ssim_are_counted_window_by_window() -> None:
    chance = np.random.default_rng(0)
    first = chance.integers(0, 256, (2, 3, 13, 12)).astype(np.uint8)
    second = np.clip(first.astype(int) + chance.integers(-40, 41, first.shape), 0, 255)
    second = second.astype(np.uint8)
    one, other = torch.from_numpy(first), torch.from_numpy(second)
    error = np.square(first.astype(float) - second).mean()
    assert psnr(one, other) == pytest.approx(10 * math.log10(255**2 / error))
    line = np.exp(-np.square(np.arange(11) - 5) / 4.5)
    window = np.outer(line, line) / line.sum() ** 2
    found = []
    for x, y in zip(first.astype(float), second.astype(float), strict=True):
        places = [(c, i, j) for c in range(3) for i in range(3) for j in range(2)]
        pieces = [
            (x[c, i : i + 11, j : j + 11], y[c, i : i + 11, j : j + 11]) for c, i, j in places
        ]
        values = []
        for a, b in pieces:
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            spread_a = (window * (a - mean_a) ** 2).sum()
            spread_b = (window * (b - mean_b) ** 2).sum()
            both = (window * (a - mean_a) * (b - mean_b)).sum()
            light = (2 * mean_a * mean_b + 6.5025) / (mean_a**2 + mean_b**2 + 6.5025)
            values.append(light * (2 * both + 58.5225) / (spread_a + spread_b + 58.5225))
        found.append(np.mean(values))
    assert ssim(one, other).numpy() == pytest.approx(found, rel=1e-4)
    assert ssim(one, one).tolist() == [1, 1]
    assert ssim(one[..., :5, :5], one[..., :5, :5]).tolist() == [1, 1]


def test_intervals_hold_what_they_say() -> None:
    """95 % of them hold the true share; the jackknife of a mean is its standard error."""
    low, high = of_share(0.5, 100)
    assert (low, high) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))
    assert of_share(0.0, 20)[0] == 0 < of_share(0.0, 20)[1]
    chance = np.random.default_rng(0)
    held = [
        low <= 0.05 <= high
        for low, high in (of_share(x / 200, 200) for x in chance.binomial(200, 0.05, 500))
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)
    rows = chance.normal(size=(400, 1))
    assert standard_error(lambda x: float(x.mean()), rows) == pytest.approx(0.05, rel=0.4)
    real = chance.normal(size=(2_000, 4))
    spread = np.std([frechet(real, chance.normal(size=(200, 4))) for _ in range(40)])
    error = standard_error(lambda x: frechet(real, x), chance.normal(size=(200, 4)))
    assert error == pytest.approx(float(spread), rel=0.7)
