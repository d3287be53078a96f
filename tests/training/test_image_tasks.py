"""What a model of images makes of images that are given, through a workspace."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import ragstone
from ragstone.cli.app import app
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument, UnknownId, UnknownSource
from ragstone.models.sampling import Sampler
from ragstone.workspace import Workspace
from tests.training.tiny_images import half_light, half_light_folder, lean, png, sheet

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = {"size": 8, "steps": 150, "batch": 16, "learning_rate": 4e-3, "halvings": 1, "width": 8}


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    """60 images, light at the left or at the right, and three models that learnt them."""
    folder = tmp_path_factory.mktemp("squares")
    half_light_folder(folder)
    path = tmp_path_factory.mktemp("workspace") / "ws"
    with ragstone.open(path, create=True, encoder=encoder, ingestion={"workers": 0}) as workspace:
        workspace.ingest([folder], "squares")
        told = {**SETTINGS, "label": "side", "ema": 0.9}
        workspace.train_model("diffusion", "squares", "flow", told)
        workspace.train_model("denoising", "squares", "clean", {**SETTINGS, "latent": 4})
        yield workspace


def test_what_is_kept_is_kept_and_the_rest_is_made(squares: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "left.png"
    given = half_light(0, 99)
    file.write_bytes(png(given))
    made = squares.sample("flow", task="inpaint", images=[file], keep="top", count=4)
    for image in sheet(made.media):
        assert np.array_equal(image[:4], given[:4])
        assert lean(image[4:]) > 60  # it goes on as the upper half began
    mask = np.zeros((8, 8), np.uint8)
    mask[4:] = 255
    same = squares.sample("flow", task="inpaint", images=[file], mask=png(mask), count=4)
    assert same.media == made.media
    for wrong in ({}, {"keep": "top", "mask": png(mask)}, {"keep": "middle"}):
        with pytest.raises(InvalidArgument, match="keep"):
            squares.sample("flow", task="inpaint", images=[file], **wrong)  # type: ignore[arg-type]


def test_an_image_becomes_one_of_another_kind(squares: Workspace) -> None:
    item = squares.items("squares")[0].item_id
    whole = np.asarray(Image.open(io.BytesIO(squares.original(item).content)), float)
    leans = {}
    for strength in (0.05, 1.0):
        side = "right" if lean(whole) > 0 else "left"
        made = squares.sample(
            "flow",
            task="translate",
            images=[item],
            strength=strength,
            conditions={"label": side},
            sampler=Sampler(seed=3),
        )
        leans[strength] = lean(sheet(made.media)[0]) * np.sign(lean(whole))
    assert leans[0.05] > 100 > 0 > leans[1.0]


def test_noise_is_taken_off(squares: Workspace) -> None:
    given = half_light(0, 7)
    chance = np.random.default_rng(1)
    noisy = (given + chance.normal(0, 40, (8, 8))).clip(0, 255).astype(np.uint8)
    for name in ("flow", "clean"):
        made = squares.sample(name, task="denoise", images=[png(noisy)], strength=40 / 127.5)
        (image,) = sheet(made.media)
        assert np.abs(image - given).mean() < 0.8 * np.abs(noisy.astype(float) - given).mean()


def test_from_one_image_to_another(squares: Workspace) -> None:
    ends = [png(half_light(side)) for side in (0, 1)]
    made = squares.sample("clean", task="interpolate", images=ends, steps=4)
    leans = [lean(image) for image in sheet(made.media)]
    assert leans == sorted(leans, reverse=True)
    back = squares.sample("clean", task="reconstruct", images=ends)
    assert [lean(image) > 0 for image in sheet(back.media)] == [True, False]
    with pytest.raises(InvalidArgument, match="2 images"):
        squares.sample("clean", task="interpolate", images=ends[:1])


def test_what_cannot_be_done_is_told(squares: Workspace) -> None:
    image = png(half_light(0))
    with pytest.raises(InvalidArgument, match="sample, denoise, inpaint, translate"):
        squares.sample("flow", task="reconstruct", images=[image])
    with pytest.raises(InvalidArgument, match="one of sample"):
        squares.sample("flow", task="draw")
    with pytest.raises(InvalidArgument, match="an image at least"):
        squares.sample("flow", task="translate")
    with pytest.raises(InvalidArgument, match="family denoising has none"):
        squares.sample("clean", task="reconstruct", images=[image], guidance=2.0)
    with pytest.raises(UnknownSource):
        squares.sample("flow", task="translate", images=["nowhere.png"])
    with pytest.raises(UnknownId, match="0123456789abcdef"):
        squares.sample("flow", task="translate", images=["0123456789abcdef"])


def test_steps_and_solver_of_one_sample(squares: Workspace) -> None:
    plain = squares.sample("flow", count=2).media
    assert plain == squares.sample("flow", count=2, steps=20, solver="heun").media
    for other in ({"steps": 5}, {"solver": "ddim"}, {"guidance": 3.0}):
        asked = {"conditions": {"label": "left"}, "count": 2}
        told = squares.sample("flow", **asked).media  # type: ignore[arg-type]
        assert squares.sample("flow", **asked, **other).media != told  # type: ignore[arg-type]


def test_by_the_command(squares: Workspace, tmp_path: Path) -> None:
    file, out = tmp_path / "given.png", tmp_path / "made.png"
    file.write_bytes(png(half_light(1)))
    path = squares.path
    squares.close()
    options = ["--task", "inpaint", "--image", str(file), "--keep", "left", "--out", str(out)]
    found = CliRunner().invoke(app, ["sample", "flow", *options, "-w", str(path)])
    assert found.exit_code == 0, found.output
    made = np.asarray(Image.open(out))
    assert np.array_equal(made[:, :4], half_light(1)[:, :4])
