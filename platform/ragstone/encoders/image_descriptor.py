"""The embedded image encoder: shape, colour and layout of a picture, without a model to download.

A picture is stretched to 32 x 32 pixels, and described by three blocks, each of unit length:

* the directions of its edges in 6 x 6 fields (histograms of oriented gradients, Dalal & Triggs
  2005), 16 directions over the full circle, of the colour channel that changes most;
* its colours in 2 x 2 fields: lightness by hue, and lightness of what has none, under the square
  root (Hellinger distance, Arandjelovic & Zisserman 2012);
* its layout: an 8 x 8 copy in opponent colours, without the mean.

Fields overlap by half, so that a small shift is a small change. Nothing was learned from data. It
finds pictures that look alike; it knows nothing of what they show.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ragstone.encoders.base import EncoderIdentity, Vectors
from ragstone.errors import InvalidArgument

if TYPE_CHECKING:
    from ragstone.schemas.records import Payload

NAME = "image-descriptor-1"
_REVISION = "1"  # raise it with any change of the vectors that the numbers below do not show
_SIDE = 32
_EDGE_FIELDS, _DIRECTIONS, _EDGE_CLIP = 6, 16, 0.1
_COLOUR_FIELDS, _LIGHTNESSES, _HUES, _VIVID = 2, 4, 8, 60.0
_LAYOUT_FIELDS = 8
_EDGES, _COLOURS, _LAYOUT = 1.0, 0.5, 0.3  # weights of the blocks
_BATCH = 128  # pictures at a time: what is made of them fits the processor's caches
_TINY = 1e-6

_DIMENSION = (
    _EDGE_FIELDS**2 * _DIRECTIONS
    + _COLOUR_FIELDS**2 * _LIGHTNESSES * (_HUES + 1)
    + _LAYOUT_FIELDS**2 * 3
    + 1
)


class ImageDescriptor:
    """Images to unit vectors by fixed rules; a `MediaEncoder` that reads no text."""

    @property
    def identity(self) -> EncoderIdentity:
        """Name, dimension, and the digest of all the numbers that the vectors depend on."""
        edges = [_EDGE_FIELDS, _DIRECTIONS, _EDGE_CLIP, _EDGES]
        colours = [_COLOUR_FIELDS, _LIGHTNESSES, _HUES, _VIVID, _COLOURS]
        numbers = [NAME, _REVISION, _SIDE, *edges, *colours, _LAYOUT_FIELDS, _LAYOUT]
        digest = hashlib.sha256(json.dumps(numbers).encode()).hexdigest()
        return EncoderIdentity(NAME, digest, _DIMENSION, max_tokens=0, modality="image")

    @property
    def reads_text(self) -> bool:
        """Words have no place among these vectors."""
        return False

    def encode_media(
        self, payloads: Sequence[Payload], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        """Return unit vectors, float32 of shape (len(payloads), 913), in the given order.

        Parameters
        ----------
        payloads
            Of images: uint8 RGB of shape (height, width, 3), of any size.
        on_batch
            Called after each batch with the number of payloads done so far.
        """
        vectors = np.empty((len(payloads), _DIMENSION), np.float32)
        for start in range(0, len(payloads), _BATCH):
            batch = payloads[start : start + _BATCH]
            pictures = np.stack([_stretched(payload.data) for payload in batch])
            vectors[start : start + len(batch)] = describe(pictures)
            if on_batch is not None:
                on_batch(start + len(batch))
        return vectors

    def encode_queries(self, texts: Sequence[str]) -> Vectors:  # noqa: ARG002
        """Raise `InvalidArgument`: this encoder does not read text."""
        raise InvalidArgument("encoder.image", NAME, "an encoder that reads text, such as CLIP")


def describe(pictures: NDArray[np.float32]) -> Vectors:
    """Return the unit vectors of pictures, float32 of shape (n, 32, 32, 3), levels 0 to 255.

    The last component is small and the same for all; it alone is left of a blank picture.
    """
    blocks = (
        _EDGES * _unit(_edges(pictures)),
        _COLOURS * _unit(_colours(pictures)),
        _LAYOUT * _unit(_layout(pictures)),
        np.full((len(pictures), 1), 1e-3, np.float32),
    )
    joined = np.concatenate(blocks, axis=1)
    return np.asarray(joined / np.linalg.norm(joined, axis=1, keepdims=True), np.float32)


def _stretched(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    from PIL import Image

    image = Image.fromarray(np.asarray(pixels, np.uint8))
    smaller = max(image.size) > _SIDE
    kernel = Image.Resampling.HAMMING if smaller else Image.Resampling.BICUBIC
    if image.size != (_SIDE, _SIDE):
        image = image.resize((_SIDE, _SIDE), kernel, reducing_gap=3.0 if smaller else None)
    return np.asarray(image, np.float32)


def _edges(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return histograms of directions, clipped, shape (n, 576)."""
    across, down = np.zeros_like(pictures), np.zeros_like(pictures)
    across[:, :, 1:-1] = pictures[:, :, 2:] - pictures[:, :, :-2]
    down[:, 1:-1] = pictures[:, 2:] - pictures[:, :-2]
    steepest = (across**2 + down**2).argmax(axis=3)[..., None]
    across, down = (
        np.take_along_axis(slopes, steepest, axis=3).reshape(len(pictures), -1)
        for slopes in (across, down)
    )
    directions = np.arctan2(down, across) * np.float32(_DIRECTIONS / (2 * np.pi))
    weights = _circular(directions, _DIRECTIONS) * np.hypot(across, down)[:, None]
    found = _unit((weights @ _fields(_EDGE_FIELDS).T).reshape(len(pictures), -1))
    return np.minimum(found, np.float32(_EDGE_CLIP))


