"""`clip`: images and the texts about them in one space (Radford and others 2021).

An image goes through convolutions, a text through the workspace's encoder of texts, whose vector is
mapped by a small network. Both end as unit vectors; those of a pair are drawn together, and away
from the others of the batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from ragstone.errors import InvalidArgument
from ragstone.models.base import Batch, Capability, Loss, Phase
from ragstone.models.images import ImageConfig, ImageModel, scaled
from ragstone.models.nn.convolutional import Down, halvings

_WARMEST = math.log(100.0)  # the most that the logarithm of the scale becomes
_SCALE = math.log(1 / 0.07)
_SIDE = 4  # fields of a side that are looked at apart, at most
_MOVED = 8  # an image is moved by up to this part of its side while it learns


@dataclass(frozen=True, slots=True, kw_only=True)
class CLIPConfig(ImageConfig):
    """Settings of `clip`.

    Parameters
    ----------
    texts, words
        Numbers of a text's vector, and vectors of it, of which the first, of the whole, is read.
    dimension
        Numbers of a vector of an image.
    width, halvings
        Of the convolutions: channels at the full side, and how often it is halved, at most.
    dropout
        Of what comes of the convolutions, and of the texts' vectors.
    """

    family: ClassVar[str] = "clip"
    decided: ClassVar[frozenset[str]] = ImageConfig.decided | {"texts", "words"}

    texts: int = 0
    words: int = 0
    dimension: int = 128
    width: int = 32
    halvings: int = 4
    dropout: float = 0.1

    @property
    def embedding(self) -> int:
        """See `ImageConfig.embedding`."""
        return self.dimension


class CLIP(ImageModel):
    """Loss: how unsure it is which text of a batch is of which image, both ways, in nats.

    Raises
    ------
    InvalidArgument
        It is told of no texts.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"encode"})

    config: CLIPConfig

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        if not config.texts:
            expected = "a field of the metadata that says what an image shows: --set text=FIELD"
            raise InvalidArgument("text", None, expected)
        self.config = config
        halved = halvings(config.size, config.halvings)
        self.down = Down(config.channels, config.width, halved)
        self.side = min(_SIDE, config.size // 2**halved)
        seen = config.width * 2**halved * self.side**2
        self.from_image = nn.Linear(seen, config.dimension)
        self.from_text = nn.Sequential(
            nn.Linear(config.texts, 2 * config.dimension),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(2 * config.dimension, config.dimension),
        )
        self.dropout = nn.Dropout(config.dropout)
        self.scale = nn.Parameter(torch.tensor(_SCALE))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return the unit vectors of images, (batch, dimension).

        Parameters
        ----------
        images
            float32 (batch, channels, size, size) from -1 to 1.
        """
        seen = functional.adaptive_avg_pool2d(self.down(images), self.side).flatten(1)
        return functional.normalize(self.from_image(self.dropout(seen)), dim=1)

    def encode_texts(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the unit vectors of texts, (batch, dimension).

        Parameters
        ----------
        vectors
            float32 (batch, texts), of the encoder of texts.
        """
        return functional.normalize(self.from_text(vectors), dim=1)

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:
        """Return the mean cross entropy of texts given images, and of images given texts.

        Texts that are the same are no mistake of each other.
        """
        images = scaled(batch["images"])
        if phase == "train":
            images = _moved(images, rng)
        texts = batch["texts"][:, 0]
        alike = self.encode(images) @ self.encode_texts(texts).T
        logits = alike * self.scale.clamp(max=_WARMEST).exp()
        same = (texts[:, None] == texts[None]).all(-1).to(logits.dtype)
        wanted = same / same.sum(1, keepdim=True)
        loss = (
            functional.cross_entropy(logits, wanted) + functional.cross_entropy(logits.T, wanted)
        ) / 2
        first = logits.detach().argmax(1)
        right = same.gather(1, first[:, None]).mean()
        return Loss(loss, {"first_text_right": float(right)})

    def sample(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:  # noqa: ARG002
        """It cannot.

        Raises
        ------
        InvalidArgument
            Always: it makes no images.
        """
        raise InvalidArgument("model", self.config.family, "one that makes images, such as a vae")


def _moved(images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Return each image moved by some pixels."""
    count, side = len(images), images.shape[-1]
    margin = side // _MOVED
    if not margin:
        return images
    padded = functional.pad(images, (margin,) * 4, mode="reflect")
    device = images.device
    begin = torch.randint(2 * margin + 1, (2, count, 1), generator=rng, device=device)
    along = torch.arange(side, device=device)
    rows, columns = begin[0] + along, begin[1] + along
    numbers = torch.arange(count, device=device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[numbers, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)
