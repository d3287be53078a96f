"""Models of images of a workspace: from files to a number in the registry, and to new images."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

from ragstone.errors import InvalidArgument
from ragstone.models.classifier import Classifier
from ragstone.models.sampling import Sampler
from ragstone.training.feeding import passes
from ragstone.training.feeding_images import ImageData, Images
from ragstone.training.model_files import open_model
from ragstone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = {"steps": 40, "batch": 16, "size": 8, "width": 8, "latent": 4, "warmup": 5}
LONG = {"steps": 150, "learning_rate": 5e-3}
AT = (0, 10, 20)  # where the images of a sheet of nine begin


@pytest.fixture
def squares(workspace: Workspace, tmp_path: Path) -> Workspace:
    """60 grey images, half of them light at the left, half at the right."""
    chance = np.random.default_rng(0)
    rows = []
    for number in range(60):
        image = chance.integers(0, 40, (16, 16)).astype(np.uint8)
        side = number % 2
        image[:, side * 8 : side * 8 + 8] += 180
        Image.fromarray(image).save(tmp_path / f"{number:02}.png")
        rows.append({"file_name": f"{number:02}.png", "side": ["left", "right"][side]})
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    workspace.ingest([tmp_path], "squares")
    return workspace


def test_from_files_to_new_images(squares: Workspace) -> None:
    made = squares.train_model("vae", "squares", "vae", {**QUICK, **LONG, "label": "side"})
    assert made.tokenizer == "8 x 8 pixels, grey, 2 labels"
    assert made.bits_per_byte == pytest.approx(made.loss / np.log(2))
    light = {}
    for side in ("left", "right"):
        sample = squares.sample("vae", conditions={"label": side}, count=9)
        assert sample.media_type == "image/png"
        sheet = np.asarray(Image.open(io.BytesIO(sample.media)), float)
        assert sheet.shape == (28, 28)
        images = [sheet[top : top + 8, left : left + 8] for top in AT for left in AT]
        light[side] = np.mean([image[:, :4].mean() - image[:, 4:].mean() for image in images])
    assert light["left"] > light["right"] + 50  # it does what it is told
    assert squares.sample("vae", count=2).media == squares.sample("vae", count=2).media
    found = squares.evaluate_model("vae", samples=4)
    assert found.loss == pytest.approx(made.loss, rel=1e-5)
    assert found.measures["psnr"] > 10
    assert 0 < found.measures["ssim"] < 1
    assert 0 <= found.intervals["memorised"][0] <= found.measures["memorised"] <= 1
    assert "ragstone train classifier squares --set label=side" in found.notes[0]
    with pytest.raises(InvalidArgument, match="one of left, right"):
        squares.sample("vae", conditions={"label": "top"})
    with pytest.raises(InvalidArgument, match="a seed alone"):
        squares.sample("vae", sampler=Sampler(temperature=0.5))


def test_noise_becomes_images_of_the_kind_that_is_told(squares: Workspace) -> None:
    settings = {"size": 8, "width": 8, "steps": 250, "batch": 16, "learning_rate": 4e-3}
    asked = {**settings, "label": "side", "ema": 0.95, "halvings": 1}
    made = squares.train_model("diffusion", "squares", "flow", asked)
    assert made.loss < 0.5  # of 1.7 for a network that predicts nothing
    light = {}
    for side in ("left", "right"):
        sample = squares.sample("flow", conditions={"label": side}, count=9)
        sheet = np.asarray(Image.open(io.BytesIO(sample.media)), float)
        images = [sheet[top : top + 8, left : left + 8] for top in AT for left in AT]
        light[side] = np.mean([image[:, :4].mean() - image[:, 4:].mean() for image in images])
    assert light["left"] > light["right"] + 100


def test_what_cannot_be_learnt_is_told(squares: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="side"):
        squares.train_model("vae", "squares", settings={**QUICK, "label": "colour"})
    with pytest.raises(InvalidArgument, match="from 4 to 256"):
        squares.train_model("ae", "squares", settings={**QUICK, "size": 999})
    note = tmp_path / "note" / "a.txt"
    note.parent.mkdir()
    note.write_text("No image.")
    squares.ingest([note], "notes")
    with pytest.raises(InvalidArgument, match="items of this kind"):
        squares.train_model("ae", "notes", settings=QUICK)
    made = squares.train_model("ae", "squares", "ae", {**QUICK, "steps": 2, "flip": "true"})
    assert made.bits_per_byte is None
    with pytest.raises(InvalidArgument, match="family ae can do: reconstruct, interpolate"):
        squares.sample("ae")


def test_each_image_once_in_a_pass() -> None:
    seen = np.concatenate([passes(10, step, 4, 3) for step in range(5)])
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10].tolist() != seen[10:].tolist()
    assert passes(10, 3, 4, 3).tolist() == seen[12:16].tolist()


def test_a_batch_is_a_function_of_the_step_mirrored_or_not() -> None:
    pixels = np.arange(6 * 16, dtype=np.uint8).reshape(6, 1, 4, 4)
    images = Images(pixels, np.array([5, 3, 1, 0]), np.array([0, 1, 2, 3]))
    plain, mirrored = (ImageData(images, images, flip=flip) for flip in (False, True))
    first, second = plain.batch(0, 4, 1), mirrored.batch(0, 4, 1)
    assert torch.equal(second["images"], mirrored.batch(0, 4, 1)["images"])
    same = (first["images"] == second["images"]).flatten(1).all(1)
    assert torch.equal(first["images"][~same], second["images"][~same].flip(-1))
    assert 0 < int(same.sum()) < 4
    for image, label in zip(first["images"], first["labels"], strict=True):
        assert torch.equal(image, torch.from_numpy(pixels[[5, 3, 1, 0][int(label)]]))
    assert plain.digest != mirrored.digest


def test_models_are_measured_by_the_newest_classifier_of_their_images(squares: Workspace) -> None:
    """It is kept as any model is, and named by the digest of its weights."""
    settings = {"size": 8, "width": 8, "steps": 60, "batch": 16, "evaluate_every": 20}
    made = squares.train_model("classifier", "squares", "eye", {**settings, "label": "side"})
    assert made.bits_per_byte is None  # its loss is no likelihood of pixels
    assert made.loss < 0.1
    points = squares.run(made.run).points
    assert points[-1].figures["accuracy"] == 1
    network, _ = open_model(squares._models.folder("eye"))
    assert cast("Classifier", network).look(torch.zeros(2, 1, 8, 8))[0].shape == (2, 64)
    with pytest.raises(InvalidArgument, match="classifier can do: none"):
        squares.sample("eye")
    with pytest.raises(InvalidArgument, match="label=FIELD"):
        squares.train_model("classifier", "squares", "eye", settings)
    other = {**settings, "steps": 1, "label": "side", "size": 12}
    squares.train_model("classifier", "squares", "other", other)
    squares.train_model("vae", "squares", "vae", {**QUICK, **LONG, "label": "side"})
    found = squares.evaluate_model("vae", samples=100)
    assert (found.extractor, found.notes) == ("eye@1", [])  # not the newer one, of other images
    assert found.measures[f"FD-{made.digest[:8]}"] > 0
    assert found.measures["label_accuracy"] > 0.7  # 0.5: it does not do what it is told
    assert squares.model("vae").measures == found.measures
    for name, problem in (
        ("vae", "this one is a vae"),
        ("other", "8 x 8 grey images, not 12 x 12"),
    ):
        with pytest.raises(InvalidArgument, match=problem):
            squares.evaluate_model("vae", extractor=name)
