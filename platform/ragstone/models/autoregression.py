"""What all models share that draw one pixel after the other: exact chances, and filling in."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch

from ragstone.models.base import Capability, LogProb
from ragstone.models.images import ImageConfig, scaled, unscaled
from ragstone.models.likelihood import LikelihoodModel
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


class Autoregressive(LikelihoodModel):
    """The chance of an image is the product of the chances of its pixels, told those before it."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"sample", "log_prob", "inpaint"})
    log_prob_kind: ClassVar[LogProb | None] = "exact"

    config: AutoregressiveConfig

    @property
    def distribution(self) -> Distribution:
        """Of the pixels."""
        return distribution(self.config.pixels)

    def seen(self, images: torch.Tensor, rng: torch.Generator | None) -> torch.Tensor:
        """Return levels, uint8, as the distribution sees them."""
        return self.distribution.seen(images, rng)

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
        levels = self.seen(unscaled(images), None)
        kept = keep.expand_as(levels)
        return torch.where(kept, images, scaled(self.fill(levels, kept, told, rng)))
