"""Layers that know nothing of places: images as rows of numbers, and back."""

from __future__ import annotations

from torch import nn


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
        super().__init__(nn.Flatten(), *parts)


def rows_width(pixels: int, width: int, layers: int) -> int:
    """Return how wide the states of `ToRows` are."""
    return width if layers else pixels
