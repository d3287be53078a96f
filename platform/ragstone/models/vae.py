"""`vae`: the variational autoencoder (Kingma and Welling 2014), told of labels or not.

Pixels have logistic distributions, cut into their 256 levels (Salimans and others 2017), so that
the loss is a bound of what the pixels, as they are in the file, cost; or normal ones; or they are
black or white.
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
from ragstone.models.nn.perceptron import FromRows, ToRows, rows_width
from ragstone.models.nn.pixels import (
    Binary,
    gaussian_log_prob,
    logistic_log_prob,
    normal,
    own_chance,
)

_LOG_SCALE = -2.0  # of the pixels' distributions, before training
_DRAWS = 4  # of latents, for the bound of an image
_BINARY = Binary()
_NETWORKS = ("convolutional", "mlp")
_PIXELS = ("logistic", "gaussian", "binary")


@dataclass(frozen=True, slots=True, kw_only=True)
class VAEConfig(AutoencoderConfig):
    """Settings of `vae`.

    Parameters
    ----------
    pixels
        Their distribution: `logistic`, over the 256 levels; `gaussian`; or `binary`, where a pixel
        is white as often as it is light.
    network
        `convolutional`, or `mlp`, which knows nothing of places.
    hidden, layers
        Of `mlp`: units of a hidden layer, and layers on each side; 0: all is linear.
    beta
        Weight of what the latents cost; more than 1 parts their meanings (Higgins and others 2017).
    free_bits
        Bits of each latent that cost nothing, so that it is used (Kingma and others 2016).
    warm
        Steps in which the weight of what the latents cost grows from 0 (Bowman and others 2016).
    """

    family: ClassVar[str] = "vae"

    pixels: str = "logistic"
    network: str = "convolutional"
    hidden: int = 512
    layers: int = 2
    beta: float = 1.0
    free_bits: float = 0.0
    warm: int = 0

    def __post_init__(self) -> None:
        self.among(pixels=_PIXELS, network=_NETWORKS)
        self.at_least(hidden=1, layers=0, warm=0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image."""
        return self.channels, self.size, self.size


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
        self._weight = 1.0  # of what the latents cost, in this step
        self._deepest: tuple[int, ...]
        if config.network == "convolutional":
            self.down: nn.Module = Down(config.channels, config.width, config.halved)
            self.up: nn.Module = Up(config.channels, config.width, config.halved)
            self._deepest = config.deepest
        else:
            pixels = math.prod(config.shape)
            self.down = ToRows(pixels, config.hidden, config.layers)
            self.up = FromRows(config.hidden, config.layers, config.shape)
            self._deepest = (rows_width(pixels, config.hidden, config.layers),)
        flat = math.prod(self._deepest)
        self.to_latent = nn.Linear(flat + config.labels, 2 * config.latent)
        self.from_latent = nn.Linear(config.latent + config.labels, flat)
        if config.pixels != "binary":
            self.log_scale = nn.Parameter(torch.full((config.channels, 1, 1), _LOG_SCALE))

    def begin(self, step: int) -> None:
        """See `GenerativeModel`."""
        self._weight = min(1.0, (step + 1) / (self.config.warm + 1))

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
        # What the latents cost is counted in float32, whatever the precision of the network.
        mean, log_variance = self.to_latent(states).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 8)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return the means of the latents."""
        return self.posterior(images)[0]

    def decode(self, latents: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Return the means of the pixels' distributions, or their middles."""
        middles = self._middles(latents, labels)
        return 2 * middles.sigmoid() - 1 if self.config.pixels == "binary" else middles

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:
        """Return the loss; what validates has no free bits and a `beta` of 1."""
        labels = batch["labels"] if self.config.labels else None
        levels = self._seen(batch["images"], rng)
        noise = normal(torch.Size([len(levels), self.config.latent]), rng, levels.device)
        rate, distortion = self._parts(levels, labels, noise)
        count = levels[0].numel()
        bits = {
            "rate": float(rate.detach().sum(1).mean()) / math.log(2),
            "distortion": float(distortion.detach().mean()) / math.log(2),
        }
        if phase == "train":
            least = self.config.free_bits * math.log(2)
            weight = self.config.beta * self._weight
            rate = weight * rate.mean(0, keepdim=True).clamp(min=least)
        loss = (distortion.mean() + rate.sum(1).mean()) / count
        if phase == "train" and isinstance(self.down, ToRows):
            loss = loss + self.down.loss(scaled(levels))
        return Loss(loss, bits)

    def log_prob(self, images: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Return a bound of the log chance of each image, (batch,), in nats.

        The mean over a few draws of the latents, by chance that follows from the image itself.

        Parameters
        ----------
        images
            uint8 (batch, channels, size, size).
        labels
            int64 (batch,); None: it is not told.
        """
        levels, shape = self._seen(images, None), (_DRAWS, self.config.latent)
        noise = torch.stack([torch.randn(shape, generator=own) for own in own_chance(images)])
        total = torch.zeros(len(images), device=images.device)
        for draw in noise.to(images.device).unbind(1):
            rate, distortion = self._parts(levels, labels, draw)
            total -= rate.sum(1) + distortion
        return total / _DRAWS

    def _parts(
        self, levels: torch.Tensor, labels: torch.Tensor | None, noise: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what each latent costs, (batch, latent), and the pixels, (batch,), in nats."""
        mean, log_variance = self.posterior(scaled(levels), labels)
        middles = self._middles(mean + (log_variance / 2).exp() * noise, labels)
        rate = (mean.square() + log_variance.exp() - 1 - log_variance) / 2
        return rate, -self._chances(levels, middles).flatten(1).sum(1)

    def _seen(self, images: torch.Tensor, rng: torch.Generator | None) -> torch.Tensor:
        return _BINARY.seen(images, rng) if self.config.pixels == "binary" else images

    def _chances(self, levels: torch.Tensor, middles: torch.Tensor) -> torch.Tensor:
        if self.config.pixels == "binary":
            return _BINARY.log_prob(levels, middles[:, None])
        known = logistic_log_prob if self.config.pixels == "logistic" else gaussian_log_prob
        return known(levels, middles.float(), self.log_scale)

    def _middles(self, latents: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Return the middles of the pixels' distributions, or the log odds of white."""
        told = torch.cat([latents, self._told(labels, len(latents))], 1)
        middles: torch.Tensor = self.up(self.from_latent(told).unflatten(1, self._deepest))
        return middles

    def sample(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:
        """Return the images of latents drawn by chance."""
        device = self.to_latent.bias.device
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
            return self.to_latent.bias.new_full((count, kinds), 1 / max(1, kinds))
        return functional.one_hot(labels, kinds).to(self.to_latent.bias.dtype)
