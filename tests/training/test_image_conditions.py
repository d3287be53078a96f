"""Diffusion that makes latents, is told of texts, enlarges images, and makes sounds."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest

import ragstone
from ragstone.config import EncoderSettings
from ragstone.encoders.base import TextEncoder
from ragstone.encoders.text import open_text_encoder
from ragstone.errors import InvalidArgument, SpaceMismatch, UnknownModel
from ragstone.models.waves import wav
from ragstone.workspace import Workspace
from tests.training.tiny_images import half_light, half_light_folder, lean, png, sheet

pytestmark = pytest.mark.usefixtures("one_thread")

SETTINGS = {
    "size": 8,
    "steps": 120,
    "batch": 16,
    "learning_rate": 4e-3,
    "warmup": 20,
    "ema": 0.9,
}


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("squares")
    half_light_folder(folder)
    path = tmp_path_factory.mktemp("workspace") / "ws"
    with ragstone.open(path, create=True, encoder=encoder, ingestion={"workers": 0}) as workspace:
        workspace.ingest([folder], "squares")
        yield workspace


def test_latents_of_an_autoencoder_that_is_kept_with_them(squares: Workspace) -> None:
    small = {**SETTINGS, "width": 8, "latent": 4, "halvings": 1}
    squares.train_model("ae", "squares", "coder", small)
    told = {**SETTINGS, "width": 32, "label": "side", "autoencoder": "coder@1", "steps": 300}
    made = squares.train_model("diffusion", "squares", "inside", told)
    assert made.config["backbone"] == "mlp"
    assert made.config["latents"] == 4
    squares.train_model("ae", "squares", "coder", {**small, "seed": 1})  # changes nothing
    rmtree(squares.path / "models" / "coder")
    for side, sign in (("left", 1), ("right", -1)):
        sample = squares.sample("inside", conditions={"label": side}, count=9)
        assert np.mean([sign * lean(image) for image in sheet(sample.media)]) > 100
    found = squares.evaluate_model("inside", samples=0)
    assert found.loss == pytest.approx(made.loss, rel=1e-3)
    near = squares.sample("inside", task="translate", images=[png(half_light(0))], strength=0.1)
    assert lean(sheet(near.media)[0]) > 80
    with pytest.raises(InvalidArgument, match="can do: sample, translate"):
        squares.sample("inside", task="inpaint", images=[png(half_light(0))], keep="top")
    with pytest.raises(UnknownModel):
        squares.train_model("diffusion", "squares", "no", {**told, "autoencoder": "nothing"})
    with pytest.raises(InvalidArgument, match="family diffusion"):
        squares.train_model("diffusion", "squares", "no", {**told, "autoencoder": "inside"})
    squares.train_model("ae", "squares", "coder", {**small, "steps": 1})
    other = {**told, "autoencoder": "coder", "size": 16}
    with pytest.raises(InvalidArgument, match="1 channels and 16 pixels"):
        squares.train_model("diffusion", "squares", "no", other)


def test_what_a_text_says(squares: Workspace, tmp_path: Path, small_model: Path) -> None:
    told = {**SETTINGS, "width": 8, "halvings": 1, "text": "said", "steps": 200}
    made = squares.train_model("diffusion", "squares", "painter", told)
    assert made.tokenizer == "8 x 8 pixels, grey, texts"
    assert made.config["words"] == 9  # the whole text, and up to eight words
    for prompt, sign in (("light at the left", 1), ("the right half shines", -1)):
        sample = squares.sample("painter", prompt, count=9)
        assert np.mean([sign * lean(image) for image in sheet(sample.media)]) > 80
    found = squares.evaluate_model("painter", samples=2)
    assert found.loss == pytest.approx(made.loss, rel=1e-3)
    squares.export_model("painter", tmp_path / "painter")
    other = open_text_encoder(EncoderSettings(name=str(small_model)))
    with ragstone.open(tmp_path / "other", create=True, encoder=other) as elsewhere:
        elsewhere.import_model(tmp_path / "painter")
        with pytest.raises(SpaceMismatch, match="minilm"):
            elsewhere.sample("painter", "light at the left")


def test_texts_that_are_not_there(squares: Workspace) -> None:
    with pytest.raises(InvalidArgument, match="said, side"):
        squares.train_model("diffusion", "squares", "no", {**SETTINGS, "text": "caption"})
    small = {**SETTINGS, "steps": 2, "width": 8}
    squares.train_model("diffusion", "squares", "silent", small)
    with pytest.raises(InvalidArgument, match="told of no texts"):
        squares.sample("silent", "light at the left")


def test_an_image_is_enlarged(squares: Workspace) -> None:
    asked = {**SETTINGS, "width": 8, "halvings": 1, "shrink": 2}
    squares.train_model("diffusion", "squares", "larger", asked)
    large = half_light(1, 5)
    small = large.reshape(4, 2, 4, 2).mean((1, 3)).astype(np.uint8)
    made = squares.sample("larger", task="upscale", images=[png(small)], count=4)
    for image in sheet(made.media):
        assert image.shape == (8, 8)
        shrunk = image.reshape(4, 2, 4, 2).mean((1, 3))
        assert np.abs(shrunk - small).mean() < 25
    with pytest.raises(InvalidArgument, match="can do: upscale"):
        squares.sample("larger")
    assert "memorised" not in squares.evaluate_model("larger", samples=2).measures


def test_recordings_are_images_and_sound_again(workspace: Workspace, tmp_path: Path) -> None:
    rate, rows, chance = 4_000, [], np.random.default_rng(0)
    folder = tmp_path / "tones"
    folder.mkdir()
    for number in range(40):
        high = number % 2
        hertz = (400, 1_400)[high] * chance.uniform(0.95, 1.05)
        sound = 20_000 * np.sin(2 * np.pi * hertz * np.arange(1_000) / rate)
        name = f"{number:02}.wav"
        (folder / name).write_bytes(wav(sound.astype(np.int16), rate))
        rows.append({"file_name": name, "pitch": ["low", "high"][high]})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    workspace.ingest([folder], "tones")
    told = {**SETTINGS, "size": 16, "width": 8, "label": "pitch", "from": "audio", "seconds": 0.03}
    made = workspace.train_model("diffusion", "tones", "tones", {**told, "batch": 8})
    assert made.tokenizer.startswith("spectrograms of 0.03 s at 4,000 Hz")
    for pitch, hertz in (("low", 400), ("high", 1_400)):
        sample = workspace.sample("tones", conditions={"label": pitch}, count=3)
        assert sample.media_type == "audio/wav"
        with wave.open(io.BytesIO(sample.media)) as file:
            assert file.getframerate() == rate
            heard = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        strengths = np.abs(np.fft.rfft(heard))
        loudest = np.fft.rfftfreq(len(heard), 1 / rate)[strengths.argmax()]
        assert loudest == pytest.approx(hertz, abs=200)
    with pytest.raises(InvalidArgument, match="one of image, audio"):
        workspace.train_model("diffusion", "tones", "no", {**told, "from": "video"})
    with pytest.raises(InvalidArgument, match="seconds"):
        workspace.train_model("diffusion", "tones", "no", {**told, "seconds": 9.0})
