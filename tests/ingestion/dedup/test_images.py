"""Near-duplicates of pictures: what is changed is found, what is another picture is not."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from ragstone.config import LimitSettings
from ragstone.ingestion.dedup.base import DuplicateKind, Finder, Pair, Signed
from ragstone.ingestion.dedup.exact import exact_pairs
from ragstone.ingestion.dedup.groups import Forest
from ragstone.ingestion.dedup.image_hash import (
    ALGORITHM,
    PAYLOAD_ALGORITHM,
    TURNS,
    hashes,
    near_signature,
    turned,
    turned_hashes,
    unpacked,
)
from ragstone.ingestion.dedup.images import HAMMING, ImageFinder
from ragstone.ingestion.parsers.image import parse_image

NONE = Signed(np.empty(0, np.int64), [])
Change = Callable[[Image.Image], Image.Image]


@cache
def scene(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """A picture like no other: coloured leaves of all sizes over each other."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), tuple(random.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for radius in 140 * random.random(90) ** 2 + 3:
        x, y = random.uniform(0, width), random.uniform(0, height)
        flat = radius * random.uniform(0.4, 1)
        box = (x - radius, y - flat, x + radius, y + flat)
        draw.ellipse(box, fill=tuple(random.integers(0, 256, 3).tolist()))
    return image.filter(ImageFilter.GaussianBlur(0.7))


