"""The watermark: how often it is found after what happens to files, and where there is none.

Images are the 10,000 test digits of MNIST (28 x 28), 10,000 of CIFAR-10 (32 x 32) and photographs
of Flickr8k; recordings are spoken digits (FSDD). Marked are the first of each; real ones are looked
at for false alarms with five keys, at one place and, some of them, at all 1,024 (crops).

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/watermark.py [MNIST CIFAR-10 FSDD …]
"""

from __future__ import annotations

import io
import os
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import process_time

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from ragstone.training import watermark_images, watermark_sounds

Pixels = NDArray[np.uint8]
KEYS = tuple(bytes([number]) * 32 for number in range(1, 6))
BATCHES = (16, 64)  # looked at together
SETS = {"MNIST": (10_000, 1_000), "CIFAR-10": (10_000, 1_000), "Flickr8k": (300, 40)}  # and marked


def jpeg(quality: int) -> Callable[[Pixels], Pixels]:
    """Pack as JPEG, and unpack."""

    def packed(pixels: Pixels) -> Pixels:
        target = io.BytesIO()
        Image.fromarray(pixels).save(target, "JPEG", quality=quality)
        return np.asarray(Image.open(io.BytesIO(target.getvalue())))

    return packed


def resized(part: float) -> Callable[[Pixels], Pixels]:
    """Scale and scale back: whoever looks knows how large the image was."""

    def scaled(pixels: Pixels) -> Pixels:
        image = Image.fromarray(pixels)
        small = image.resize([max(1, round(side * part)) for side in image.size])
        return np.asarray(small.resize(image.size, Image.Resampling.LANCZOS))

    return scaled


def zipped(path: Path, most: int) -> Iterator[Pixels]:
    """Yield the first images of an archive."""
    with zipfile.ZipFile(path) as file:
        names = sorted(name for name in file.namelist() if name.lower().endswith((".png", ".jpg")))
        for name in names[:most]:
            yield np.asarray(Image.open(io.BytesIO(file.read(name))).convert("RGB"))


def images(data: Path, name: str, most: int) -> list[Pixels]:
    """Return the first images of a set."""
    if name == "MNIST":
        with np.load(data / "mnist" / "mnist.npz") as found:
            return list(found["x_test"][:most])
    folder = {"CIFAR-10": "cifar10_subset", "Flickr8k": "flickr8k_1000"}[name]
    return list(zipped(data / folder / "images.zip", most))


def found(zs: Sequence[float], threshold: float) -> str:
    """Say how many are found."""
    values = np.asarray(zs)
    return f"{(values >= threshold).mean():.3f} (z {values.mean():.1f})"


