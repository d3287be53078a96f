"""`vae`: the variational autoencoder (Kingma and Welling 2014), told of labels or not.

Pixels have logistic distributions, cut into their 256 levels (Salimans and others 2017), so that
the loss is a bound of what the pixels, as they are in the file, cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from ragstone.models.autoencoding import Autoencoder, AutoencoderConfig
from ragstone.models.base import Batch, Capability, LogProb, Loss, Phase
from ragstone.models.images import LABEL, scaled
from ragstone.models.nn.convolutional import Down, Up
from ragstone.models.nn.pixels import logistic_log_prob

_LOG_SCALE = -2.0  # of the pixels' distributions, before training
_MARGIN = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class VAEConfig(AutoencoderConfig):
    """Settings of `vae`.

    Parameters
    ----------
    beta
        Weight of what the latents cost; more than 1 parts their meanings (Higgins and others 2017).
    free_bits
        Bits of each latent that cost nothing, so that it is used (Kingma and others 2016).
    """

    family: ClassVar[str] = "vae"

    beta: float = 1.0
    free_bits: float = 0.0


class VAE(Autoencoder):
    """Loss: the negative evidence lower bound, in nats per colour of a pixel."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {"sample", "log_prob", "encode", "decode", "interpolate"}
    )
    conditioning: ClassVar[tuple[str, ...]] = (LABEL,)
    log_prob_kind: ClassVar[LogProb | None] = "bound"

    config: VAEConfig

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        channels, side, _ = config.deepest
        flat = channels * side * side
        self.down = Down(config.channels, config.width, config.halved)
        self.to_latent = nn.Linear(flat + config.labels, 2 * config.latent)
        self.from_latent = nn.Linear(config.latent + config.labels, flat)
        self.up = Up(config.channels, config.width, config.halved)
        self.log_scale = nn.Parameter(torch.full((config.channels, 1, 1), _LOG_SCALE))

    def posterior(
        self, images: torch.Tensor, labels: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return means and log variances of the latents, each (batch, latent).

        Parameters
        ----------
        images
            float32 (batch, channels, size, size) from -1 to 1.
        labels
            int64 (batch,); None: it is not told.
        """
        states = torch.cat([self.down(images).flatten(1), self._told(labels, len(images))], 1)
        mean, log_variance = self.to_latent(states).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 8)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return the means of the latents."""
        return self.posterior(images)[0]

    def decode(self, latents: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Return the middles of the pixels' distributions."""
        told = torch.cat([latents, self._told(labels, len(latents))], 1)
        images: torch.Tensor = self.up(self.from_latent(told).unflatten(1, self.config.deepest))
        return images

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:
        """Return the loss; what validates has no free bits and a `beta` of 1."""
        pixels, labels = batch["images"], batch["labels"] if self.config.labels else None
        mean, log_variance = self.posterior(scaled(pixels), labels)
        noise = torch.randn(mean.shape, generator=rng, device=mean.device)
        made = self.decode(mean + (log_variance / 2).exp() * noise, labels)
        rate = (mean.square() + log_variance.exp() - 1 - log_variance) / 2
        distortion = -logistic_log_prob(pixels, made, self.log_scale).flatten(1).sum(1).mean()
        count = pixels[0].numel()
        bits = {
            "rate": float(rate.detach().sum(1).mean()) / math.log(2),
            "distortion": float(distortion.detach()) / math.log(2),
        }
        if phase == "train":
            rate = self.config.beta * rate.mean(0).clamp(min=self.config.free_bits * math.log(2))
            return Loss((distortion + rate.sum()) / count, bits)
        return Loss((distortion + rate.sum(1).mean()) / count, bits)

    def sample(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:
        """Return the images of latents drawn by chance."""
        device = self.log_scale.device
        latents = torch.randn(count, self.config.latent, generator=rng).to(device)
        labels = None
        if self.config.labels:
            drawn = torch.randint(self.config.labels, (count,), generator=rng)
            labels = (drawn if label is None else torch.full((count,), label)).to(device)
        return self.decode(latents, labels)

    def _told(self, labels: torch.Tensor | None, count: int) -> torch.Tensor:
        """Return labels as the network reads them, (batch, labels): all alike where not told."""
        kinds = self.config.labels
        if labels is None:
            return self.log_scale.new_full((count, kinds), 1 / max(1, kinds))
        return functional.one_hot(labels, kinds).to(self.log_scale.dtype)
