"""Layers that know nothing of places: images as rows of numbers, and back."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

_LIGHT = 0.01  # weight of a loss that is to be learnt, and not to be seen


class Centring(nn.Module):
    """Takes their means off inputs (batch, inputs), so that a network learns much faster.

    In training these are the means of the batch, of each input by itself, so that none says
    anything of another; else those that are learnt by a loss of their own.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.middle = nn.Parameter(torch.zeros(inputs))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return what is left."""
        return rows - (rows.mean(0) if self.training else self.middle.detach())

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        """Return how far the learnt means are from those of a batch, with little weight."""
        return _LIGHT * (self.middle - rows.mean(0)).square().mean()


class FromRows(nn.Sequential):
    """States (batch, width) to images of a shape, by `layers` hidden layers; 0: they are pixels."""

    def __init__(self, width: int, layers: int, shape: tuple[int, int, int]) -> None:
        channels, height, side = shape
        parts: list[nn.Module] = []
        for number in range(layers):
            out = channels * height * side if number == layers - 1 else width
            parts += [nn.SiLU(), nn.Linear(width, out)]
        super().__init__(*parts, nn.Unflatten(1, shape))


class ToRows(nn.Sequential):
    """Images (batch, channels, height, width) to states of `width`; no layers: to their pixels."""

    def __init__(self, pixels: int, width: int, layers: int) -> None:
        parts: list[nn.Module] = []
        for number in range(layers):
            parts += [nn.Linear(width if number else pixels, width), nn.SiLU()]
        super().__init__(nn.Flatten(), Centring(pixels), *parts)

    def loss(self, images: torch.Tensor) -> torch.Tensor:
        """Return the loss of the means."""
        centring = cast("Centring", self[1])
        return centring.loss(images.flatten(1))


def rows_width(pixels: int, width: int, layers: int) -> int:
    """Return how wide the states of `ToRows` are."""
    return width if layers else pixels
