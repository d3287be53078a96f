"""Blocks of networks for images: residual maps, halving and doubling of the side.

Group norms (Wu and He 2018) and SiLU before each convolution, as in the networks of Ho and others
(2020); so a sample does not depend on the others of its batch.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_GROUPS = 8  # of channels that are normed together, at most


def normed(channels: int) -> nn.GroupNorm:
    """Return a norm of channels in groups."""
    groups = max(g for g in range(1, _GROUPS + 1) if channels % g == 0)
    return nn.GroupNorm(groups, channels)


class Residual(nn.Module):
    """Two convolutions around a shortcut: (batch, channels, side, side) to `out` channels."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([normed(channels), normed(out)])
        self.maps = nn.ModuleList(
            [nn.Conv2d(channels, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)]
        )
        self.shortcut = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images."""
        states = images
        for norm, convolution in zip(self.norms, self.maps, strict=True):
            states = convolution(functional.silu(norm(states)))
        mapped: torch.Tensor = self.shortcut(images) + states
        return mapped


def halvings(size: int, most: int) -> int:
    """Return how often a side of `size` pixels can be halved evenly, `most` times at most."""
    count = 0
    while count < most and size % 2 ** (count + 1) == 0 and size // 2 ** (count + 1) >= 4:
        count += 1
    return count


class Down(nn.Module):
    """Images to a smaller side and more channels.

    (batch, channels, size, size) to (batch, width * 2**halved, size / 2**halved, the same).
    """

    def __init__(self, channels: int, width: int, halved: int) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1)]
        for _ in range(halved):
            parts += [Residual(width, width), nn.Conv2d(width, 2 * width, 4, 2, 1)]
            width *= 2
        self.parts = nn.Sequential(*parts, Residual(width, width), normed(width), nn.SiLU())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images."""
        mapped: torch.Tensor = self.parts(images)
        return mapped


class Up(nn.Module):
    """What `Down` gives back to images of `channels`."""

    def __init__(self, channels: int, width: int, halved: int) -> None:
        super().__init__()
        width *= 2**halved
        parts: list[nn.Module] = [Residual(width, width)]
        for _ in range(halved):
            parts += [
                nn.ConvTranspose2d(width, width // 2, 4, 2, 1),
                Residual(width // 2, width // 2),
            ]
            width //= 2
        last = nn.Conv2d(width, channels, 3, padding=1)
        self.parts = nn.Sequential(*parts, normed(width), nn.SiLU(), last)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map states to images."""
        mapped: torch.Tensor = self.parts(states)
        return mapped
