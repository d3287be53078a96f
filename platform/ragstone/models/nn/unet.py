"""The U-shaped network (Ronneberger and others 2015), as denoisers have it (Ho and others 2020)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ragstone.models.nn.conditioned import Reads, SelfAttention, Told, ToldResidual
from ragstone.models.nn.convolutional import halvings, normed

_HEADS = 4


class UNet(nn.Module):
    """Noisy images, their times and what is told of them, to images.

    Parameters
    ----------
    width
        Channels at the full side; twice as many at half of it, and so on.
    depth
        Blocks at each side.
    halved
        How often the side is halved, at most. All places look at each other at the smallest.
    """

    def __init__(
        self,
        reads: Reads,
        width: int,
        depth: int,
        halved: int,
        dropout: float,
    ) -> None:
        super().__init__()
        told, levels = 4 * width, halvings(reads.size, halved)
        widths = [width * 2**level for level in range(levels + 1)]
        self.told = Told(told, reads)
        self.first = nn.Conv2d(reads.channels + reads.given, width, 3, padding=1)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        self.up, self.widen = nn.ModuleList(), nn.ModuleList()
        now, kept = width, [width]
        for level, own in enumerate(widths):
            for _ in range(depth):
                self.down.append(ToldResidual(now, own, told, dropout))
                now = own
                kept.append(now)
            if level < levels:
                self.shrink.append(nn.Conv2d(now, now, 3, stride=2, padding=1))
                kept.append(now)
        self.middle = nn.ModuleList(ToldResidual(now, now, told, dropout) for _ in range(2))
        self.attention = SelfAttention(now, _HEADS)
        for level, own in reversed(list(enumerate(widths))):
            for _ in range(depth + 1):
                self.up.append(ToldResidual(now + kept.pop(), own, told, dropout))
                now = own
            if level:
                self.widen.append(nn.Conv2d(now, now, 3, padding=1))
        self.depth = depth
        self.norm = normed(now)
        self.last = nn.Conv2d(now, reads.channels, 3, padding=1)
        nn.init.zeros_(self.last.weight)

    def forward(
        self,
        images: torch.Tensor,
        time: torch.Tensor,
        labels: torch.Tensor,
        texts: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """See `Reads`; of texts, it hears no order of the words."""
        told = self.told(time, labels, texts)
        states = self.first(images)
        kept = [states]
        for number, block in enumerate(self.down):
            states = block(states, told)
            kept.append(states)
            level, rest = divmod(number + 1, self.depth)
            if rest == 0 and level <= len(self.shrink):
                states = self.shrink[level - 1](states)
                kept.append(states)
        states = self.middle[0](states, told)
        states = self.middle[1](self.attention(states), told)
        for number, block in enumerate(self.up):
            states = block(torch.cat([states, kept.pop()], dim=1), told)
            level, rest = divmod(number + 1, self.depth + 1)
            if rest == 0 and level <= len(self.widen):
                larger = functional.interpolate(states, scale_factor=2.0, mode="nearest")
                states = self.widen[level - 1](larger)
        mapped: torch.Tensor = self.last(functional.silu(self.norm(states)))
        return mapped
