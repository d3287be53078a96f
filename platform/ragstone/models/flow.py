"""What all flows share: images to latents that are noise, and back, with exact densities.

The levels of the pixels are made continuous by noise within a level, and stretched by the logit
(Dinh and others 2017). The density of what comes of that is exact; that it is a bound of the chance
of the levels is due to the noise (Theis and others 2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn import functional

from ragstone.models.base import Capability, LogProb
from ragstone.models.images import ImageConfig, scaled, unscaled
from ragstone.models.likelihood import LikelihoodModel
from ragstone.models.nn.flows import Chain
from ragstone.models.nn.pixels import own_chance, uniform
from ragstone.models.two_way import TwoWay

_MARGIN = 0.05  # of the pixels' range, where the logit would be infinite


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowConfig(ImageConfig):
    """Settings of every flow."""


class Flow(LikelihoodModel, TwoWay):
    """log p(image) = log N(latents; 0, 1) + log |d latents / d image|.

    What comes back of images are they themselves, up to rounding.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {"sample", "log_prob", "encode", "decode", "interpolate"}
    )
    log_prob_kind: ClassVar[LogProb | None] = "bound"

    config: FlowConfig
    chain: Chain

    def seen(self, images: torch.Tensor, rng: torch.Generator | None) -> torch.Tensor:
        """Return images from 0 to 1, with noise within a level."""
        if rng is None:
            drawn = [torch.rand(images.shape[1:], generator=own) for own in own_chance(images)]
            noise = torch.stack(drawn).to(images.device)
        else:
            noise = uniform(images.shape, rng, images.device)
        return (images + noise) / 256

    def log_chances(
        self,
        seen: torch.Tensor,
        told: torch.Tensor,
        rng: torch.Generator | None,  # noqa: ARG002
    ) -> torch.Tensor:
        """See `LikelihoodModel`: the log density of `seen`, by level."""
        states, stretched = unfolded(seen)
        latents, more = self.chain(states, told)
        normal = -(latents.square() + math.log(2 * math.pi)).sum(1) / 2
        levels = seen[0].numel() * math.log(256)
        found: torch.Tensor = normal + more + stretched - levels
        return found

    def sample(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:
        """Return the images of latents drawn by chance."""
        told = self._drawn(rng, count, label)
        latents = torch.randn(count, self._numbers, generator=rng).to(told.device)
        return self._levels(latents, told)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return the latents of images, (batch, channels * size * size), of the levels' middles.

        Parameters
        ----------
        images
            float32 (batch, channels, size, size) from -1 to 1.
        """
        states, _ = unfolded((unscaled(images) + 0.5) / 256)
        latents: torch.Tensor = self.chain(states, self._untold(len(images)))[0]
        return latents

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return the images of latents."""
        return self._levels(latents, self._untold(len(latents)))

    @property
    def _numbers(self) -> int:
        return self.config.channels * self.config.size**2

    def _levels(self, latents: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        pixels = folded(self.chain.back(latents, told))
        return scaled((pixels * 256).floor().clamp(0, 255).to(torch.uint8))

    def _untold(self, count: int) -> torch.Tensor:
        """Return what stands for labels that are not told, (count, labels): all alike."""
        kinds = self.config.labels
        weight = next(self.parameters())
        return weight.new_full((count, kinds), 1 / max(1, kinds))


def unfolded(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pixels from 0 to 1 as any numbers, and the log determinant, (batch,)."""
    within = _MARGIN + (1 - 2 * _MARGIN) * pixels
    states = torch.logit(within)
    # d logit(p) / dp = 1 / (p (1 - p)), and sigmoid(states) is p.
    stretched = -functional.logsigmoid(states) - functional.logsigmoid(-states)
    return states, (stretched + math.log(1 - 2 * _MARGIN)).flatten(1).sum(1)


def folded(states: torch.Tensor) -> torch.Tensor:
    """Return what `unfolded` took."""
    return (states.sigmoid() - _MARGIN) / (1 - 2 * _MARGIN)
