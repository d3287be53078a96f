"""Samples of several models side by side, as one picture."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_LEAST = 28  # pixels of the side of an image, at least: small ones are shown larger
_GAP, _TITLE, _BESIDE = 2, 20, 2  # pixels between images and above a block; blocks beside another

Pixels = NDArray[np.uint8]


def block(images: Pixels, columns: int) -> Image.Image:
    """Return images (count, channels, size, size) in rows of `columns`, each as wide as another."""
    count, channels, size, _ = images.shape
    times = -(-_LEAST // size)
    step = size * times + _GAP
    rows = -(-count // columns)
    sheet = np.full((rows * step - _GAP, columns * step - _GAP, channels), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = (at * step for at in divmod(number, columns))
        large = image.transpose(1, 2, 0).repeat(times, 0).repeat(times, 1)
        sheet[top : top + size * times, left : left + size * times] = large
    return Image.fromarray(sheet[..., 0] if channels == 1 else sheet).convert("RGB")


def side_by_side(blocks: Mapping[str, Image.Image]) -> Image.Image:
    """Return blocks of one size with their names above, two beside each other."""
    width, height = next(iter(blocks.values())).size
    wide, high = width + 6 * _GAP, height + _TITLE + 3 * _GAP
    rows = -(-len(blocks) // _BESIDE)
    picture = Image.new("RGB", (wide * min(_BESIDE, len(blocks)), high * rows), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    for number, (name, image) in enumerate(blocks.items()):
        row, column = divmod(number, _BESIDE)
        left, top = column * wide + 3 * _GAP, row * high + _GAP
        draw.text((left, top), name, fill="black", font=font)
        picture.paste(image, (left, top + _TITLE))
    return picture


def png(image: Image.Image) -> bytes:
    """Return a picture as a file."""
    target = io.BytesIO()
    image.save(target, "PNG", optimize=True)
    return target.getvalue()
