"""The watermark: put in, found again, not found where it is not, and not seen."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import DamagedFile, InvalidArgument
from ragstone.models.waves import wav
from ragstone.training import watermark_images, watermark_sounds
from ragstone.training.watermarks import key_of, look, watermarked

pytestmark = pytest.mark.usefixtures("one_thread")

KEY, OTHER = b"k" * 32, b"o" * 32


def scene(seed: int, side: int = 96, channels: int = 3) -> NDArray[np.uint8]:
    """A picture with smooth stretches, edges and some noise."""
    chance = np.random.default_rng(seed)
    across = np.linspace(0, 255, side)
    light = np.add.outer(across, across[::-1]) / 2 + chance.normal(0, 4, (side, side))
    for _ in range(6):
        top, left, high, wide = chance.integers(4, side // 2, 4)
        light[top : top + high, left : left + wide] += chance.integers(-90, 90)
    pixels = np.clip(light, 0, 255).astype(np.uint8)
    return pixels if channels == 1 else np.stack([pixels, 255 - pixels // 2, pixels // 2], 2)


def packed(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", quality=quality)
    return np.asarray(Image.open(io.BytesIO(target.getvalue())))


def psnr(before: NDArray[Any], after: NDArray[Any]) -> float:
    error = np.square(before.astype(float) - after).mean()
    return float(10 * np.log10(255**2 / error))


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_carries_it_and_looks_the_same(channels: int) -> None:
    images = [scene(seed, channels=channels) for seed in range(4)]
    made = [watermark_images.marked(image, KEY) for image in images]
    for image, changed in zip(images, made, strict=True):
        assert watermark_images.detect([changed], KEY).found
        assert watermark_images.detect([packed(changed, 75)], KEY).found
        assert psnr(image, changed) >= 35
        for nothing in ([image], [packed(image, 75)]):
            assert not watermark_images.detect(nothing, KEY).found
        assert not watermark_images.detect([changed], OTHER).found
    assert (made[0] == watermark_images.marked(images[0], KEY)).all()


def test_a_part_of_an_image_carries_it() -> None:
    made = watermark_images.marked(scene(1, 160), KEY)
    part = made[13:, 21:]
    assert not watermark_images.detect([part], KEY).found
    found = watermark_images.detect([part], KEY, moved=True)
    assert found.found
    assert found.moved == (21, 13)
    assert not watermark_images.detect([scene(1, 160)[13:, 21:]], KEY, moved=True).found


def test_many_small_images_tell_what_one_does_not() -> None:
    images = [scene(seed, 28, 1) for seed in range(30)]
    made = [watermark_images.marked(image, KEY) for image in images]
    alone = [watermark_images.detect([one], KEY).z for one in made]
    together = watermark_images.detect(made, KEY)
    assert together.found
    assert together.z > np.mean(alone)
    assert not watermark_images.detect(images, KEY).found
    tiny = scene(0, 28, 1)[:8, :8]
    assert watermark_images.marked(tiny, KEY) is tiny  # too few coefficients to be sure by


def test_chance_gives_what_the_statistic_says() -> None:
    image = scene(3)
    drawn = [watermark_images.detect([image], bytes([n]) * 32).z for n in range(200)]
    assert abs(np.mean(drawn)) < 0.25
    assert 0.8 < np.std(drawn) < 1.2


def test_a_recording_carries_it() -> None:
    chance = np.random.default_rng(0)
    time = np.arange(24_000) / 8_000
    sound = (6_000 * np.sin(2 * np.pi * 440 * time) + chance.normal(0, 900, len(time))).astype(
        np.int16
    )
    made = watermark_sounds.marked(sound, KEY)
    assert watermark_sounds.detect([made], KEY).found
    assert not watermark_sounds.detect([made], OTHER).found
    assert not watermark_sounds.detect([sound], KEY).found
    change = made.astype(float) - sound
    assert 10 * np.log10(np.square(sound.astype(float)).mean() / np.square(change).mean()) >= 20
    short = sound[:900]
    assert watermark_sounds.marked(short, KEY) is short


def test_files_of_a_model_carry_it_and_the_key_stays(tmp_path: Path, encoder: TextEncoder) -> None:
    (tmp_path / "files").mkdir()
    rows = []
    for number in range(20):
        Image.fromarray(scene(number, 32, 1)).save(tmp_path / "files" / f"{number}.png")
        rows.append({"file_name": f"{number}.png"})
    (tmp_path / "files" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    place = tmp_path / "workspace"
    out, plain = tmp_path / "sheet.png", tmp_path / "plain.png"
    with ragstone.open(place, create=True, encoder=encoder, ingestion={"workers": 0}) as ws:
        ws.ingest([tmp_path / "files"], "scenes")
        settings = {"steps": 2, "batch": 8, "size": 32, "width": 8, "latent": 4}
        ws.train_model("vae", "scenes", "vae", settings)
        out.write_bytes(ws.sample("vae", count=4).media)
        assert ws.sample("vae", count=4).media == out.read_bytes()
        (one,) = ws.watermark([out]).files
        assert one.found
        assert oct((place / "models" / "watermark.key").stat().st_mode & 0o777) == "0o600"
        with pytest.raises(InvalidArgument, match="a file that can be read"):
            ws.watermark([tmp_path / "none.png"])
    options = {"encoder": encoder, "models": {"watermark": False}}
    with ragstone.open(place, **options) as ws:
        plain.write_bytes(ws.sample("vae", count=4).media)
        report = ws.watermark([out, plain])
        assert [one.found for one in report.files] == [True, False]


def test_files_are_looked_at_by_their_bytes(tmp_path: Path) -> None:
    target = io.BytesIO()
    Image.fromarray(scene(5)).save(target, "PNG")
    image = watermarked(target.getvalue(), "image/png", KEY)
    noise = np.random.default_rng(1).normal(0, 3_000, 20_000).astype(np.int16)
    sound = watermarked(wav(noise, 8_000), "audio/wav", KEY)
    assert look([("a.png", image)], KEY).files[0].found
    assert look([("a.wav", sound)], KEY).files[0].found
    assert not look([("a.wav", wav(noise, 8_000))], KEY).files[0].found
    assert watermarked(b"text", "text/plain", KEY) == b"text"
    with pytest.raises(InvalidArgument, match="not both"):
        look([("a.png", image), ("a.wav", sound)], KEY)
    with pytest.raises(InvalidArgument, match="an image or a recording"):
        look([("a.txt", b"text")], KEY)
    assert key_of(tmp_path) == key_of(tmp_path)
    (tmp_path / "watermark.key").write_text("abc")
    with pytest.raises(DamagedFile, match="it holds no key"):
        key_of(tmp_path)