def measure_images(name: str, pixels: list[Pixels], most: int) -> None:
    """Print how often the watermark is found, after what may happen to a file."""
    key, start = KEYS[0], process_time()
    marked = [watermark_images.marked(one, key) for one in pixels[:most]]
    seconds = (process_time() - start) / len(marked)
    errors = [np.square(a.astype(float) - b).mean() for a, b in zip(pixels, marked, strict=False)]
    psnr = 10 * np.log10(255**2 / np.maximum(errors, 1e-9))
    about = f"PSNR {psnr.mean():.1f} dB (least {psnr.min():.1f}), {1000 * seconds:.1f} ms of a core"
    print(f"\n{name}: {len(marked):,} marked, {about}")
    changes = {
        "as PNG": lambda one: one,
        "JPEG 90": jpeg(90),
        "JPEG 75": jpeg(75),
        "JPEG 50": jpeg(50),
        "resized to 1/2 and back": resized(0.5),
        "resized to 3/4 and back": resized(0.75),
    }
    for what, change in changes.items():
        changed = [change(one) for one in marked]
        alone = [watermark_images.detect([one], key).z for one in changed]
        row = f"  {what:24} found {found(alone, watermark_images.THRESHOLD)}"
        if len({one.shape for one in changed}) == 1:
            for size in BATCHES:
                several = range(0, len(changed) - size + 1, size)
                zs = [watermark_images.detect(changed[n : n + size], key).z for n in several]
                row += f", {size} together {found(zs, watermark_images.THRESHOLD)}"
        print(row, flush=True)
    cut = [one[one.shape[0] // 8 :, one.shape[1] // 8 :] for one in marked[:100]]
    moved = [watermark_images.detect([one], key, moved=True).z for one in cut]
    print(f"  cut by 1/8 of each side   found {found(moved, watermark_images.THRESHOLD_MOVED)}")


def looked_at(pixels: list[Pixels]) -> list[float]:
    """Return z for each key; the coefficients are the same for all."""
    found = watermark_images._sum(pixels, 0, 0)
    return [watermark_images._z(watermark_images.pattern(key), found) for key in KEYS]


def alarms(name: str, pixels: list[Pixels]) -> None:
    """Print how often real images seem to carry a watermark."""
    zs = np.array([looked_at([one]) for one in pixels])
    wrong = int((zs >= watermark_images.THRESHOLD).sum())
    print(
        f"{name}: {len(pixels):,} real images, {len(KEYS)} keys: {wrong} alarms of {zs.size:,}; z ",
        end="",
    )
    print(f"{zs.mean():.2f} +- {zs.std():.2f}, most {zs.max():.2f}", flush=True)
    if len({one.shape for one in pixels}) == 1:
        for size in BATCHES:
            several = range(0, len(pixels) - size + 1, size)
            zs = np.array([looked_at(pixels[n : n + size]) for n in several])
            wrong = int((zs >= watermark_images.THRESHOLD).sum())
            print(f"  {size} together: {wrong} alarms of {zs.size:,}, z most {zs.max():.2f}")
    few = pixels[: 500 if pixels[0].size < 10_000 else 10]
    moved = np.array([watermark_images.detect([one], KEYS[0], moved=True).z for one in few])
    wrong = int((moved >= watermark_images.THRESHOLD_MOVED).sum())
    print(f"  at all places: {wrong} alarms of {len(few):,}, z most {moved.max():.2f}", flush=True)


def measure_sounds(data: Path, many: int) -> None:
    """Print the same of recordings, and their false alarms."""
    with zipfile.ZipFile(next((data / "fsdd").glob("*.zip"))) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".wav"))
        read = [soundfile.read(io.BytesIO(file.read(name)), dtype="int16") for name in names[:many]]
    sounds, rate = [samples for samples, _ in read], read[0][1]
    key = KEYS[0]
    marked = [watermark_sounds.marked(one, key) for one in sounds[::3]]
    ratios = [watermark_sounds._ratio(a, b) for a, b in zip(sounds[::3], marked, strict=True)]
    print(f"\nFSDD: {len(marked):,} marked, signal to change {10 * np.log10(ratios).mean():.1f} dB")
    for what, coding in {
        "as WAV": None,
        "Ogg Vorbis": ("OGG", "VORBIS"),
        "MP3": ("MP3", None),
    }.items():
        changed = [one if coding is None else coded(one, rate, *coding) for one in marked]
        alone = [watermark_sounds.detect([one], key).z for one in changed]
        row = f"  {what:24} found {found(alone, watermark_sounds.THRESHOLD)}"
        for size in BATCHES:
            several = range(0, len(changed) - size + 1, size)
            together = [watermark_sounds.detect(changed[n : n + size], key).z for n in several]
            row += f", {size} together {found(together, watermark_sounds.THRESHOLD)}"
        print(row, flush=True)
    zs = np.array([[watermark_sounds.detect([one], key).z for key in KEYS] for one in sounds])
    wrong = int((zs >= watermark_sounds.THRESHOLD).sum())
    print(
        f"  {len(sounds):,} real recordings, {len(KEYS)} keys: {wrong} alarms of {zs.size:,}; ",
        end="",
    )
    print(f"z {zs.mean():.2f} +- {zs.std():.2f}, most {zs.max():.2f}")


def coded(samples: NDArray[np.int16], rate: int, form: str, kind: str | None) -> NDArray[np.int16]:
    """Write in another format, and read."""
    target = io.BytesIO()
    soundfile.write(target, samples, rate, format=form, subtype=kind)
    back, _ = soundfile.read(io.BytesIO(target.getvalue()), dtype="int16")
    return back[: len(samples)]


def main() -> None:
    """Measure the sets that are named, or all."""
    data, named = Path(os.environ["RAGSTONE_DATA"]), sys.argv[1:]
    for name, (most, marked) in SETS.items():
        if not named or name in named:
            pixels = images(data, name, most)
            measure_images(name, pixels, marked)
            alarms(name, pixels)
    if not named or "FSDD" in named:
        measure_sounds(data, 3_000)
    print(f"\n{process_time():.0f} s of one core")


if __name__ == "__main__":
    main()
