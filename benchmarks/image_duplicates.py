"""Which changes of a picture the image finder sees through, what it takes for the same, how fast.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/image_duplicates.py [--pictures 200] [--scale]

Changed copies of photographs (flickr8k_1000) are new, all photographs are known: recall is the
share of copies paired with their own original, false pairs are those with another one; beside it
stands what the hash alone finds. Then the pairs of `neardup_images`, those of `cifar10_subset` and
`mnist_test10k` at original size (`--sheet` writes pictures of them to look at), and the time of
10,000 new against 100,000 known ones. Writes Markdown tables to standard output.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import os
import sys
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from ragstone.config import LimitSettings
from ragstone.errors import Rejected
from ragstone.ingestion.dedup.base import Signed
from ragstone.ingestion.dedup.image_hash import TURNS, near_signature, turned_hashes, unpacked
from ragstone.ingestion.dedup.images import HAMMING, ImageFinder
from ragstone.ingestion.parsers.image import parse_image

Change = Callable[[Image.Image, np.random.Generator], Image.Image]
LIMITS = LimitSettings()
NONE = Signed(np.empty(0, np.int64), [])


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """Return the bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def recode(kind: str, **options: object) -> Change:
    """Return the change that writes a file of `kind` and reads it."""
    return lambda image, _: Image.open(io.BytesIO(encoded(image, kind, **options)))


