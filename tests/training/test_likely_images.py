"""Models that tell how likely an image is, through a workspace: trained, measured, put to use."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = {"size": 8, "steps": 120, "batch": 16, "warmup": 5, "label": "side"}
FAMILIES: dict[str, dict[str, Any]] = {
    "made": {"hidden": 100, "learning_rate": 1e-2, "pixels": "binary"},
    "pixelcnn": {"width": 8, "depth": 2, "learning_rate": 1e-2, "pixels": "binary"},
    "vae": {"network": "mlp", "hidden": 32, "latent": 4, "learning_rate": 5e-3, "pixels": "binary"},
    "realnvp": {"width": 8, "scales": 2, "learning_rate": 1e-2},
    "glow": {"width": 16, "scales": 1, "couplings": 4, "learning_rate": 1e-2},
    "maf": {"hidden": 16, "networks": 2, "learning_rate": 5e-3},
}
KIND = {"made": "exact", "pixelcnn": "exact"}  # of the others: bound


def half_light(side: int, seed: int) -> NDArray[np.uint8]:
    image = np.random.default_rng(seed).integers(0, 30, (8, 8)).astype(np.uint8)
    image[:, side * 4 : side * 4 + 4] += 220
    return image


def png(image: NDArray[np.uint8]) -> bytes:
    target = io.BytesIO()
    Image.fromarray(image).save(target, "PNG")
    return target.getvalue()


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    """60 images, light at the left or at the right."""
    folder = tmp_path_factory.mktemp("halves")
    rows = []
    for number in range(60):
        name = f"{number:02}.png"
        (folder / name).write_bytes(png(half_light(number % 2, number)))
        rows.append({"file_name": name, "side": ["left", "right"][number % 2]})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = tmp_path_factory.mktemp("workspace") / "ws"
    with ragstone.open(path, create=True, encoder=encoder, ingestion={"workers": 0}) as workspace:
        workspace.ingest([folder], "halves")
        yield workspace


def lean(media: bytes) -> float:
    """Return how much lighter the left halves of four images on a sheet are than the right ones."""
    sheet = np.asarray(Image.open(io.BytesIO(media)), float)
    images = [sheet[top : top + 8, left : left + 8] for top in (0, 10) for left in (0, 10)]
    return float(np.mean([image[:, :4].mean() - image[:, 4:].mean() for image in images]))


@pytest.mark.parametrize("name", FAMILIES)
def test_it_draws_what_it_is_told_and_tells_what_images_cost(halves: Workspace, name: str) -> None:
    settings: dict[str, Any] = {**QUICK, **FAMILIES[name]}
    made = halves.train_model(name, "halves", name, settings)
    left, right = (
        halves.sample(name, conditions={"label": side}, count=4) for side in ("left", "right")
    )
    assert lean(left.media) > 60 > -60 > lean(right.media)
    assert halves.sample(name, count=4).media == halves.sample(name, count=4).media
    found = halves.evaluate_model(name, samples=0)
    kind = KIND.get(name, "bound")
    bits = found.measures[f"bits_per_dimension_{kind}"]
    assert found.measures["nats_per_image"] == pytest.approx(bits * 64 * math.log(2))
    assert found.bits_per_byte == pytest.approx(made.bits_per_byte, rel=1e-5)
    assert bits == pytest.approx(found.bits_per_byte, abs=0.2)  # other draws of few images
    assert bits < (0.95 if "pixels" in settings else 7)  # 1 and 8: nothing is known


@pytest.mark.parametrize("name", KIND)
def test_it_goes_on_with_an_image(halves: Workspace, name: str) -> None:
    settings = {**QUICK, **FAMILIES[name], "pixels": "logistic", "label": ""}
    halves.train_model(name, "halves", f"{name}-grey", settings)
    given = half_light(0, 99)
    made = halves.sample(f"{name}-grey", task="inpaint", images=[png(given)], keep="top", count=1)
    image = np.asarray(Image.open(io.BytesIO(made.media)), float)
    assert np.array_equal(image[:4], given[:4])
    assert image[4:, :4].mean() - image[4:, 4:].mean() > 60


def test_codes_are_learnt_and_drawn(halves: Workspace) -> None:
    settings = {**QUICK, "steps": 400, "width": 8, "codes": 16, "latent": 4, "halvings": 1}
    settings |= {"learning_rate": 5e-3, "prior_width": 16, "prior_depth": 2}
    made = halves.train_model("vqvae", "halves", "codes", settings)
    assert made.loss < 0.1  # of 0.75 for the mean image
    assert made.bits_per_byte is None
    left, right = (
        halves.sample("codes", conditions={"label": side}, count=4) for side in ("left", "right")
    )
    assert lean(left.media) > 60 > -60 > lean(right.media)
    assert halves.evaluate_model("codes", samples=0).measures["psnr"] > 15
    back = halves.sample("codes", task="reconstruct", images=[png(half_light(0, 98))])
    image = np.asarray(Image.open(io.BytesIO(back.media)), float)
    assert image[:, :4].mean() - image[:, 4:].mean() > 120
    (run,) = [run for run in halves.runs() if run.family == "vqvae"]
    figures = [point.figures for point in halves.run(run.run).points if point.figures]
    assert figures[-1]["perplexity"] > 1.5
