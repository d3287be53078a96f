"""Adversarial models in the trainer: what they learn, how they go on, and in a workspace."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from ragstone.errors import InvalidArgument
from ragstone.models.cyclegan import CycleGAN
from ragstone.models.families import family
from ragstone.models.images import ImageModel, scaled
from ragstone.training.feeding_images import ImageData, Images
from ragstone.training.learning import Chosen
from ragstone.training.progress import Progress
from ragstone.training.trainer import Trainer
from ragstone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")

PLAYERS = ("gan", "dcgan", "wgan_gp", "vaegan", "stylegan")
SMALL = {"width": 16, "latent": 8, "warmup": 10, "evaluate_every": 0}


def feed(pixels: NDArray[np.uint8], labels: NDArray[np.int64] | None = None) -> ImageData:
    """Return images to learn from and to validate by: the same."""
    kinds = np.zeros(len(pixels), np.int64) if labels is None else labels
    images = Images(pixels, np.arange(len(pixels)), kinds)
    return ImageData(images, images)


def trainer(
    name: str,
    data: ImageData,
    folder: Path,
    shape: dict[str, int],
    heard: list[Progress] | None = None,
    **settings: object,
) -> Trainer:
    known = family(name)
    chosen = Chosen.of(known, settings)
    torch.manual_seed(0)
    model = known.build(known.config.of({**shape, **chosen.network}))
    hear = [] if heard is None else heard
    return Trainer(model, data, chosen.training, folder, hear.append)


def sampled(made: Trainer, count: int, label: int | None = None) -> torch.Tensor:
    with torch.no_grad():
        model = cast("ImageModel", made.model).eval()
        return model.sample(torch.Generator().manual_seed(1), count, label)


# ---------------------------------------------------------------- what they learn


@pytest.mark.parametrize("objective", ["non-saturating", "minimax"])
def test_all_eight_modes_of_a_ring(tmp_path: Path, objective: str) -> None:
    """Points of two numbers are images of one pixel with two colours."""
    chance = np.random.default_rng(0)
    angles = np.arange(8) * math.pi / 4
    modes = 0.7 * np.stack([np.cos(angles), np.sin(angles)], 1)
    points = modes[chance.integers(8, size=4000)] + chance.normal(size=(4000, 2)) * 0.05
    pixels = ((points + 1) * 127.5).round().clip(0, 255).astype(np.uint8)
    data = feed(pixels.reshape(-1, 2, 1, 1))
    settings = {"steps": 700, "batch": 128, "width": 128, "depth": 3, "latent": 8}
    recipe = {"learning_rate": 3e-3, "r1": 0.02, "ema": 0.99, "evaluate_every": 0}
    shape = {"size": 1, "channels": 2}
    made = trainer("gan", data, tmp_path, shape, objective=objective, **settings, **recipe)
    made.fit()
    found = sampled(made, 2000).flatten(1).numpy()
    distances = np.linalg.norm(found[:, None] - modes, axis=2)
    near = distances.min(1) < 0.15  # three deviations; of points anywhere, 14 % are so near
    assert near.mean() > 0.4
    counts = np.bincount(distances.argmin(1)[near], minlength=8)
    assert counts.min() > 40, counts


@pytest.mark.parametrize("name", PLAYERS)
def test_each_learns_eight_images_by_their_labels(tmp_path: Path, name: str) -> None:
    chance = np.random.default_rng(1)
    tiles = chance.integers(0, 2, (8, 1, 4, 4)) * 200 + 28
    pixels = tiles.repeat(2, 2).repeat(2, 3).astype(np.uint8)
    settings = {"steps": 300, "batch": 16, "learning_rate": 3e-3, "ema": 0.9}
    own = {"vaegan": {"likeness": 0.1}, "gan": {"width": 64}}.get(name, {})
    data, folder = feed(pixels, np.arange(8)), tmp_path / name
    made = trainer(name, data, folder, {"size": 8, "labels": 8}, **{**SMALL, **settings, **own})
    real = scaled(torch.from_numpy(pixels)).flatten(1)

    def distances() -> torch.Tensor:
        """Return those of eight samples of each label to each image, (64, 8)."""
        found = torch.cat([sampled(made, 8, label) for label in range(8)])
        return torch.cdist(found.flatten(1), real) / math.sqrt(64)

    labels = torch.arange(8).repeat_interleave(8)
    before = distances().gather(1, labels[:, None]).mean()
    made.fit()
    after = distances()
    assert after.gather(1, labels[:, None]).mean() < 0.5 * before
    assert (after.argmin(1) == labels).sum() >= 60


def test_a_translator_makes_the_other_kind_and_back(tmp_path: Path) -> None:
    """Light shapes on dark ground, and dark ones on light: no image is there in both ways."""
    pixels = np.stack([shape(number) for number in range(128)])
    labels = np.arange(128) % 2
    pixels[labels == 1] = 255 - pixels[labels == 1]
    settings = {"width": 8, "steps": 100, "warmup": 10, "learning_rate": 2e-3, "ema": 0.9}
    made = trainer("cyclegan", feed(pixels, labels), tmp_path, {"size": 8}, **settings)
    made.fit()
    model = cast("CycleGAN", made.model).eval()
    images, others = (scaled(torch.from_numpy(pixels[labels == kind])) for kind in (0, 1))
    with torch.no_grad():
        found = model.translate(images, 1.0, torch.Generator(), 1)
        back = model.translate(found, 1.0, torch.Generator(), 0)
    assert found.mean() == pytest.approx(float(others.mean()), abs=0.2)  # and not -0.5
    assert (back - images).abs().mean() < 0.2
    assert (found - images).abs().mean() > 1


def shape(number: int) -> NDArray[np.uint8]:
    """Return a bright rectangle, (1, 8, 8), somewhere on dark ground."""
    chance = np.random.default_rng(number)
    top, left = chance.integers(0, 4, 2)
    down, right = chance.integers(3, 5, 2)
    found = chance.integers(0, 30, (1, 8, 8)).astype(np.uint8)
    found[:, top : top + down, left : left + right] = 220
    return found


# ---------------------------------------------------------------- going on, and watching


@pytest.mark.parametrize(
    ("name", "labels", "own"),
    [("dcgan", 2, {"norm": "spectral", "r1": 0.1}), ("wgan_gp", 0, {}), ("vaegan", 2, {})],
)
def test_they_go_on_exactly_where_steps_were_timed_too(
    tmp_path: Path, name: str, labels: int, own: dict[str, object]
) -> None:
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (32, 1, 8, 8)).astype(np.uint8)
    data = feed(pixels, np.arange(32) % max(1, labels))
    shape = {"size": 8, "labels": labels}
    settings = {**SMALL, "width": 8, "steps": 20, "batch": 8, "checkpoint_every": 10, **own}

    def begun(folder: str) -> Trainer:
        made = trainer(name, data, tmp_path / folder, shape, **settings)
        made.plan()  # which makes some steps that change nothing
        return made

    whole, cut = begun("whole"), begun("cut")
    expected = whole.fit()
    cut.fit(until=10)
    again = begun("cut")
    assert again.outcome.steps == 10
    assert again.fit().losses == expected.losses
    for key, values in whole.model.state_dict().items():
        assert torch.equal(values, again.model.state_dict()[key]), key


def test_a_generator_that_repeats_itself_is_seen(tmp_path: Path) -> None:
    """Coverage stands in the figures of each validation, and falls to nothing where all is one."""
    pixels = np.stack([shape(number) for number in range(64)])
    heard: list[Progress] = []
    settings = {**SMALL, "steps": 20, "evaluate_every": 10}
    made = trainer("dcgan", feed(pixels), tmp_path, {"size": 8}, heard, **settings)
    made.fit()
    told = [progress for progress in heard if progress.figures]
    assert [progress.step for progress in told] == [10, 20]
    assert set(told[0].figures) == {"coverage", "density"}
    for parameter in made.model.parameter_groups()["generator"]:
        parameter.data.zero_()
    assert made.validate().figures["coverage"] < 0.2


# ---------------------------------------------------------------- in a workspace


@pytest.fixture
def shapes(workspace: Workspace, tmp_path: Path) -> Workspace:
    """80 grey images of bright rectangles; every other one dark on light."""
    rows = []
    for number in range(80):
        pixels = shape(number)[0]
        tone = ("light", "dark")[number % 2]
        image = Image.fromarray(255 - pixels if number % 2 else pixels)
        image.save(tmp_path / f"{number:02}.png")
        rows.append({"file_name": f"{number:02}.png", "tone": tone})
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    workspace.ingest([tmp_path], "shapes")
    return workspace


def test_from_files_to_images_of_a_kind(shapes: Workspace) -> None:
    settings = {**SMALL, "steps": 200, "batch": 16, "learning_rate": 2e-3, "ema": 0.9}
    made = shapes.train_model(
        "dcgan", "shapes", "shapes", {**settings, "label": "tone", "evaluate_every": 100}
    )
    assert made.best_step == made.steps == 200  # the last weights are kept
    assert made.bits_per_byte is None
    light = {}
    for tone in ("light", "dark"):
        sample = shapes.sample("shapes", conditions={"label": tone}, count=9)
        assert sample.media_type == "image/png"
        light[tone] = np.asarray(Image.open(io.BytesIO(sample.media)), float).mean()
    assert light["dark"] > light["light"] + 40  # dark shapes, light ground
    points = shapes.run(made.run).points
    assert [p.step for p in points if "coverage" in p.figures] == [100, 200]
    found = shapes.evaluate_model("shapes", samples=4)
    assert 0 <= found.measures["memorised"] <= 1
    assert math.isfinite(found.loss)


def test_every_family_is_trained_in_a_workspace(shapes: Workspace) -> None:
    quick = {**SMALL, "steps": 4, "batch": 8}
    for name in PLAYERS:
        made = shapes.train_model(name, "shapes", name, {**quick, "augment": "true"})
        assert made.loss == pytest.approx(shapes.evaluate_model(name, samples=2).loss, rel=1e-4)
        assert shapes.sample(name).media == shapes.sample(name).media
    vaegan = shapes.evaluate_model("vaegan", samples=0)
    assert vaegan.measures["psnr"] > 0  # it is an autoencoder, too
    quick = {"steps": 4, "width": 4}
    made = shapes.train_model("cyclegan", "shapes", "turned", {**quick, "label": "tone"})
    assert made.parameters > 0
    with pytest.raises(InvalidArgument, match="can do: translate"):
        shapes.sample("turned")
    with pytest.raises(InvalidArgument, match="--set label=FIELD"):
        shapes.train_model("cyclegan", "shapes", "none", quick)


def test_an_image_is_turned_to_the_other_kind(shapes: Workspace, tmp_path: Path) -> None:
    settings = {"steps": 60, "width": 8, "ema": 0.9, "warmup": 10, "learning_rate": 2e-3}
    shapes.train_model("cyclegan", "shapes", "turned", {**settings, "label": "tone"})
    given = str(tmp_path / "00.png")
    before = np.asarray(Image.open(given), float)
    asked = {"task": "translate", "images": [given], "conditions": {"label": "dark"}}
    made = shapes.sample("turned", **asked, strength=1.0)
    after = np.asarray(Image.open(io.BytesIO(made.media)), float)
    assert before.mean() + 60 < after.mean()
    half = np.asarray(
        Image.open(io.BytesIO(shapes.sample("turned", **asked, strength=0.5).media)), float
    )
    assert np.abs(half - (before + after) / 2).max() <= 1
