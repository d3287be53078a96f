"""Blocks of a generator that a style steers: mapping, modulated convolutions, noise.

From Karras, Laine and Aila (2019) and Karras and others (2020).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ragstone.models.nn.adversaries import SLOPE, Informed

_TINY = 1e-8


class Mapping(nn.Module):
    """Latents (batch, latent), made of one length, and labels (batch,) to styles (batch, style)."""

    def __init__(self, latent: int, labels: int, style: int, depth: int) -> None:
        super().__init__()
        self.informed = Informed(latent, labels)
        widths = [self.informed.width, *[style] * depth]
        layers: list[nn.Module] = []
        for width, out in pairwise(widths):
            layers += [nn.Linear(width, out), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers)

    def forward(self, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the styles."""
        length = (latents.square().mean(1, keepdim=True) + _TINY).rsqrt()
        styles: torch.Tensor = self.layers(self.informed(latents * length, labels))
        return styles


class Modulated(nn.Module):
    """A convolution whose input channels a style weighs (Karras and others 2020, equations 1 to 3).

    (batch, channels, side, side) and styles (batch, style) to (batch, out, side, side). Weights w
    of each image are w * s, over their length for each channel that comes out: computed by weighing
    what goes in and what comes out, which is the same, and needs no weights of each image.
    """

    def __init__(
        self, channels: int, out: int, style: int, kernel: int = 3, *, demodulated: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, channels, kernel, kernel))
        self.scale = 1 / math.sqrt(channels * kernel**2)  # so that all learn at one rate
        self.bias = nn.Parameter(torch.zeros(out))
        self.to_weights = nn.Linear(style, channels)
        nn.init.ones_(self.to_weights.bias)
        self.demodulated = demodulated

    def forward(self, states: torch.Tensor, styles: torch.Tensor) -> torch.Tensor:
        """Return the maps, without a function after them."""
        weights = self.to_weights(styles)  # (batch, channels)
        weight = self.weight * self.scale
        mapped = functional.conv2d(
            states * weights[:, :, None, None], weight, padding=weight.shape[-1] // 2
        )
        if self.demodulated:
            lengths = weights.square() @ weight.square().sum((2, 3)).T  # (batch, out), squared
            mapped = mapped * (lengths + _TINY).rsqrt()[:, :, None, None]
        return mapped + self.bias[:, None, None]


class Styled(nn.Module):
    """A modulated convolution, noise of a strength that is learnt, and leaky ReLU."""

    def __init__(self, channels: int, out: int, style: int) -> None:
        super().__init__()
        self.modulated = Modulated(channels, out, style)
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(
        self, states: torch.Tensor, styles: torch.Tensor, rng: torch.Generator
    ) -> torch.Tensor:
        """Return the states of (batch, out, side, side); noise is drawn from `rng`."""
        mapped = self.modulated(states, styles)
        shape = len(states), 1, *states.shape[2:]
        noise = torch.randn(shape, generator=rng, device=rng.device).to(mapped.device)
        return functional.leaky_relu(mapped + self.strength * noise, SLOPE) * math.sqrt(2)
