"""Networks of images as encoders: their vectors are a space of a dataset of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ragstone
from ragstone.config import EncoderSettings
from ragstone.encoders.base import TextEncoder
from ragstone.errors import EncoderUnavailable, InvalidArgument
from ragstone.schemas.records import Modality, Payload
from ragstone.training.encoding import WorkspaceEncoders
from ragstone.workspace import Workspace

from .tiny_images import half_light_folder

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = {"steps": 60, "batch": 16, "size": 8, "width": 8, "latent": 6, "warmup": 5}
SETTINGS = EncoderSettings(device="cpu")


@pytest.fixture
def squares(workspace: Workspace, tmp_path: Path) -> Workspace:
    """40 grey images, half of them light at the left, half at the right, and an autoencoder."""
    folder = tmp_path / "images"
    half_light_folder(folder, 40)
    workspace.ingest([folder], "squares")
    workspace.train_model("ae", "squares", "looks", QUICK)
    return workspace


def test_its_vectors_find_images_that_are_alike(
    squares: Workspace, encoder: TextEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another dataset of the same images; another number of the name does not take its place."""
    path, digest = squares.path, squares.model("looks").digest
    squares.close()
    monkeypatch.setenv("RAGSTONE_ENCODER__IMAGE", "model:looks")
    with ragstone.open(path, encoder=encoder, ingestion={"workers": 0}) as ws:
        ws.ingest(["dataset:squares"], "seen")
        hits = ws.search("", "seen", image=tmp_path / "images" / "01.png", k=8).hits
        assert ws.train_model("ae", "squares", "looks", {**QUICK, "steps": 2}).number == 2
    assert hits[0].source.endswith("01.png")
    assert [hit.metadata["side"] for hit in hits] == ["right"] * 8
    monkeypatch.delenv("RAGSTONE_ENCODER__IMAGE")
    with ragstone.open(path, encoder=encoder, ingestion={"workers": 0}) as ws:
        again = ws.search("", "seen", image=tmp_path / "images" / "01.png", k=8)
        assert again.hits == hits
        ws.ingest([tmp_path / "images" / "00.png"], "seen", message="one more")
    opened = WorkspaceEncoders(path / "models").open_media(
        Modality.IMAGE, "model:looks@1", SETTINGS
    )
    assert opened.identity.digest == digest
    with pytest.raises(InvalidArgument, match="an encoder that reads text"):
        opened.encode_queries(["left"])


def test_an_image_is_embedded_alone_as_among_others(squares: Workspace) -> None:
    own = WorkspaceEncoders(squares.path / "models")
    opened = own.open_media(Modality.IMAGE, "model:looks", SETTINGS)
    assert opened.identity.name == "model:looks@1"
    assert not opened.reads_text
    chance = np.random.default_rng(1)
    shapes = [(16, 16, 3), (9, 30, 3), (8, 8, 3)]
    payloads = [
        Payload(Modality.IMAGE, chance.integers(0, 256, shape, np.uint8)) for shape in shapes
    ]
    together = opened.encode_media(payloads)
    assert together.shape == (3, opened.identity.dimension) == (3, 6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    for payload, vector in zip(payloads, together, strict=True):
        np.testing.assert_allclose(opened.encode_media([payload])[0], vector, atol=1e-5)


def test_what_cannot_embed_is_refused(squares: Workspace) -> None:
    own = WorkspaceEncoders(squares.path / "models")
    with pytest.raises(EncoderUnavailable, match="nothing"):
        own.open_media(Modality.IMAGE, "model:nothing", SETTINGS)
    with pytest.raises(EncoderUnavailable, match="embed no audio"):
        own.open_media(Modality.AUDIO, "model:looks", SETTINGS)
    squares.train_model("diffusion", "squares", "makes", {"steps": 2, "size": 8, "width": 8})
    with pytest.raises(EncoderUnavailable, match="it is a diffusion, which does not encode"):
        own.open_media(Modality.IMAGE, "model:makes", SETTINGS)
