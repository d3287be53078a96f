"""Tiny images that models of images learn in seconds, and the images of a sheet."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDES = ("left", "right")


def png(image: NDArray[np.uint8]) -> bytes:
    target = io.BytesIO()
    Image.fromarray(image).save(target, "PNG")
    return target.getvalue()


def half_light(side: int, seed: int = 0) -> NDArray[np.uint8]:
    image = np.random.default_rng(seed).integers(0, 40, (8, 8)).astype(np.uint8)
    image[:, side * 4 : side * 4 + 4] += 180
    return image


def sheet(media: bytes) -> list[NDArray[np.float64]]:
    """Return the images of a sheet with one row or column of them, or a square."""
    whole = np.asarray(Image.open(io.BytesIO(media)), float)
    high, wide = ((length + 2) // 10 for length in whole.shape)
    return [
        whole[10 * row : 10 * row + 8, 10 * column : 10 * column + 8]
        for row in range(high)
        for column in range(wide)
    ]


def lean(image: NDArray[np.float64]) -> float:
    """Return how much lighter the left half is than the right one."""
    return float(image[:, :4].mean() - image[:, 4:].mean())


def half_light_folder(folder: Path, count: int = 60) -> None:
    """Write images that are light at the left or at the right, with what their metadata say."""
    folder.mkdir(exist_ok=True)
    rows = []
    for number in range(count):
        side, name = number % 2, f"{number:02}.png"
        (folder / name).write_bytes(png(half_light(side, number)))
        said = [f"light at the {SIDES[side]}", f"the {SIDES[side]} half shines"]
        rows.append({"file_name": name, "side": SIDES[side], "said": said})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
