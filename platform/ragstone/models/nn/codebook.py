"""A book of codes: vectors become the nearest of them (van den Oord and others 2017)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

_COMMITMENT = 0.25  # weight of what draws vectors to their codes


class Coded(NamedTuple):
    """What vectors became, (batch, numbers, height, width), which codes, and what that costs."""

    vectors: torch.Tensor
    codes: torch.Tensor  # int64 (batch, height, width)
    loss: torch.Tensor


class Codebook(nn.Module):
    """Codes (codes, numbers), which move to the vectors that become them.

    Codes that none of a batch becomes are drawn to the vectors that are farthest from their codes,
    each to one of them, so that none is left behind for good.
    """

    def __init__(self, codes: int, numbers: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(codes, numbers) * 0.1)

    def forward(self, vectors: torch.Tensor) -> Coded:
        """Return the nearest codes; their gradient is handed on to the vectors."""
        flat = vectors.movedim(1, -1).flatten(0, -2)
        away = torch.cdist(flat.detach().float(), self.embedding.detach())
        codes = away.argmin(1)
        chosen = self.embedding[codes]
        loss = (chosen - flat.detach()).square().mean()
        loss = loss + _COMMITMENT * (flat - chosen.detach()).square().mean()
        loss = loss + self._revived(flat.detach(), away, codes)
        batch, numbers, height, width = vectors.shape
        handed_on = (flat + (chosen - flat).detach()).view(batch, height, width, numbers)
        return Coded(handed_on.movedim(-1, 1), codes.view(batch, height, width), loss)

    def vectors(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the vectors of codes (batch, height, width): (batch, numbers, height, width)."""
        return self.embedding[codes].movedim(-1, 1)

    def perplexity(self, codes: torch.Tensor) -> float:
        """Return how many codes are used, as if each of them was used alike."""
        counts = torch.bincount(codes.flatten(), minlength=len(self.embedding))
        part = counts / counts.sum()
        return float(torch.exp(-(part * part.clamp(min=1e-12).log()).sum()))

    def _revived(self, flat: torch.Tensor, away: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return how far codes that are not used are from the vectors that have the worst code."""
        used = torch.zeros(len(self.embedding), dtype=torch.bool, device=flat.device)
        used[codes] = True
        unused = (~used).nonzero().squeeze(1)
        worst = away.amin(1).argsort(descending=True)
        target = flat[worst[torch.arange(len(unused), device=flat.device) % len(worst)]]
        pulled = (self.embedding[unused] - target).square().mean(1)
        return pulled.sum() / len(self.embedding)
