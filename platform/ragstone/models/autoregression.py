"""What all models share that draw one pixel after the other: exact chances, and filling in."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn import functional

from ragstone.models.base import Batch, Capability, LogProb, Loss, Phase
from ragstone.models.images import LABEL, ImageConfig, ImageModel, scaled, unscaled
from ragstone.models.nn.pixels import Distribution, distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoregressiveConfig(ImageConfig):
    """Settings of every model that draws pixel after pixel.

    Parameters
    ----------
    pixels
        `logistic`, a mixture over the 256 levels; `levels`, each by itself; or `binary`: a pixel
        is white as often as it is light.
    """

    pixels: str = "logistic"

    def __post_init__(self) -> None:
        distribution(self.pixels)


class Autoregressive(ImageModel):
    """Loss: what the pixels cost, in nats per colour of a pixel, exactly.

    The chance of an image is the product of the chances of its pixels, each told those before it.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"sample", "log_prob", "inpaint"})
    conditioning: ClassVar[tuple[str, ...]] = (LABEL,)
    log_prob_kind: ClassVar[LogProb | None] = "exact"

    config: AutoregressiveConfig

    @property
    def distribution(self) -> Distribution:
        """Of the pixels."""
        return distribution(self.config.pixels)

    @abstractmethod
    def log_chances(
        self, levels: torch.Tensor, told: torch.Tensor, rng: torch.Generator | None
    ) -> torch.Tensor:
        """Return the log chance of each image, (batch,), in nats.

        Parameters
        ----------
        levels
            uint8 (batch, channels, size, size), as the distribution sees them.
        told
            float32 (batch, labels).
        rng
            Of training, where an estimate will do; None: the exact chance.
        """

    @abstractmethod
    def fill(
        self, levels: torch.Tensor, keep: torch.Tensor, told: torch.Tensor, rng: torch.Generator
    ) -> torch.Tensor:
        """Draw the levels that are not kept, each told those before it; return all of them.

        Parameters
        ----------
        levels
            uint8 (batch, channels, size, size).
        keep
            bool, of the same shape.
        """

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:
        """Return minus the mean log chance, by colour of a pixel."""
        levels = self.distribution.seen(batch["images"], rng)
        chances = self.log_chances(
            levels, self._told(batch["labels"]), rng if phase == "train" else None
        )
        loss = -chances.mean() / levels[0].numel()
        return Loss(loss, {"nats": float(loss.detach()) * levels[0].numel()})

    def log_prob(self, images: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Return the log chance of each image, (batch,), in nats.

        Parameters
        ----------
        images
            uint8 (batch, channels, size, size).
        labels
            int64 (batch,); None: any, each as likely.
        """
        levels, kinds = self.distribution.seen(images, None), self.config.labels
        if labels is not None or not kinds:
            none = torch.zeros(len(images), dtype=torch.long, device=images.device)
            told = self._told(none if labels is None else labels)
            return self.log_chances(levels, told, None)
        each = [
            self.log_chances(levels, self._told(levels.new_full((len(levels),), kind).long()), None)
            for kind in range(kinds)
        ]
        return torch.logsumexp(torch.stack(each), 0) - math.log(kinds)

    def sample(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:
        """Return images drawn pixel by pixel."""
        config = self.config
        shape = count, config.channels, config.size, config.size
        device = next(self.parameters()).device
        levels = torch.zeros(shape, dtype=torch.uint8, device=device)
        keep = torch.zeros(shape, dtype=torch.bool, device=device)
        return scaled(self.fill(levels, keep, self._drawn(rng, count, label), rng))

    def inpaint(
        self, images: torch.Tensor, keep: torch.Tensor, rng: torch.Generator, label: int | None
    ) -> torch.Tensor:
        """Return images whose pixels are as they were where they are kept.

        A pixel that is drawn is told of those before it alone, be they kept or drawn.

        Parameters
        ----------
        images
            float32 (batch, channels, size, size) from -1 to 1.
        keep
            bool (batch, 1, size, size).
        """
        told = self._drawn(rng, len(images), label)
        levels = self.distribution.seen(unscaled(images), None)
        kept = keep.expand_as(levels)
        return torch.where(kept, images, scaled(self.fill(levels, kept, told, rng)))

    def _told(self, labels: torch.Tensor) -> torch.Tensor:
        """Return labels as the network reads them, (batch, labels)."""
        kinds = self.config.labels
        if not kinds:
            return torch.zeros(len(labels), 0, device=labels.device)
        return functional.one_hot(labels, kinds).float()

    def _drawn(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:
        drawn = torch.randint(max(1, self.config.labels), (count,), generator=rng)
        labels = drawn if label is None else torch.full((count,), label)
        return self._told(labels.to(next(self.parameters()).device))