def resize(factor: float) -> Change:
    """Return the change of size."""
    return lambda image, _: image.resize(
        (round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC
    )


def crop(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Cut the given shares off the sides."""
    width, height = image.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return image.crop(tuple(map(round, box)))


def random_crop(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Cut up to a tenth off each side."""
    return crop(image, *random.uniform(0, 0.1, 4))


def brightness(factor: float) -> Change:
    """Return the change of brightness; above 1 it clips."""
    return lambda image, _: ImageEnhance.Brightness(image).enhance(factor)


def cut(left: float, top: float, right: float, bottom: float) -> Change:
    """Return the crop as a change."""
    return lambda image, _: crop(image, left, top, right, bottom)


def turn(method: Image.Transpose) -> Change:
    """Return a turn by right angles, or a mirror image."""
    return lambda image, _: image.transpose(method)


CHANGES: dict[str, Change] = {
    **{f"JPEG {quality}": recode("JPEG", quality=quality) for quality in (30, 50, 75, 95)},
    "PNG": recode("PNG"),
    **{f"WebP {quality}": recode("WEBP", quality=quality) for quality in (50, 80)},
    **{f"resize {factor}": resize(factor) for factor in (0.25, 0.5, 1.5, 2.0)},
    "resize to a square": lambda image, _: image.resize((300, 300)),
    "grey": lambda image, _: ImageOps.grayscale(image),
    "blur 1": lambda image, _: image.filter(ImageFilter.GaussianBlur(1)),
    "blur 2": lambda image, _: image.filter(ImageFilter.GaussianBlur(2)),
    "blur 4": lambda image, _: image.filter(ImageFilter.GaussianBlur(4)),
    **{f"brightness {factor}": brightness(factor) for factor in (0.5, 0.75, 1.25, 1.5)},
    "contrast 0.6": lambda image, _: ImageEnhance.Contrast(image).enhance(0.6),
    "contrast 1.5": lambda image, _: ImageEnhance.Contrast(image).enhance(1.5),
    "crop 5 % each side": cut(0.05, 0.05, 0.05, 0.05),
    "crop 10 % each side": cut(0.1, 0.1, 0.1, 0.1),
    "crop 10 % left": cut(0.1, 0, 0, 0),
    "crop 10 % left, top": cut(0.1, 0.1, 0, 0),
    "crop 0-10 % each side": random_crop,
    "rotate 3, black corners": lambda image, _: image.rotate(3, Image.Resampling.BICUBIC),
    "rotate -3, white, larger": lambda image, _: image.rotate(
        -3, Image.Resampling.BICUBIC, expand=True, fillcolor="white"
    ),
    "rotate 3, cropped": lambda image, _: crop(
        image.rotate(3, Image.Resampling.BICUBIC), 0.05, 0.05, 0.05, 0.05
    ),
    "mirror": turn(Image.Transpose.FLIP_LEFT_RIGHT),
    "upside down": turn(Image.Transpose.FLIP_TOP_BOTTOM),
    "rotate 90": turn(Image.Transpose.ROTATE_90),
    "rotate 180": turn(Image.Transpose.ROTATE_180),
    "rotate 270": turn(Image.Transpose.ROTATE_270),
    "transpose": turn(Image.Transpose.TRANSPOSE),
    "mirror, JPEG 50": lambda image, random: recode("JPEG", quality=50)(
        ImageOps.mirror(image), random
    ),
    "mirror, crop 0-10 %": lambda image, random: random_crop(ImageOps.mirror(image), random),
}


def sign(content: bytes) -> bytes:
    """Return the near signature of a file."""
    signatures = parse_image(content, LIMITS).signatures
    return next(signature.value for signature in signatures if signature.kind == "image")


def photographs(folder: Path) -> list[bytes]:
    """Return the files of flickr8k_1000, by name."""
    with zipfile.ZipFile(folder / "images.zip") as archive:
        return [archive.read(name) for name in sorted(archive.namelist())]


def changes(folder: Path, count: int) -> str:
    """Return recall and false pairs of each change."""
    files = dict(enumerate(photographs(folder)))
    known = Signed(np.arange(len(files)), [sign(content) for content in files.values()])
    random = np.random.default_rng(0)
    base = np.sort(random.choice(len(files), min(count, len(files)), replace=False)).tolist()
    lines = ["| change | recall | hash alone | false pairs |", "|---|---|---|---|"]
    for name, change in CHANGES.items():
        copies = [encoded(change(_opened(files[place]), random)) for place in base]
        content = {**files, **{len(files) + place: copy for place, copy in enumerate(copies)}}
        new = Signed(np.arange(len(files), len(content)), [sign(copy) for copy in copies])
        pairs = ImageFinder().find(new, known, content.__getitem__)
        right = {(place, len(files) + rank) for rank, place in enumerate(base)}
        found = {(pair.first, pair.second) for pair in pairs}
        hashed = _hash_recall(new, known, base)
        recall = len(found & right) / len(right)
        lines.append(f"| {name} | {recall:.3f} | {hashed:.3f} | {len(found - right)} |")
    among = ImageFinder().find(known, NONE, files.__getitem__)
    lines += ["", f"Pairs among the {len(files)} photographs themselves: {len(among)}."]
    lines += [f"* {pair.first}, {pair.second}: {pair.evidence}" for pair in among]
    return "\n".join(lines)


def _opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def _hash_recall(new: Signed, known: Signed, base: list[int]) -> float:
    """Return the share of copies within 31 bits of their original, in any turn."""
    hashes = unpacked(new.values).hashes
    own = unpacked([known.values[place] for place in base]).hashes
    distances = [np.bitwise_count(turned_hashes(hashes, name) ^ own).sum(axis=1) for name in TURNS]
    return float((np.min(distances, axis=0) <= HAMMING).mean())


def groups(folder: Path) -> str:
    """Return which pairs of `neardup_images` were found, by the change of the second one."""
    files, group, change, refused = {}, {}, {}, []
    with (folder / "groups.csv").open(encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            path = folder / row["file"]
            if not path.exists():
                refused.append(f"{row['file']} (not there)")
                continue
            content = path.read_bytes()
            try:
                sign(content)
            except Rejected as error:
                refused.append(f"{row['file']} ({error.code})")
                continue
            key = len(files)
            files[key], group[key], change[key] = content, row["group"], row["transform"]
    signed = Signed(np.arange(len(files)), [sign(content) for content in files.values()])
    pairs = ImageFinder().find(signed, NONE, files.__getitem__)
    found = {(pair.first, pair.second) for pair in pairs}
    counts: dict[str, list[bool]] = defaultdict(list)
    wrong = sum(group[one] != group[other] for one, other in found)
    for one, other in combinations(range(len(files)), 2):
        if group[one] == group[other] and "original" in (change[one], change[other]):
            name = change[other] if change[one] == "original" else change[one]
            counts[name].append((one, other) in found)
    lines = ["| change | found of pairs with the original |", "|---|---|"]
    lines += [f"| {name} | {sum(hits)} of {len(hits)} |" for name, hits in sorted(counts.items())]
    absent = sum("not there" in entry for entry in refused)
    lines += ["", f"False pairs: {wrong}. Not in the folder: {absent}. Refused: "]
    lines[-1] += ", ".join(entry for entry in refused if "not there" not in entry) + "."
    return "\n".join(lines)


def small_pictures(data: Path, sheet: Path | None) -> str:
    """Return how many pairs there are among pictures of 32 and 28 pixels."""
    with zipfile.ZipFile(data / "cifar10_subset" / "images.zip") as archive:
        names = [name for name in sorted(archive.namelist()) if name.endswith(".jpg")]
        cifar = [np.asarray(_opened(archive.read(name))) for name in names]
    digits = np.frombuffer(
        gzip.decompress((data / "mnist_test10k" / "t10k-images-idx3-ubyte.gz").read_bytes()),
        np.uint8,
        offset=16,
    ).reshape(-1, 28, 28, 1)
    lines = ["| pictures | pairs | of these by hash | seconds |", "|---|---|---|---|"]
    for label, pictures in (("CIFAR-10", cifar), ("MNIST", digits.repeat(3, axis=3))):
        signed = Signed(np.arange(len(pictures)), [near_signature(each) for each in pictures])
        start = time.perf_counter()
        pairs = ImageFinder().find(signed, NONE, lambda key: key)
        seconds = time.perf_counter() - start
        near = sum(pair.evidence["hamming"] <= HAMMING for pair in pairs)
        lines.append(f"| {label}, {len(pictures)} | {len(pairs)} | {near} | {seconds:.1f} |")
        if sheet is not None:
            ends = [(pair.first, pair.second) for pair in sorted(pairs, key=lambda p: p.distance)]
            contact_sheet(pictures, ends).save(sheet.with_stem(f"{sheet.stem}-{label.lower()}"))
    return "\n".join(lines)


def contact_sheet(pictures: object, ends: list[tuple[int, int]]) -> Image.Image:
    """Return pairs side by side, 14 in a row."""
    sheet = Image.new("RGB", (14 * 136, (len(ends) // 14 + 1) * 70), "white")
    for place, pair in enumerate(ends):
        for side, key in enumerate(pair):
            picture = Image.fromarray(pictures[key]).resize((64, 64))  # type: ignore[index]
            sheet.paste(picture, (place % 14 * 136 + side * 64, place // 14 * 70))
    return sheet


def scale(data: Path) -> str:
    """Return how long 10,000 new pictures take against 100,000 known ones, all made of CIFAR-10."""
    with zipfile.ZipFile(data / "cifar10_subset" / "images.zip") as archive:
        names = [name for name in sorted(archive.namelist()) if name.endswith(".jpg")]
        pictures = np.stack([np.asarray(_opened(archive.read(name))) for name in names])
    random = np.random.default_rng(0)
    values = [near_signature(_mixed(pictures, random)) for _ in range(110_000)]
    keys = np.arange(len(values))
    new = Signed(keys[:10_000], values[:10_000])
    known = Signed(keys[10_000:], values[10_000:])
    start, used = time.perf_counter(), time.process_time()
    pairs = ImageFinder().find(new, known, lambda key: key)
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    return (
        f"10,000 new against 100,000 known: {seconds:.1f} s, {processor:.1f} s of processor time, "
        f"{len(pairs)} pairs."
    )


def _mixed(pictures: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Return a picture like no other: the mean of two, each mirrored or not."""
    one, other = pictures[random.integers(len(pictures), size=2)].astype(np.uint16)
    if random.random() < 0.5:
        other = other[:, ::-1]
    return ((one + other) // 2).astype(np.uint8)


def main() -> int:
    """Print the tables; return 1 when the data is not there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=200, help="photographs to change")
    parser.add_argument("--sheet", type=Path, help="where to write sheets of the small pairs")
    parser.add_argument("--scale", action="store_true", help="10,000 against 100,000 as well")
    parser.add_argument("--only", choices=["changes", "groups", "small", "scale"])
    options = parser.parse_args()
    folder = os.environ.get("RAGSTONE_DATA")
    if not folder:
        sys.stderr.write("Set RAGSTONE_DATA to the folder that holds the data sets.\n")
        return 1
    data = Path(folder)
    parts: dict[str, Callable[[], str]] = {
        "changes": lambda: changes(data / "flickr8k_1000", options.pictures),
        "groups": lambda: groups(data / "neardup_images"),
        "small": lambda: small_pictures(data, options.sheet),
        "scale": lambda: scale(data),
    }
    for name, part in parts.items():
        if options.only == name or (not options.only and (name != "scale" or options.scale)):
            print(part(), flush=True)
            print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
