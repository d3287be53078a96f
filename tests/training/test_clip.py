"""Words find images, by a network that was trained here; what is made is drawn towards words."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ragstone
from ragstone.config import EncoderSettings
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument
from ragstone.models.clip import CLIP, CLIPConfig
from ragstone.schemas.records import Modality
from ragstone.training.encoding import WorkspaceEncoders
from ragstone.workspace import Workspace

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {"size": 8, "width": 8, "dimension": 16, "halvings": 1}
QUICK = {**SMALL, "steps": 120, "batch": 16, "warmup": 5, "learning_rate": 5e-3}


@pytest.fixture
def sides(workspace: Workspace, tmp_path: Path) -> Workspace:
    """60 grey images, light at the left or at the right, and texts that say so."""
    chance = np.random.default_rng(0)
    folder, rows = tmp_path / "images", []
    folder.mkdir()
    for number in range(60):
        image = chance.integers(0, 40, (16, 16)).astype(np.uint8)
        side = number % 2
        image[:, side * 8 : side * 8 + 8] += 180
        Image.fromarray(image).save(folder / f"{number:02}.png")
        word = ["left", "right"][side]
        texts = [f"light on the {word}", f"the {word} half is bright"]
        rows.append({"file_name": f"{number:02}.png", "side": word, "says": texts})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    workspace.ingest([folder], "sides")
    return workspace


def test_words_find_images(
    sides: Workspace, encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sides.train_model("clip", "sides", "words", {**QUICK, "text": "says"})
    assert made.bits_per_byte is None
    path = sides.path
    sides.close()
    monkeypatch.setenv("RAGSTONE_ENCODER__IMAGE", "model:words")
    with ragstone.open(path, encoder=encoder, ingestion={"workers": 0}) as ws:
        ws.ingest(["dataset:sides"], "seen")
        for word in ("left", "right"):
            hits = ws.search(f"the bright half is at the {word}", "seen", mode="vector", k=8).hits
            assert [hit.metadata["side"] for hit in hits] == [word] * 8
    opened = WorkspaceEncoders(path / "models").open_media(
        Modality.IMAGE, "model:words", EncoderSettings(device="cpu")
    )
    assert opened.reads_text
    found = opened.encode_queries(["left", "right"])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_what_is_made_is_drawn_towards_words(sides: Workspace) -> None:
    """By a network that was told nothing, and a guide that saw no noise."""
    sides.train_model("clip", "sides", "words", {**QUICK, "text": "says"})
    settings = {"size": 8, "width": 8, "steps": 200, "batch": 16, "learning_rate": 4e-3}
    sides.train_model("diffusion", "sides", "free", {**settings, "halvings": 1})
    lighter = {}
    for word in ("left", "right"):
        prompt = f"light on the {word}"
        made = sides.sample("free", prompt, count=9, guide="words", pull=2.0)
        assert made.media == sides.sample("free", prompt, count=9, guide="words", pull=2.0).media
        sheet = np.asarray(Image.open(io.BytesIO(made.media)), float)
        images = [sheet[y : y + 8, x : x + 8] for y in (0, 10, 20) for x in (0, 10, 20)]
        lighter[word] = np.mean([i[:, :4].mean() - i[:, 4:].mean() for i in images])
    assert lighter["left"] > lighter["right"] + 100
    with pytest.raises(InvalidArgument, match="a text that is drawn towards"):
        sides.sample("free", guide="words")
    with pytest.raises(InvalidArgument, match="a model of the family clip"):
        sides.sample("free", "left", guide="free")


def test_what_has_no_texts_cannot_be_learnt(sides: Workspace) -> None:
    with pytest.raises(InvalidArgument, match="--set text=FIELD"):
        sides.train_model("clip", "sides", "words", QUICK)
    sides.train_model("clip", "sides", "words", {**QUICK, "text": "says", "steps": 2})
    with pytest.raises(InvalidArgument):
        sides.sample("words")


def test_the_loss_is_that_of_the_pairs() -> None:
    """By hand; and texts that are the same are no mistakes of each other."""
    torch.manual_seed(0)
    model = CLIP(CLIPConfig(**SMALL, texts=6, dropout=0.0))
    images = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8)
    texts = torch.randn(4, 3, 6)
    batch = {"images": images, "labels": torch.zeros(4, dtype=torch.long), "texts": texts}
    with torch.no_grad():
        loss = model.training_step(batch, torch.Generator(), "validate")
        alike = model.encode(images / 127.5 - 1) @ model.encode_texts(texts[:, 0]).T
        logits = alike * model.scale.exp()
        both = logits.log_softmax(1).diag().mean() + logits.log_softmax(0).diag().mean()
        assert float(loss.value) == pytest.approx(float(-both / 2), rel=1e-5)
        batch["texts"] = texts[:1].expand(4, -1, -1)
        same = model.training_step(batch, torch.Generator(), "validate")
        seen = model.encode(images / 127.5 - 1) @ model.encode_texts(texts[:1, 0])[0]
        other_way = -(seen * model.scale.exp()).log_softmax(0).mean()
    assert same.figures["first_text_right"] == 1
    assert float(same.value) == pytest.approx(float(np.log(4) + other_way) / 2, rel=1e-5)
