"""Blocks of players: latents to images by convolutions, images to features, features to scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrize import register_parametrization

SLOPE = 0.2  # of leaky ReLU
Wrap: TypeAlias = Callable[[nn.Module], nn.Module]


def plain(layer: nn.Module) -> nn.Module:
    """Return a layer as it is."""
    return layer


def spectral(layer: nn.Module) -> nn.Module:
    """Return a layer whose matrix lengthens nothing: its norm is 1."""
    return register_parametrization(layer, "weight", Spectral(cast("torch.Tensor", layer.weight)))


WRAPS: Mapping[str, Wrap] = {"batch": plain, "spectral": spectral, "none": plain}


class Spectral(nn.Module):
    """Weights (out, …) over the norm of their matrix (out, all others) (Miyato and others 2018).

    The norm is looked for by one power iteration, from where the last one in training ended. There
    is one when nothing is trained too: so it fits a mean of weights, whose direction is a mean.
    """

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.direction: torch.Tensor
        self.register_buffer("direction", functional.normalize(torch.randn(len(weight)), dim=0))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weights, normed."""
        matrix = weight.flatten(1)
        with torch.no_grad():
            across = functional.normalize(self.direction @ matrix, dim=0)
            direction = functional.normalize(matrix @ across, dim=0)
            if self.training:
                self.direction.copy_(direction)
        return weight / (direction @ (matrix @ across))


class Informed(nn.Module):
    """What an image is made of, and its kind.

    (batch, latent) and labels int64 (batch,) to (batch, width).
    """

    def __init__(self, latent: int, labels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(labels, latent) if labels else None
        self.width = latent * (2 if labels else 1)

    def forward(self, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return both, one beside the other."""
        if self.embedding is None:
            return latents
        return torch.cat([latents, self.embedding(labels)], 1)


class Score(nn.Module):
    """How real it looks, for its kind: features (batch, width) and labels (batch,) to (batch,).

    A kind adds how far the features go its way: a projection (Miyato and Koyama 2018).
    """

    def __init__(self, width: int, labels: int, wrap: Wrap = plain) -> None:
        super().__init__()
        self.overall = wrap(nn.Linear(width, 1))
        self.kinds = wrap(nn.Embedding(labels, width)) if labels else None

    def forward(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the scores."""
        scores: torch.Tensor = self.overall(features)[:, 0]
        if self.kinds is None:
            return scores
        own: torch.Tensor = (self.kinds(labels) * features).sum(1)
        return scores + own


class Rising(nn.Module):
    """Latents to images from -1 to 1, by convolutions that double the side, with norms of batches.

    (batch, latent) and labels (batch,) to (batch, channels, size, size). What is made in training
    depends on the others of its batch, and later no more.
    """

    def __init__(
        self, channels: int, size: int, latent: int, labels: int, width: int, halved: int
    ) -> None:
        super().__init__()
        side, wide = size // 2**halved, width * 2 ** max(0, halved - 1)
        self.informed = Informed(latent, labels)
        parts: list[nn.Module] = [
            nn.Linear(self.informed.width, wide * side * side),
            nn.Unflatten(1, (wide, side, side)),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
        ]
        for _ in range(halved - 1):
            wide //= 2
            doubling = nn.ConvTranspose2d(2 * wide, wide, 4, 2, 1, bias=False)
            parts += [doubling, nn.BatchNorm2d(wide), nn.ReLU()]
        last = (
            nn.ConvTranspose2d(wide, channels, 4, 2, 1)
            if halved
            else nn.Conv2d(wide, channels, 3, 1, 1)
        )
        self.parts = nn.Sequential(*parts, last, nn.Tanh())

    def forward(self, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return images."""
        images: torch.Tensor = self.parts(self.informed(latents, labels))
        return images


class Falling(nn.Module):
    """Images to features, by convolutions that halve the side: to (batch, width of the features).

    Parameters
    ----------
    norm
        `batch`, of all convolutions but the first, `spectral`, of each layer, or `none`.
    """

    def __init__(self, channels: int, size: int, width: int, halved: int, norm: str) -> None:
        super().__init__()
        side, parts, wide, wrap = size, list[nn.Module](), channels, WRAPS[norm]
        for number in range(halved):
            out = width * 2**number
            parts.append(wrap(nn.Conv2d(wide, out, 4, 2, 1)))
            parts += [nn.BatchNorm2d(out)] if number and norm == "batch" else []
            parts.append(nn.LeakyReLU(SLOPE))
            wide, side = out, side // 2
        self.maps = nn.Sequential(*parts)
        self.width = max(width, wide)
        self.flat = nn.Sequential(
            nn.Flatten(), wrap(nn.Linear(wide * side * side, self.width)), nn.LeakyReLU(SLOPE)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return features."""
        features: torch.Tensor = self.flat(self.maps(images))
        return features


class Critic(nn.Module):
    """Images and labels to scores (batch,): features, and how real they look."""

    def __init__(self, features: nn.Module, width: int, labels: int, wrap: Wrap = plain) -> None:
        super().__init__()
        self.features = features
        self.score = Score(width, labels, wrap)

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return scores."""
        scores: torch.Tensor = self.score(self.features(images), labels)
        return scores
