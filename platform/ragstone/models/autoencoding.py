"""What all autoencoders share: settings, and how odd an image is."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ragstone.models.images import ImageConfig
from ragstone.models.nn.convolutional import halvings
from ragstone.models.two_way import TwoWay


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderConfig(ImageConfig):
    """Settings of every autoencoder.

    Parameters
    ----------
    latent
        Numbers that an image becomes.
    width
        Channels of the widest maps.
    halvings
        How often the side is halved, at most.
    """

    latent: int = 32
    width: int = 32
    halvings: int = 2

    @property
    def embedding(self) -> int:
        """See `ImageConfig.embedding`."""
        return self.latent

    @property
    def halved(self) -> int:
        """How often the side is halved."""
        return halvings(self.size, self.halvings)

    @property
    def deepest(self) -> tuple[int, int, int]:
        """Channels and side before the latents."""
        side = self.size // 2**self.halved
        return self.width * 2**self.halved, side, side


class Autoencoder(TwoWay):
    """Images to latents, (batch, latent), and back."""

    def oddness(self, images: torch.Tensor) -> torch.Tensor:
        """Return how badly each image comes back, the mean square of what differs: (batch,)."""
        return (self.reconstruct(images) - images).square().flatten(1).mean(1)
