"""`classifier`: tells the label of an image, and gives the features that images are compared by.

A model of images is measured by the distance of features of what it made to features of real
images, of a network that was trained to tell them apart (Heusel and others 2017). Theirs is
Inception, of photographs; this one learns from the version itself, in a minute, and is then left as
it is. A distance depends on the network, so it is named by the digest of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from ragstone.errors import InvalidArgument
from ragstone.models.base import Batch, Capability, Loss, Phase
from ragstone.models.images import LABEL, ImageConfig, ImageModel, scaled
from ragstone.models.nn.convolutional import halvings, normed

_AT_ONCE = 256  # images


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierConfig(ImageConfig):
    """Settings of `classifier`.

    Parameters
    ----------
    width
        Channels of the widest maps.
    halvings
        How often the side is halved, at most.
    features
        Numbers that an image becomes before it is told.
    """

    family: ClassVar[str] = "classifier"

    width: int = 16
    halvings: int = 2
    features: int = 64

    @property
    def embedding(self) -> int:
        """See `ImageConfig.embedding`."""
        return self.features


class Classifier(ImageModel):
    """Loss: the cross entropy of the labels, in nats per image.

    Raises
    ------
    InvalidArgument
        There are fewer than two labels to tell.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"encode"})
    conditioning: ClassVar[tuple[str, ...]] = (LABEL,)

    config: ClassifierConfig

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        if config.labels < 2:
            expected = "a field of the metadata with two values or more: --set label=FIELD"
            raise InvalidArgument(LABEL, None, expected)
        self.config = config
        width, halved = config.width, halvings(config.size, config.halvings)
        parts: list[nn.Module] = [nn.Conv2d(config.channels, width, 3, padding=1)]
        for _ in range(halved):
            parts += [normed(width), nn.SiLU(), nn.Conv2d(width, 2 * width, 4, 2, 1)]
            width *= 2
        self.maps = nn.Sequential(*parts, normed(width), nn.SiLU())
        self.to_features = nn.Linear(width * (config.size // 2**halved) ** 2, config.features)
        self.head = nn.Linear(config.features, config.labels)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the features of images, float32 (batch, features), 0 or more each.

        Parameters
        ----------
        images
            float32 (batch, channels, size, size) from -1 to 1.
        """
        return functional.relu(self.to_features(self.maps(images).flatten(1)))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return `features`."""
        return self.features(images)

    def classify(self, images: torch.Tensor) -> torch.Tensor:
        """Return how sure it is of each label, float32 (batch, labels): log chances, but a sum."""
        logits: torch.Tensor = self.head(self.features(images))
        return logits

    def oddness(self, images: torch.Tensor) -> torch.Tensor:
        """Return how little each image looks like any label: its energy (Liu and others 2020)."""
        return -self.classify(images).logsumexp(1)

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:  # noqa: ARG002
        """Return the loss, and the part of the batch that it tells right."""
        told = self.classify(scaled(batch["images"]))
        right = (told.argmax(1) == batch["labels"]).float().mean()
        loss = functional.cross_entropy(told, batch["labels"])
        return Loss(loss, {"accuracy": float(right)})

    def sample(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:  # noqa: ARG002
        """It cannot.

        Raises
        ------
        InvalidArgument
            Always: it tells images apart, and makes none.
        """
        raise InvalidArgument("model", self.config.family, "one that makes images, such as a vae")

    @torch.inference_mode()
    def look(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features (count, features) and the likeliest labels (count,) of many images.

        Parameters
        ----------
        images
            uint8 (count, channels, size, size).
        """
        pieces = [self.features(scaled(piece)) for piece in torch.split(images, _AT_ONCE)]
        features = torch.cat(pieces)
        return features, self.head(features).argmax(1)
