"""The latents of an autoencoder that learns no more, as a denoiser makes them (Rombach 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import nn

from ragstone.errors import InvalidArgument
from ragstone.models.autoencoding import Autoencoder

_SMALLEST = 1e-3  # deviation of a latent that is not the same for all images


class Latents(nn.Module):
    """Images to numbers of mean 0 and deviation 1, and back.

    Its weights, mean and deviation are kept with those of the denoiser: a model stands alone.
    """

    mean: torch.Tensor  # (size,), of the latents of an image
    spread: torch.Tensor

    def __init__(self, autoencoder: Autoencoder, size: int) -> None:
        super().__init__()
        self.autoencoder = autoencoder.requires_grad_(requires_grad=False)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("spread", torch.ones(size))

    @classmethod
    def of(cls, described: Mapping[str, Any], size: int) -> Self:
        """Build the one that `described` tells of, without its weights."""
        # The table of families has those that are built of others, too.
        from ragstone.models.families import family

        known = family(described["family"])
        autoencoder = known.build(known.config.of(described["settings"]))
        if not isinstance(autoencoder, Autoencoder):
            raise InvalidArgument("autoencoder", described["family"], "an ae, a vae or the like")
        return cls(autoencoder, size)

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001
        """Leave the autoencoder as it is used."""
        super().train(mode)
        self.autoencoder.eval()
        return self

    @torch.no_grad()
    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Return the latents of images, (batch, latent)."""
        return self.scaled(self.autoencoder.encode(images))

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return the images of latents."""
        return self.images(latents)

    def images(self, latents: torch.Tensor) -> torch.Tensor:
        """Return what `decode` does, with the gradients of the latents."""
        return self.autoencoder.decode(latents * self.spread + self.mean)

    def scaled(self, latents: torch.Tensor) -> torch.Tensor:
        """Return what the autoencoder gives, with mean 0 and deviation 1."""
        return (latents - self.mean) / self.spread

    def fit(self, latents: torch.Tensor) -> None:
        """Take mean and deviation from latents as the autoencoder gives them."""
        self.mean.copy_(latents.mean(0))
        self.spread.copy_(latents.std(0).clamp(min=_SMALLEST))
