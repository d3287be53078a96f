"""What all models of images share: settings, batches, and pixels as files and back.

A batch has `images`, uint8 (batch, channels, size, size), and `labels`, int64 (batch,). Networks
take what `scaled` gives.
"""

from __future__ import annotations

import io
import json
import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ragstone.errors import InvalidArgument
from ragstone.models.base import Config, GenerativeModel

LABEL = "label"
FILE = "images.json"
_GAP = 2  # pixels between the images of a sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig(Config):
    """Settings of every model of images.

    Parameters
    ----------
    channels
        1: grey; 3: red, green and blue.
    size
        Pixels of a side.
    labels
        Kinds of images that there are; 0: it is told of none.
    """

    decided: ClassVar[frozenset[str]] = frozenset({"channels", "size", "labels"})

    channels: int = 1
    size: int = 28
    labels: int = 0

    @property
    def embedding(self) -> int:
        """Numbers that `encode` makes of an image; 0: the network does not encode images."""
        return 0


class ImageModel(GenerativeModel):
    """Makes images; `capabilities` say by what."""

    modality: ClassVar[str] = "image"

    config: ImageConfig

    @abstractmethod
    def sample(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:
        """Return images, float32 (count, channels, size, size) from -1 to 1.

        Parameters
        ----------
        label
            Number of the kind of all of them; None: of any.

        Raises
        ------
        InvalidArgument
            It cannot make images by itself, or is not told of kinds.
        """

    def log_prob(self, images: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Return the log chance of each image, (batch,), in nats, as `log_prob_kind` says.

        Parameters
        ----------
        images
            uint8 (batch, channels, size, size).
        labels
            int64 (batch,); None: any.

        Raises
        ------
        InvalidArgument
            It does not tell how likely an image is.
        """
        del images, labels
        expected = "one that tells how likely an image is, such as pixelcnn, made, realnvp or vae"
        raise InvalidArgument("model", self.config.family, expected)

    def oddness(self, images: torch.Tensor) -> torch.Tensor:
        """Return how odd each image is to the network, (batch,): the more, the odder.

        Parameters
        ----------
        images
            float32 (batch, channels, size, size) from -1 to 1.

        Raises
        ------
        InvalidArgument
            It cannot tell.
        """
        if "log_prob" in self.capabilities:
            return -self.log_prob(unscaled(images))
        expected = "one that tells how odd an image is, such as an ae or a classifier"
        raise InvalidArgument("model", self.config.family, expected)


def scaled(images: torch.Tensor) -> torch.Tensor:
    """Return uint8 pixels as float32 from -1 to 1, of the same shape."""
    return images.float() / 127.5 - 1


def unscaled(images: torch.Tensor) -> torch.Tensor:
    """Return what `scaled` took; what lies outside becomes the nearest."""
    return ((images.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSpace:
    """How texts become what a model was told of.

    Parameters
    ----------
    encoder
        Name of the text encoder in the settings; empty for one that was brought.
    space
        Of its vectors.
    words
        That are read of a text, at most.
    """

    encoder: str
    space: str
    words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCodec:
    """Turns files into pixels and back; it knows what the labels are called.

    Parameters
    ----------
    size, channels
        See `ImageConfig`.
    labels
        By their numbers; none where a model is told none.
    texts
        None where a model is told none.
    """

    size: int
    channels: int
    labels: tuple[str, ...] = ()
    texts: TextSpace | None = None

    @property
    def about(self) -> str:
        """What it is, for the card."""
        colours = "grey" if self.channels == 1 else "colour"
        told = f", {len(self.labels)} labels" if self.labels else ""
        told += ", texts" if self.texts else ""
        return f"{self.size} x {self.size} pixels, {colours}{told}"

    def file(self, images: NDArray[np.uint8]) -> tuple[bytes, str]:
        """Return images (count, channels, size, size) as a file, and its media type."""
        return png(images), "image/png"

    def encode(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return the pixels of an image, (channels, size, size): its middle square, made to fit."""
        side = min(image.size)
        left, top = ((length - side) // 2 for length in image.size)
        square = image.crop((left, top, left + side, top + side))
        square = square.convert("L" if self.channels == 1 else "RGB")
        if side != self.size:
            square = square.resize((self.size, self.size), Image.Resampling.LANCZOS)
        found = np.asarray(square, np.uint8).reshape(self.size, self.size, self.channels)
        return found.transpose(2, 0, 1).copy()

    def number(self, name: str, value: str) -> int:
        """Return the number of a label.

        Raises
        ------
        InvalidArgument
            There is none of this name or value.
        """
        if name != LABEL:
            raise InvalidArgument("condition", name, LABEL)
        if value not in self.labels:
            known = ", ".join(self.labels)
            expected = f"one of {known}" if known else "a model that was told of labels"
            raise InvalidArgument(name, value, expected)
        return self.labels.index(value)

    def save(self, folder: Path) -> None:
        """Write `images.json`."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
        (folder / FILE).write_text(text, encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        return cls.of(json.loads((folder / FILE).read_text(encoding="utf-8")))

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """Make one of what the file holds."""
        texts = TextSpace(**found["texts"]) if found.get("texts") else None
        return cls(**{**found, "labels": tuple(found["labels"]), "texts": texts})


def png(images: NDArray[np.uint8]) -> bytes:
    """Return one image, or a sheet of several, as a PNG.

    Parameters
    ----------
    images
        (count, channels, size, size).
    """
    count, channels, size, _ = images.shape
    wide = math.ceil(math.sqrt(count))
    step = size + _GAP
    rows = math.ceil(count / wide)
    sheet = np.full((rows * step - _GAP, wide * step - _GAP, channels), 255, np.uint8)
    for number, image in enumerate(images):
        top, left = (at * step for at in divmod(number, wide))
        sheet[top : top + size, left : left + size] = image.transpose(1, 2, 0)
    target = io.BytesIO()
    Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(target, "PNG")
    return target.getvalue()
