"""What models made, on the command line: made, taken in, told apart, found on demand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .conftest import FAST, Outcome, invoke

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = ("steps=2", "batch=8", "size=8", "width=8", "latent=4", "label=side")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with 24 pictures and a model of them."""
    root = tmp_path_factory.mktemp("synthetic")
    (root / "files").mkdir()
    chance, rows = np.random.default_rng(0), []
    for number in range(24):
        pixels = chance.integers(0, 255, (16, 16)).astype(np.uint8)
        Image.fromarray(pixels).save(root / "files" / f"{number:02}.png")
        rows.append({"file_name": f"{number:02}.png", "side": ["left", "right"][number % 2]})
    (root / "files" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = root / "workspace"
    invoke("init", path)
    (path / "ragstone.toml").write_text(FAST)
    call(path, "ingest", root / "files", "--dataset", "squares")
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    call(path, "train", "vae", "squares", "--name", "vae", *settings)
    return path


def call(place: Path, *words: str | Path) -> Outcome:
    done = invoke("-w", place, *words)
    assert done.status == 0, done.err
    return done


def test_samples_are_taken_in_and_told_apart(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    asked = ("sample", "vae", "--count", "3", "--condition", "side=left")
    assert invoke("-w", place, *asked, "--out", out).status == 2  # it is called label
    asked = (*asked[:-1], "label=left")
    said = call(place, *asked, "--out", out, "--ingest", "squares", "-m", "three").out
    assert "squares@2  3 added" in said
    assert "synthetic" in call(place, "datasets").out
    assert "vae@1" in call(place, "items", "squares", "--offset", "20").out
    assert "made by models: 0 → 3 items" in call(place, "diff", "squares@2").out
    (of,) = call(place, "datasets", "--json").json
    assert (of["items"], of["synthetic"]) == (27, 3)
    made = [item for item in call(place, "items", "squares", "--json").json if item["synthetic"]]
    shown = call(place, "show", made[0]["item_id"]).out
    assert "made by" in shown
    traced = call(place, "trace", made[0]["item_id"]).out
    assert "made by model vae@1" in traced
    assert "learnt from squares@1" in traced
    counted = call(place, "facets", "squares", "--field", "side", "--json").json[0]["values"]
    assert counted == [{"value": "left", "items": 12}, {"value": "right", "items": 12}]
    only = call(place, "facets", "squares", "--field", "side", "--only-synthetic", "--json").json
    assert only[0]["values"] == [{"value": "left", "items": 3}]
    found = ("similar", made[0]["item_id"], "--json")
    assert len(call(place, *found, "-k", "50").json["hits"]) == 24
    assert len(call(place, *found, "-k", "50", "--synthetic").json["hits"]) == 26
    hits = call(place, *found[:-1], "--only-synthetic").out
    assert hits.count("made by vae@1") == 2


def test_a_file_says_which_model_made_it(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "one.png"
    call(place, "sample", "vae", "--seed", "4", "--out", out)
    found = invoke("provenance", out, "--json").json
    assert (found["model"], found["seed"], found["said_by"]) == ("vae@1", 4, "the file")
    beside = json.loads((tmp_path / "one.json").read_text())
    assert beside["synthetic"]["digest"] == found["digest"]
    actions = beside["assertions"][0]["data"]["actions"]
    assert actions[0]["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    Image.open(out).save(out)  # by another program: the note is gone
    assert invoke("provenance", out, "--json").json["said_by"] == "one.json"
    assert "vae@1" in invoke("provenance", out).out
    (tmp_path / "one.json").unlink()
    refused = invoke("provenance", out, "--json")
    assert (refused.status, refused.error["code"]) == (1, "no_provenance")
    (tmp_path / "one.json").write_text('{"caption": "mine"}')
    refused = invoke("-w", place, "sample", "vae", "--out", out, "--json")
    assert (refused.status, refused.error["code"]) == (2, "invalid_argument")
    assert json.loads((tmp_path / "one.json").read_text()) == {"caption": "mine"}
    assert invoke("provenance", tmp_path / "none.png", "--json").status == 2