def encoded(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def signature(content: bytes, kind: str = "image") -> bytes:
    document = parse_image(content, LimitSettings())
    return next(each.value for each in document.signatures if each.kind == kind)


def signed(files: Sequence[bytes], first: int = 0) -> Signed:
    keys = np.arange(first, first + len(files))
    return Signed(keys, [signature(content) for content in files])


def found(files: Sequence[bytes], new: int | None = None) -> list[Pair]:
    """The pairs of the first `new` files, or of all, with each other and with the rest."""
    count = len(files) if new is None else new
    fresh, known = signed(files[:count]), signed(files[count:], count)
    return ImageFinder().find(fresh, known, files.__getitem__)


def ends(pairs: Sequence[Pair]) -> set[tuple[int, int]]:
    return {(pair.first, pair.second) for pair in pairs}


def recode(kind: str, quality: int) -> Change:
    return lambda image: Image.open(io.BytesIO(encoded(image, kind, quality=quality)))


def crop(left: float, top: float, right: float, bottom: float) -> Change:
    def cut(image: Image.Image) -> Image.Image:
        width, height = image.size
        box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
        return image.crop(tuple(map(round, box)))

    return cut


CHANGES: dict[str, Change] = {
    "jpeg 30": recode("JPEG", 30),
    "webp 50": recode("WEBP", 50),
    "quarter": lambda image: image.resize((image.width // 4, image.height // 4)),
    "double": lambda image: image.resize((image.width * 2, image.height * 2)),
    "square": lambda image: image.resize((200, 200)),
    "grey": lambda image: ImageOps.grayscale(image),
    "blur": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "bright": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "crop all sides": crop(0.1, 0.1, 0.1, 0.1),
    "crop one side": crop(0.1, 0, 0, 0),
    "crop a corner": crop(0, 0, 0.1, 0.1),
    "crop unevenly": crop(0.02, 0.09, 0.07, 0.04),
    "rotate 3": lambda image: image.rotate(3, Image.Resampling.BICUBIC),
    "rotate -3, cropped": lambda image: crop(0.05, 0.05, 0.05, 0.05)(
        image.rotate(-3, Image.Resampling.BICUBIC)
    ),
    **{
        method.name.lower(): lambda image, method=method: image.transpose(method)  # type: ignore[misc]
        for method in Image.Transpose
    },
}
SCENES = 12


@pytest.fixture(scope="module")
def originals() -> list[bytes]:
    return [encoded(scene(seed)) for seed in range(SCENES)]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_meets_its_original_and_no_other(
    change: str, originals: list[bytes]
) -> None:
    copies = [encoded(CHANGES[change](scene(seed)).convert("RGB")) for seed in range(SCENES)]
    pairs = found([*copies, *originals], new=SCENES)
    assert ends(pairs) == {(seed, SCENES + seed) for seed in range(SCENES)}
    assert {pair.kind for pair in pairs} == {DuplicateKind.IMAGE}
    assert {pair.algorithm for pair in pairs} == {ALGORITHM}


def test_different_pictures_are_no_pair(originals: list[bytes]) -> None:
    assert found(originals) == []


def test_it_works_whichever_was_there_first(originals: list[bytes]) -> None:
    cut = encoded(crop(0.08, 0.02, 0.05, 0.09)(scene(3)))
    for files in ([cut, originals[3]], [originals[3], cut]):
        assert ends(found(files)) == {(0, 1)}
        assert ends(found(files, new=1)) == {(0, 1)}


def test_known_pictures_are_not_paired_with_each_other(originals: list[bytes]) -> None:
    files = [originals[0], originals[1], encoded(scene(1), "JPEG")]
    assert found(files, new=1) == []


def test_evidence_says_how_one_lies_on_the_other(originals: list[bytes]) -> None:
    mirrored = encoded(ImageOps.mirror(scene(2)))
    cut = encoded(crop(0, 0.1, 0.1, 0)(scene(2)))
    (pair,) = found([mirrored, originals[2]])
    assert pair.evidence["turn"] == "mirror"
    assert pair.evidence["hamming"] <= HAMMING
    assert pair.distance == pytest.approx(1 - pair.evidence["correlation"], abs=1e-4)
    (other,) = found([cut, originals[2]])
    assert other.evidence["hamming"] > HAMMING
    assert other.distance > pair.distance
    assert 0.75 < other.evidence["overlap"] <= 1
    assert json.loads(json.dumps(other.evidence)) == other.evidence


@pytest.mark.parametrize("turn", TURNS)
def test_the_hash_of_a_turned_picture_follows_from_the_hash(turn: str) -> None:
    grey = unpacked([near_signature(np.asarray(scene(seed))) for seed in range(30)]).grey
    expected = hashes(turned(grey, turn))
    differing = np.bitwise_count(turned_hashes(hashes(grey), turn) ^ expected).sum(axis=1)
    assert differing.max() <= 2  # a coefficient that is zero but for rounding


def flat(colour: tuple[int, int, int], size: int = 128) -> Image.Image:
    return Image.new("RGB", (size, size), colour)


def gradient(low: int, high: int) -> Image.Image:
    levels = np.linspace(low, high, 128).astype(np.uint8)
    return Image.fromarray(np.broadcast_to(levels[None, :, None], (128, 128, 3)).copy())


def test_pictures_without_detail_are_no_near_duplicates() -> None:
    images = [flat((255, 255, 255)), flat((250, 250, 250)), flat((0, 0, 0)), flat((9, 90, 200))]
    images += [gradient(0, 255), gradient(40, 200)]
    files = [encoded(image, kind) for image in images for kind in ("PNG", "JPEG")]
    assert found(files) == []


def test_two_pages_of_other_text_in_one_layout_stay_two() -> None:
    words = "stone water lime sand kiln heat course ashlar rubble mortar quoin arch vault".split()

    def page(seed: int) -> Image.Image:
        random = np.random.default_rng(seed)
        image = Image.new("RGB", (420, 560), "white")
        draw = ImageDraw.Draw(image)
        draw.rectangle((0, 0, 420, 60), fill=(30, 60, 140))
        for y in range(80, 530, 18):
            line = " ".join(random.choice(words, 12).tolist())
            draw.text((30, y), line[:58], fill="black", font=ImageFont.load_default(12))
        return image

    pages = [page(seed) for seed in range(4)]
    copies = [encoded(crop(0.02, 0.04, 0.03, 0.01)(each), "JPEG", quality=80) for each in pages]
    files = [*copies, *[encoded(each) for each in pages]]
    assert ends(found(files)) == {(place, 4 + place) for place in range(4)}


def test_equal_signatures_are_one_star_and_a_crowd_stays_connected(originals: list[bytes]) -> None:
    copies = [originals[0]] * 10
    again = [encoded(scene(0), "JPEG", quality=quality) for quality in range(40, 64)]
    pairs = found([*copies, *again])
    assert {(0, place) for place in range(1, 10)} <= ends(pairs)
    assert len(pairs) < 9 + 24 * 17
    forest = Forest()
    for one, other in ends(pairs):
        forest.join(one, other)
    (group,) = forest.trees().values()
    assert len(group) == 34


def test_the_same_pixels_in_another_file_are_exact_duplicates(originals: list[bytes]) -> None:
    files = [originals[0], encoded(scene(0), "BMP"), originals[1]]
    values = [signature(content, "payload") for content in files]
    (pair,) = exact_pairs(Signed(np.arange(3), values), PAYLOAD_ALGORITHM)
    assert (pair.first, pair.second, pair.kind) == (0, 1, DuplicateKind.EXACT)


def test_small_pictures_need_no_second_look() -> None:
    pictures = [np.asarray(scene(seed).resize((32, 32))) for seed in range(SCENES)]
    shifted = [np.asarray(scene(seed).resize((36, 36)))[2:34, 2:34] for seed in range(SCENES)]
    values = [near_signature(picture) for picture in (*shifted, *pictures)]
    new = Signed(np.arange(SCENES), values[:SCENES])
    known = Signed(np.arange(SCENES, 2 * SCENES), values[SCENES:])

    def content(key: int) -> bytes:
        pytest.fail(f"asked for {key}")

    # Of a picture so small a crop is seldom found, and never taken for one of another picture.
    pairs = ends(ImageFinder().find(new, known, content))
    assert pairs <= {(seed, SCENES + seed) for seed in range(SCENES)}
    assert pairs


def test_nothing_new_and_nothing_known(originals: list[bytes]) -> None:
    finder: Finder = ImageFinder()
    assert finder.find(NONE, NONE, originals.__getitem__) == []
    assert finder.find(NONE, signed(originals[:2]), originals.__getitem__) == []
    assert finder.find(signed(originals[:1]), NONE, originals.__getitem__) == []


def test_the_signature_has_its_parts() -> None:
    picture = np.asarray(scene(5))
    one = unpacked([near_signature(picture)])
    assert one.hashes.shape == (1, 32)
    assert one.grey.shape == (1, 32, 32)
    assert (one.grey.min(), one.grey.max()) == (0, 255)
    assert one.sides.tolist() == [240]
    assert near_signature(picture) == near_signature(picture.copy())


def distinct(pictures: NDArray[np.uint8]) -> list[Pair]:
    values = [near_signature(picture) for picture in pictures]
    return ImageFinder().find(Signed(np.arange(len(values)), values), NONE, lambda key: key)


def test_real_small_pictures_have_only_pairs_that_were_looked_at(data: Path) -> None:
    # Of these 2,000 pictures of 32 pixels, the pairs found were looked at: all show the same.
    with zipfile.ZipFile(data / "cifar10_subset" / "images.zip") as archive:
        names = sorted(name for name in archive.namelist() if "automobile" in name)
        names += sorted(name for name in archive.namelist() if "bird" in name)
        files = [io.BytesIO(archive.read(name)) for name in names if name.endswith(".jpg")]
    pictures = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    pairs = distinct(pictures)
    assert 5 <= len(pairs) <= 60
    assert max(pair.distance for pair in pairs) <= 0.2
