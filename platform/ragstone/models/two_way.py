"""Models that turn images into latents and back: what comes back, and what lies between two."""

from __future__ import annotations

from abc import abstractmethod

import torch

from ragstone.errors import InvalidArgument
from ragstone.models.images import ImageModel


class TwoWay(ImageModel):
    """Images, float32 (batch, channels, size, size) from -1 to 1, to latents and back."""

    @abstractmethod
    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return the latents of images, (batch, latents)."""

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
