"""`ae` and `denoising`: autoencoders (Hinton and Salakhutdinov 2006; Vincent and others 2008)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from ragstone.errors import InvalidArgument
from ragstone.models.autoencoding import Autoencoder, AutoencoderConfig
from ragstone.models.base import Batch, Capability, Loss, Phase
from ragstone.models.images import scaled
from ragstone.models.nn.convolutional import Down, Up


@dataclass(frozen=True, slots=True, kw_only=True)
class AEConfig(AutoencoderConfig):
    """Settings of `ae`."""

    family: ClassVar[str] = "ae"


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoisingConfig(AEConfig):
    """Settings of `denoising`.

    Parameters
    ----------
    noise
        Standard deviation of what is added to an image before it is read; a pixel is from -1 to 1.
    """

    family: ClassVar[str] = "denoising"

    noise: float = 0.5


class AE(Autoencoder):
    """Loss: the mean square of what differs between an image and what comes back of it."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"encode", "decode", "interpolate"})

    config: AEConfig

    def __init__(self, config: AEConfig) -> None:
        super().__init__()
        self.config = config
        channels, side, _ = config.deepest
        self.down = Down(config.channels, config.width, config.halved)
        self.to_latent = nn.Linear(channels * side * side, config.latent)
        self.from_latent = nn.Linear(config.latent, channels * side * side)
        self.up = Up(config.channels, config.width, config.halved)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """See `Autoencoder.encode`."""
        latents: torch.Tensor = self.to_latent(self.down(images).flatten(1))
        return latents

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """See `Autoencoder.decode`."""
        states = self.from_latent(latents).unflatten(1, self.config.deepest)
        images: torch.Tensor = self.up(states)
        return images

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:  # noqa: ARG002
        """Return the mean square error of each pixel."""
        images = scaled(batch["images"])
        return Loss((self.reconstruct(self._spoilt(images, rng)) - images).square().mean(), {})

    def sample(self, rng: torch.Generator, count: int, label: int | None) -> torch.Tensor:  # noqa: ARG002
        """It cannot.

        Raises
        ------
        InvalidArgument
            Always: nothing says which latents images have.
        """
        raise InvalidArgument("model", self.config.family, "one that makes images, such as a vae")

    def _spoilt(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:  # noqa: ARG002
        return images


class Denoising(AE):
    """An autoencoder that is shown spoilt images, and has to give back whole ones."""

    capabilities: ClassVar[frozenset[Capability]] = AE.capabilities | {"denoise"}

    config: DenoisingConfig

    def _spoilt(self, images: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        noise = torch.randn(images.shape, generator=rng, device=images.device)
        return images + self.config.noise * noise

    def without_noise(self, images: torch.Tensor, noise: float) -> torch.Tensor:  # noqa: ARG002
        """Return images without their noise; it finds out itself how much there is."""
        return self.reconstruct(images)
