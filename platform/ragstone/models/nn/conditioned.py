"""Blocks that are told of a time and a kind: the parts of denoisers."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from ragstone.models.nn.convolutional import normed

_FASTEST = 1_000.0  # waves of a time from 0 to 1


class Told(nn.Module):
    """A time, and a kind, as a vector: times (batch,) and labels (batch,) to (batch, width)."""

    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        self.width = width
        self.maps = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.embedding = nn.Embedding(labels + 1, width)  # the last: it is not told

    def forward(self, time: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the vectors."""
        half = self.width // 2
        turns = torch.exp(
            torch.arange(half, device=time.device) * (math.log(_FASTEST) / max(1, half - 1))
        )
        angles = time[:, None] * turns
        waves = torch.cat([angles.sin(), angles.cos()], dim=-1)
        told: torch.Tensor = self.maps(waves) + self.embedding(labels)
        return functional.silu(told)


class ToldResidual(nn.Module):
    """Two convolutions around a shortcut; what is told scales and moves what lies between.

    (batch, channels, side, side) and (batch, told) to (batch, out, side, side). The last map
    begins as 0, so that the block begins as its shortcut.
    """

    def __init__(self, channels: int, out: int, told: int, dropout: float) -> None:
        super().__init__()
        self.first_norm, self.second_norm = normed(channels), normed(out)
        self.first = nn.Conv2d(channels, out, 3, padding=1)
        self.second = nn.Conv2d(out, out, 3, padding=1)
        self.told = nn.Linear(told, 2 * out)
        self.dropout = nn.Dropout(dropout)
        self.shortcut = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)
        nn.init.zeros_(self.second.weight)

    def forward(self, images: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """Map images."""
        states = self.first(functional.silu(self.first_norm(images)))
        scale, move = self.told(told)[:, :, None, None].chunk(2, dim=1)
        states = functional.silu(self.second_norm(states) * (1 + scale) + move)
        mapped: torch.Tensor = self.shortcut(images) + self.second(self.dropout(states))
        return mapped


class SelfAttention(nn.Module):
    """Each place of (batch, channels, side, side) looks at all places, around a shortcut."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = normed(channels)
        self.parts = nn.Conv2d(channels, 3 * channels, 1)
        self.output = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.output.weight)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images."""
        side = images.shape[-1]
        parts: torch.Tensor = self.parts(self.norm(images))
        flat = parts.view(len(images), 3, self.heads, -1, side * side)
        query, key, value = flat.transpose(-1, -2).unbind(1)
        seen = functional.scaled_dot_product_attention(query, key, value)
        mixed = seen.transpose(-1, -2).reshape(len(images), -1, side, side)
        mapped: torch.Tensor = images + self.output(mixed)
        return mapped
