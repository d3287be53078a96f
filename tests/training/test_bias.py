"""How even a version is, what a model makes of it, and whether that helps a classifier."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import ragstone
from ragstone.cli.app import app
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument
from ragstone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")

SIDES = ("left", "right")
SMALL = {"size": 8, "batch": 16, "warmup": 5, "label": "side"}


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    """80 images, three of four light at the left, a model that makes such, and a classifier."""
    root = tmp_path_factory.mktemp("bias")
    (root / "files").mkdir()
    chance, rows = np.random.default_rng(0), []
    for number in range(80):
        pixels = chance.integers(0, 40, (8, 8)).astype(np.uint8)
        side = int(number % 4 == 0)
        pixels[:, side * 4 : side * 4 + 4] += 180
        Image.fromarray(pixels).save(root / "files" / f"{number:02}.png")
        row = {"file_name": f"{number:02}.png", "side": SIDES[side]}
        rows.append(row | ({"year": 2000 + number} if number % 2 else {}))
    (root / "files" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = root / "workspace"
    with ragstone.open(path, create=True, encoder=encoder, ingestion={"workers": 0}) as opened:
        opened.ingest([root / "files"], "squares")
        opened.set_duplicate_policy("squares", keep={"image": "all", "exact": "all"})
        settings = {**SMALL, "width": 8, "latent": 4, "steps": 120, "learning_rate": 5e-3}
        opened.train_model("vae", "squares", "vae", settings)
        opened.train_model("classifier", "squares", "told", {**SMALL, "width": 8, "steps": 60})
        yield opened


def test_how_even_a_version_is(squares: Workspace) -> None:
    found = squares.bias("squares", ["side", "year", "modality"])
    side, year, modality = found.spreads
    assert {one.value: one.items for one in side.values} == {"left": 60, "right": 20}
    assert side.imbalance == 3
    assert side.evenness == pytest.approx(0.8113, abs=1e-3)  # the entropy of a quarter, in bits
    assert year.missing == 40
    assert (modality.evenness, modality.imbalance) == (1.0, 1.0)
    squares.sample("vae", conditions={"label": "right"}, count=9, ingest="squares")
    again = squares.bias("squares", ["side"]).spreads[0]
    assert again.values == side.values  # what models made is left out


def test_what_a_model_makes_of_it(squares: Workspace) -> None:
    found = squares.bias("squares@2", ["side"], model="vae", samples=60)
    assert (found.model, found.extractor) == ("vae@1", "told@1")
    left, right = found.labels
    assert (left.label, left.data, right.data) == ("left", 0.75, 0.25)
    assert left.made + right.made == pytest.approx(1)
    assert left.right is not None
    assert left.right > 0.7  # it mostly does what it is told
    assert left.interval is not None
    assert left.interval[0] < left.right <= left.interval[1]
    assert found.distance == pytest.approx(abs(left.made - left.data))
    with pytest.raises(InvalidArgument, match="one that makes images"):
        squares.bias("squares", model="told")


def test_whether_it_helps_a_classifier(squares: Workspace) -> None:
    done: list[tuple[int, int]] = []
    found = squares.evaluate_augmentation(
        "squares",
        "vae",
        synthetic=40,
        seeds=2,
        shares=(5, 100),
        steps=15,
        on_progress=lambda *at: done.append(at),
    )
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (found.label, found.data, found.model) == ("side", "squares@3", "vae@1")
    few, every = found.shares
    assert few.images < 6 < every.images
    for share in found.shares:
        without, with_ = np.mean(share.each, axis=0)
        assert share.accuracy.before == pytest.approx(without, abs=1e-3)
        assert share.accuracy.after == pytest.approx(with_, abs=1e-3)
        assert share.accuracy.low <= share.accuracy.difference <= share.accuracy.high
    assert every.accuracy.after > 0.8
    same = {"synthetic": 40, "seeds": 2, "shares": (5,), "steps": 15}
    again = squares.evaluate_augmentation("squares", "vae", **same)  # type: ignore[arg-type]
    assert again.shares[0] == few
    with pytest.raises(InvalidArgument, match="in percent"):
        squares.evaluate_augmentation("squares", "vae", shares=(0,))
    with pytest.raises(InvalidArgument, match="at least 2"):
        squares.evaluate_augmentation("squares", "vae", seeds=1)


def test_by_the_command(squares: Workspace, tmp_path: Path, encoder: TextEncoder) -> None:
    squares.export_model("vae", tmp_path / "vae")
    squares.export("squares@2", tmp_path / "export")
    path = tmp_path / "other"
    with ragstone.open(path, create=True, encoder=encoder) as ws:
        ws.import_dataset(tmp_path / "export", "squares")
        ws.import_model(tmp_path / "vae")
    run = CliRunner()
    shown = run.invoke(app, ["-w", str(path), "bias", "squares", "--field", "side"])
    assert "the most frequent 3.0 times the rarest" in shown.output
    shown = run.invoke(app, ["-w", str(path), "bias", "squares", "--model", "vae"])
    assert "ragstone train classifier squares" in " ".join(shown.output.split())
    words = ["evaluate", "augmentation", "squares", "--model", "vae", "--synthetic", "20"]
    words += ["--seeds", "2", "--steps", "5", "--share", "50"]
    shown = run.invoke(app, ["-w", str(path), *words])
    assert shown.exit_code == 0, shown.output
    assert "50 %" in shown.output
