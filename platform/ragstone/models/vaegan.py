"""`vaegan`: an autoencoder whose images pass for real (Larsen and others 2016).

The decoder is the generator of a `dcgan`. What comes back of an image is like it where the critic
sees the same: in the maps of its last convolution, each a Gaussian of variance 1. Losses:

- encoder: the rate (what the latents cost, as in a `vae`) and that unlikeness, in nats;
- generator: that unlikeness by `likeness`, and that the critic takes what it makes for real;
- critic: that of a `dcgan`.

Half of what the critic is shown comes back of images of the batch, half is of latents drawn by
chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import nn

from ragstone.models.adversarial import Adversarial, held
from ragstone.models.autoencoding import Autoencoder
from ragstone.models.base import Batch, Capability, Loss, Phase
from ragstone.models.dcgan import ConvolutionalConfig
from ragstone.models.images import scaled
from ragstone.models.nn.adversaries import Falling


@dataclass(frozen=True, slots=True, kw_only=True)
class VAEGANConfig(ConvolutionalConfig):
    """Settings of `vaegan`.

    Parameters
    ----------
    likeness
        Weight of nats beside the critic's scores: how much what comes back is to be like the image.
    """

    family: ClassVar[str] = "vaegan"

    latent: int = 32
    likeness: float = 0.02

    @property
    def embedding(self) -> int:
        """See `ImageConfig.embedding`."""
        return self.latent


class VAEGAN(Adversarial, Autoencoder):
    """See `Adversarial` and `Autoencoder`; what comes back is told of no label."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {"sample", "encode", "decode", "interpolate"}
    )

    config: VAEGANConfig

    def __init__(self, config: VAEGANConfig) -> None:
        kinds = config.labels + bool(config.labels)  # the last: it is not told
        super().__init__(config, config.rising(kinds), config.falling())
        shape = config.channels, config.size
        self.encoder = Falling(*shape, config.width, config.halved, "batch")
        self.to_latent = nn.Linear(self.encoder.width, 2 * config.latent)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of each player; the encoder is one."""
        encoder = [*self.encoder.parameters(), *self.to_latent.parameters()]
        return {**super().parameter_groups(), "encoder": encoder}

    def posterior(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return means and log variances of the latents, each (batch, latent)."""
        mean, log_variance = self.to_latent(self.encoder(images)).chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 8)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return the means of the latents."""
        return self.posterior(images)[0]

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return the images of latents, told of no label."""
        untold = torch.full((len(latents),), self.config.labels, device=latents.device)
        images: torch.Tensor = self.generator(latents, untold)
        return images

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:
        """Return the losses of all three; of what is held out, see `Adversarial.training_step`."""
        if phase == "validate":
            return super().training_step(batch, rng, phase)
        images, labels = scaled(batch["images"]), batch["labels"]
        mean, log_variance = self.posterior(images)
        latents = mean + (log_variance / 2).exp() * self.latents(rng, labels)
        rate = ((mean.square() + log_variance.exp() - 1 - log_variance) / 2).sum(1).mean()
        unlike = self._unlike(images, self.decode(latents))
        half = len(images) // 2
        made = torch.cat([self.decode(latents[:half].detach()), self.drawn(rng, labels[half:])])
        critic = self.critic_loss(images, made.detach(), labels, rng)
        generator = self.generator_loss(made, labels, rng)
        figures = {
            "critic": float(critic.detach()),
            "generator": float(generator.detach()),
            "rate": float(rate.detach()) / math.log(2),
            "unlike": float(unlike.detach()) / math.log(2),
        }
        return Loss(critic + generator + self.config.likeness * (rate + unlike), figures)

    def _unlike(self, images: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
        """Return how much the critic sees that differs, in nats an image."""
        maps = cast("Falling", self.critic.features).maps
        with held(self.critic):
            apart: torch.Tensor = maps(back) - maps(images)
        return apart.square().flatten(1).sum(1).mean() / 2