def _colours(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the square roots of histograms of lightness by hue, shape (n, 144)."""
    light, *opponents = _opponent(pictures)
    vivid = np.minimum(np.hypot(*opponents) / np.float32(_VIVID), 1)[:, None]
    hue = np.arctan2(opponents[1], opponents[0]) * np.float32(_HUES / (2 * np.pi))
    hues = np.concatenate([_circular(hue, _HUES) * vivid, 1 - vivid], axis=1)
    step = np.clip(light * np.float32(_LIGHTNESSES / 256) - np.float32(0.5), 0, _LIGHTNESSES - 1)
    places = np.arange(_LIGHTNESSES, dtype=np.float32)[:, None]
    lightness = np.maximum(0, 1 - np.abs(step[:, None] - places))
    fields = _fields(_COLOUR_FIELDS)
    cells = (lightness[:, None] * fields[:, None]).reshape(len(pictures), -1, _SIDE * _SIDE)
    return np.asarray(np.sqrt((cells @ hues.transpose(0, 2, 1)).reshape(len(pictures), -1)))


def _layout(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a small copy in opponent colours without their means, shape (n, 192)."""
    fields = _fields(_LAYOUT_FIELDS)
    copies = np.stack(_opponent(pictures), axis=1) @ (fields / fields.sum(1, keepdims=True)).T
    copies -= copies.mean(axis=2, keepdims=True)
    return np.asarray(copies.reshape(len(pictures), -1))


def _opponent(pictures: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return lightness, red against green, and both against blue, each of shape (n, 1024)."""
    red, green, blue = (pictures[..., i].reshape(len(pictures), -1) for i in range(3))
    return [
        (red + green + blue) / 3,
        (red - green) / np.float32(2**0.5),
        (red + green - 2 * blue) / np.float32(6**0.5),
    ]


def _circular(places: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Share each place on a circle of `count` out to its two neighbours, shape (n, count, m)."""
    apart = np.abs(places[:, None] % count - np.arange(count, dtype=np.float32)[:, None])
    return np.asarray(np.maximum(0, 1 - np.minimum(apart, count - apart)))


@cache
def _fields(count: int) -> NDArray[np.float32]:
    """Return how much each pixel counts for each of `count` x `count` fields that overlap by half.

    Shape (count * count, 1024); the shares of a pixel have the sum 1.
    """
    size = _SIDE / count
    centres = (np.arange(count) + 0.5) * size
    pixels = np.clip(np.arange(_SIDE) + 0.5, centres[0], centres[-1])
    line = np.maximum(0, 1 - np.abs(pixels - centres[:, None]) / size)
    weights = np.einsum("ay,bx->abyx", line, line).reshape(count**2, -1)
    return np.asarray(weights, np.float32)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.float32(_TINY)))
