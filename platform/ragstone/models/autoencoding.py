"""What all autoencoders share: images to latents and back, in between, and how odd an image is."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch

from ragstone.errors import InvalidArgument
from ragstone.models.images import ImageConfig, ImageModel
from ragstone.models.nn.convolutional import halvings


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


class Autoencoder(ImageModel):
    """Images, float32 (batch, channels, size, size) from -1 to 1, to latents and back."""

    @abstractmethod
    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return the latents of images, (batch, latent)."""

    @abstractmethod
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return the images of latents."""

    def reconstruct(self, images: torch.Tensor) -> torch.Tensor:
        """Return what comes back of images."""
        return self.decode(self.encode(images))

    def interpolate(self, first: torch.Tensor, last: torch.Tensor, steps: int) -> torch.Tensor:
        """Return `steps` images from one image (channels, size, size) to another, with both ends.

        Raises
        ------
        InvalidArgument
            There are less than two steps.
        """
        if steps < 2:
            raise InvalidArgument("steps", steps, "at least 2")
        begin, end = self.encode(torch.stack([first, last]))
        part = torch.linspace(0, 1, steps, device=begin.device)[:, None]
        return self.decode(begin + part * (end - begin))

    def oddness(self, images: torch.Tensor) -> torch.Tensor:
        """Return how badly each image comes back, the mean square of what differs: (batch,)."""
        return (self.reconstruct(images) - images).square().flatten(1).mean(1)
