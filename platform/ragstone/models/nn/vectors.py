"""A denoiser of vectors: residual layers that are told, as in the diffusion transformer."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ragstone.models.nn.conditioned import Reads, Told

_FEED = 2  # times as wide as the states


class VectorNet(nn.Module):
    """Noisy vectors, their times and what is told of them, to vectors.

    Parameters
    ----------
    width
        Numbers of the states.
    depth
        Layers; each begins as its shortcut.
    """

    def __init__(self, reads: Reads, width: int, depth: int) -> None:
        super().__init__()
        self.told = Told(width, reads)
        self.into = nn.Linear(reads.channels + reads.given, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(depth))
        self.last = nn.Linear(width, reads.channels)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(
        self,
        vectors: torch.Tensor,
        time: torch.Tensor,
        labels: torch.Tensor,
        texts: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """See `Reads`; of texts, it hears no order of the words."""
        told = self.told(time, labels, texts)
        states = self.into(vectors)
        for block in self.blocks:
            states = block(states, told)
        mapped: torch.Tensor = self.last(functional.layer_norm(states, states.shape[-1:]))
        return mapped


class _Block(nn.Module):
    """Two maps around a shortcut; what is told scales, moves and gates (adaLN-Zero)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.feed = nn.Sequential(
            nn.Linear(width, _FEED * width), nn.SiLU(), nn.Linear(_FEED * width, width)
        )
        self.told = nn.Linear(width, 3 * width)
        nn.init.zeros_(self.told.weight)
        nn.init.zeros_(self.told.bias)

    def forward(self, states: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """Map (batch, width)."""
        scale, move, gate = self.told(told).chunk(3, -1)
        normed = functional.layer_norm(states, states.shape[-1:]) * (1 + scale) + move
        mapped: torch.Tensor = states + gate * self.feed(normed)
        return mapped
