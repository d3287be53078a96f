"""The watermark: how often it is found after what happens to files, and where there is none.

Images are the 10,000 test digits of MNIST (28 x 28), 10,000 of CIFAR-10 (32 x 32) and photographs
of Flickr8k; recordings are spoken digits (FSDD). Marked are the first of each; real ones are looked
at for false alarms with five keys, at one place and, some of them, at all 1,024 (crops).

Run: RAGSTONE_DATA=/path/to/data python benchmarks/models/watermark.py [--quick]
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
BATCH = 16


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


def images(data: Path, many: int) -> dict[str, tuple[list[Pixels], int]]:
    """Return sets of images, and how many of each are marked."""
    with np.load(data / "mnist" / "mnist.npz") as found:
        digits = list(found["x_test"][:many])
    photographs = many if many < 100 else 400
    return {
        "MNIST": (digits, 1_000),
        "CIFAR-10": (list(zipped(data / "cifar10_subset" / "images.zip", many)), 1_000),
        "Flickr8k": (list(zipped(data / "flickr8k_1000" / "images.zip", photographs)), 60),
    }


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
            several = range(0, len(changed) - BATCH + 1, BATCH)
            batches = [watermark_images.detect(changed[n : n + BATCH], key).z for n in several]
            row += f", {BATCH} together {found(batches, watermark_images.THRESHOLD)}"
        print(row, flush=True)
    cut = [one[one.shape[0] // 8 :, one.shape[1] // 8 :] for one in marked[:200]]
    moved = [watermark_images.detect([one], key, moved=True).z for one in cut]
    print(f"  cut by 1/8 of each side   found {found(moved, watermark_images.THRESHOLD_MOVED)}")


def alarms(name: str, pixels: list[Pixels]) -> int:
    """Print how often real images seem to carry a watermark; return how many were looked at."""
    zs = np.array([[watermark_images.detect([one], key).z for key in KEYS] for one in pixels])
    wrong = int((zs >= watermark_images.THRESHOLD).sum())
    print(
        f"{name}: {len(pixels):,} real images, {len(KEYS)} keys: {wrong} alarms of {zs.size:,}; z ",
        end="",
    )
    print(f"{zs.mean():.2f} +- {zs.std():.2f}, most {zs.max():.2f}", flush=True)
    if len({one.shape for one in pixels}) == 1:
        several = range(0, len(pixels) - BATCH + 1, BATCH)
        batches = np.array(
            [watermark_images.detect(pixels[n : n + BATCH], key).z for n in several for key in KEYS]
        )
        wrong = int((batches >= watermark_images.THRESHOLD).sum())
        print(f"  {BATCH} together: {wrong} alarms of {batches.size:,}, z most {batches.max():.2f}")
    few = pixels[: 2_000 if pixels[0].size < 10_000 else 40]
    moved = np.array([watermark_images.detect([one], KEYS[0], moved=True).z for one in few])
    wrong = int((moved >= watermark_images.THRESHOLD_MOVED).sum())
    print(f"  at all places: {wrong} alarms of {len(few):,}, z most {moved.max():.2f}", flush=True)
    return int(zs.size)


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
        several = range(0, len(changed) - BATCH + 1, BATCH)
        batches = [watermark_sounds.detect(changed[n : n + BATCH], key).z for n in several]
        print(f"  {what:24} found {found(alone, watermark_sounds.THRESHOLD)}, ", end="")
        print(f"{BATCH} together {found(batches, watermark_sounds.THRESHOLD)}", flush=True)
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
    """Measure all."""
    data, quick = Path(os.environ["RAGSTONE_DATA"]), "--quick" in sys.argv
    sets = images(data, 64 if quick else 10_000)
    for name, (pixels, most) in sets.items():
        measure_images(name, pixels, most)
    print("\nFalse alarms")
    looked = sum(alarms(name, pixels) for name, (pixels, _) in sets.items())
    print(f"{looked:,} looks at real images")
    measure_sounds(data, 64 if quick else 3_000)
    print(f"\n{process_time():.0f} s of one core")


if __name__ == "__main__":
    main()
