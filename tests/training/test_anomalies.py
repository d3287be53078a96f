"""Images that do not belong: a model that has not learnt their kind puts them first."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ragstone.cli.app import app
from ragstone.errors import InvalidArgument
from ragstone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = {"steps": 150, "batch": 16, "size": 8, "width": 8, "latent": 2, "warmup": 5}


@pytest.fixture
def stripes(workspace: Workspace, tmp_path: Path) -> Workspace:
    """40 images with upright stripes; then three with others, which no model has learnt."""
    chance = np.random.default_rng(0)
    folder = tmp_path / "images"
    folder.mkdir()

    def draw(name: str, *, upright: bool) -> None:
        wave = 100 * (1 + np.sin(np.arange(16) * 0.8 + chance.random() * 6))
        grid = np.tile(wave, (16, 1)) + chance.integers(0, 20, (16, 16))
        pixels = (grid if upright else grid.T).astype(np.uint8)
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / name)

    for number in range(40):
        draw(f"upright-{number:02}.png", upright=True)
    workspace.ingest([folder], "stripes")
    workspace.train_model("ae", "stripes", "looks", QUICK)
    for number in range(3):
        draw(f"other-{number}.png", upright=False)
    workspace.ingest([folder], "stripes", message="and others")
    return workspace


def test_what_does_not_belong_comes_first(stripes: Workspace) -> None:
    found = stripes.anomalies("stripes", "looks", limit=5)
    assert len(found) == 5
    names = [Path(one.source).name for one in found]
    assert sorted(names[:3]) == ["other-0.png", "other-1.png", "other-2.png"]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert found[2].deviations > 3
    assert found[2].deviations > found[3].deviations
    before = stripes.anomalies("stripes@1", "looks", limit=100)
    assert len(before) == 40
    assert np.median([one.deviations for one in before]) == pytest.approx(0, abs=1e-6)
    stripes.close()
    command = ["anomalies", "stripes", "looks", "--limit", "3", "--json", "-w", str(stripes.path)]
    shown = json.loads(CliRunner().invoke(app, command).stdout)
    assert [one["source"] for one in shown] == [one.source for one in found[:3]]


def test_who_cannot_tell_says_so(stripes: Workspace) -> None:
    stripes.train_model("diffusion", "stripes", "makes", {"steps": 2, "size": 8, "width": 8})
    with pytest.raises(InvalidArgument, match="such as an ae or a classifier"):
        stripes.anomalies("stripes", "makes")
    with pytest.raises(InvalidArgument, match="at least 1"):
        stripes.anomalies("stripes", "looks", limit=0)
