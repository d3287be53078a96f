"""The embedded image encoder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ragstone.encoders.base import MediaEncoder
from ragstone.encoders.image_descriptor import ImageDescriptor
from ragstone.errors import InvalidArgument
from ragstone.schemas.records import Modality, Payload


def payload(image: Image.Image | NDArray[np.uint8]) -> Payload:
    return Payload(Modality.IMAGE, np.asarray(image, np.uint8))


def noise(seed: int, side: int = 48) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def drawing(kind: str, colour: str, size: int = 96, shift: int = 0) -> Image.Image:
    image = Image.new("RGB", (size, size), "white")
    draw = ImageDraw.Draw(image)
    box = tuple(round(size * share) + shift for share in (0.25, 0.25, 0.7, 0.7))
    {"disc": draw.ellipse, "box": draw.rectangle}[kind](box, fill=colour)
    return image


def likeness(one: Image.Image, other: Image.Image) -> float:
    first, second = ImageDescriptor().encode_media([payload(one), payload(other)])
    return float(first @ second)


def test_vectors_are_unit_float32_of_the_promised_dimension() -> None:
    encoder: MediaEncoder = ImageDescriptor()
    sizes = [(32, 32), (1, 1), (3, 200), (512, 384)]
    payloads = [payload(np.full((*size, 3), 90, np.uint8)) for size in sizes]
    vectors = encoder.encode_media([*payloads, payload(noise(1))])
    assert vectors.shape == (5, encoder.identity.dimension)
    assert vectors.dtype == np.float32
    assert encoder.identity.dimension <= 1024
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_picture_has_a_direction(level: int) -> None:
    vector = ImageDescriptor().encode_media([payload(np.full((40, 40, 3), level, np.uint8))])[0]
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_a_vector_depends_on_its_own_picture_alone() -> None:
    encoder = ImageDescriptor()
    payloads = [payload(noise(seed)) for seed in range(300)]
    done: list[int] = []
    together = encoder.encode_media(payloads, done.append)
    alone = np.concatenate([encoder.encode_media([each]) for each in payloads[::50]])
    np.testing.assert_allclose(together[::50], alone, atol=2e-6)
    assert done == sorted(done)
    assert done[-1] == 300


def test_no_payloads_give_no_vectors() -> None:
    assert ImageDescriptor().encode_media([]).shape == (0, ImageDescriptor().identity.dimension)


def test_shape_colour_and_place_count() -> None:
    red = drawing("disc", "red")
    assert likeness(red, red.resize((60, 60))) > 0.95
    assert likeness(red, drawing("disc", "red", shift=3)) > likeness(red, drawing("box", "red"))
    assert likeness(red, drawing("disc", "red")) > likeness(red, drawing("disc", "blue"))
    assert likeness(red, drawing("disc", "red", shift=3)) > likeness(
        red, drawing("disc", "red", shift=25)
    )


def test_the_identity_is_that_of_an_image_space_and_names_its_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    identity = ImageDescriptor().identity
    assert (identity.name, identity.modality) == ("image-descriptor-1", "image")
    assert identity.space.startswith("image.")
    assert len(bytes.fromhex(identity.digest)) == 32
    monkeypatch.setattr("ragstone.encoders.image_descriptor._LAYOUT", 0.7)
    assert ImageDescriptor().identity.digest != identity.digest


def test_words_are_refused() -> None:
    assert not ImageDescriptor().reads_text
    with pytest.raises(InvalidArgument, match="reads text"):
        ImageDescriptor().encode_queries(["a red disc"])


def test_importing_it_loads_neither_pillow_nor_torch() -> None:
    code = (
        "import sys, ragstone.encoders.image_descriptor as m; m.ImageDescriptor().identity;"
        "print([n for n in ('PIL', 'torch', 'scipy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_digits_are_told_apart(data: Path) -> None:
    import gzip

    folder = data / "mnist_test10k"
    pictures, labels = (
        np.frombuffer(gzip.decompress((folder / name).read_bytes()), np.uint8, offset=offset)
        for name, offset in (("t10k-images-idx3-ubyte.gz", 16), ("t10k-labels-idx1-ubyte.gz", 8))
    )
    pictures, labels = pictures.reshape(-1, 28, 28, 1)[:2000].repeat(3, axis=3), labels[:2000]
    vectors = ImageDescriptor().encode_media([payload(picture) for picture in pictures])
    likenesses = vectors @ vectors.T
    np.fill_diagonal(likenesses, -1)
    nearest = labels[np.argsort(-likenesses, axis=1)[:, :5]]
    votes = np.stack([(nearest == digit).sum(axis=1) for digit in range(10)], axis=1)
    assert (votes.argmax(axis=1) == labels).mean() > 0.95
