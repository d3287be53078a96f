"""`gan`: generative adversarial nets of plain layers (Goodfellow and others 2014).

Loss of the critic: the cross-entropy of real or made. Loss of the generator: how well made images
are told apart (`minimax`), or how badly they pass for real (`non-saturating`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import nn

from ragstone.models.adversarial import Adversarial, AdversarialConfig
from ragstone.models.nn.adversaries import SLOPE, Critic, Informed


@dataclass(frozen=True, slots=True, kw_only=True)
class GANConfig(AdversarialConfig):
    """Settings of `gan`.

    Parameters
    ----------
    width, depth
        Of the hidden layers of each player, and how many.
    """

    family: ClassVar[str] = "gan"

    width: int = 256
    depth: int = 2


class GAN(Adversarial):
    """See `Adversarial`; it takes images of any size, down to one pixel."""

    config: GANConfig

    def __init__(self, config: GANConfig) -> None:
        numbers = config.channels * config.size**2
        layers = _layers(numbers, config.width, config.depth)
        features = nn.Sequential(nn.Flatten(), *layers)
        critic = Critic(features, config.width, config.labels)
        super().__init__(config, _Generator(config), critic)


class _Generator(nn.Module):
    def __init__(self, config: GANConfig) -> None:
        super().__init__()
        shape = config.channels, config.size, config.size
        self.informed = Informed(config.latent, config.labels)
        self.layers = nn.Sequential(
            *_layers(self.informed.width, config.width, config.depth),
            nn.Linear(config.width, config.channels * config.size**2),
            nn.Tanh(),
            nn.Unflatten(1, shape),
        )

    def forward(self, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        images: torch.Tensor = self.layers(self.informed(latents, labels))
        return images


def _layers(numbers: int, width: int, depth: int) -> list[nn.Module]:
    """Return hidden layers that begin with so many numbers."""
    layers: list[nn.Module] = []
    for before, after in pairwise([numbers, *[width] * depth]):
        layers += [nn.Linear(before, after), nn.LeakyReLU(SLOPE)]
    return layers
