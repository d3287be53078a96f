"""The diffusion transformer (Peebles and Xie 2023): patches as tokens, norms that are told.

Words are tokens too, which patches look at and are looked at by (Bao and others 2023).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ragstone.errors import InvalidArgument
from ragstone.models.nn.conditioned import Reads, Told, reading

_FEED = 4  # times as wide as the tokens


class DiT(nn.Module):
    """Noisy images, their times and what is told of them, to images.

    Parameters
    ----------
    patch
        Pixels of the side of a token.

    Raises
    ------
    InvalidArgument
        The patches do not fill the images, or the heads do not part the width.
    """

    def __init__(
        self,
        reads: Reads,
        width: int,
        depth: int,
        heads: int,
        patch: int,
    ) -> None:
        super().__init__()
        if reads.size % patch:
            raise InvalidArgument("patch", patch, f"a divisor of {reads.size} pixels")
        if width % heads:
            raise InvalidArgument("heads", heads, f"a divisor of the width, {width}")
        self.patch, self.side = patch, reads.size // patch
        self.told = Told(width, reads)
        self.into = nn.Conv2d(reads.channels + reads.given, width, patch, stride=patch)
        self.embedding_place = nn.Parameter(torch.randn(self.side**2, width) * 0.02)
        self.word = reading(reads, width) if reads.texts else None
        if reads.texts:
            self.embedding_word = nn.Parameter(torch.randn(reads.words, width) * 0.02)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(depth))
        self.move = nn.Linear(width, 2 * width)
        self.last = nn.Linear(width, patch * patch * reads.channels)
        nn.init.zeros_(self.move.weight)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(
        self,
        images: torch.Tensor,
        time: torch.Tensor,
        labels: torch.Tensor,
        texts: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """See `Reads`."""
        told = self.told(time, labels, texts)
        states = self.into(images).flatten(2).transpose(1, 2) + self.embedding_place
        if self.word is not None and texts is not None:
            words = self.word(texts) + self.embedding_word
            states = torch.cat([states, words], dim=1)
        for block in self.blocks:
            states = block(states, told)
        states = states[:, : self.side**2]
        scale, move = self.move(told)[:, None].chunk(2, dim=-1)
        states = self.last(_norm(states) * (1 + scale) + move)
        grid = states.transpose(1, 2).unflatten(2, (self.side, self.side))
        return functional.pixel_shuffle(grid, self.patch)


class _Block(nn.Module):
    """Attention and feed-forward; what is told scales, moves and gates them (adaLN-Zero)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.parts = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, _FEED * width), nn.GELU("tanh"), nn.Linear(_FEED * width, width)
        )
        self.told = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.told.weight)
        nn.init.zeros_(self.told.bias)

    def forward(self, states: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """Map (batch, tokens, width)."""
        scale, move, gate, feed_scale, feed_move, feed_gate = self.told(told)[:, None].chunk(6, -1)
        states = states + gate * self._attended(_norm(states) * (1 + scale) + move)
        fed = self.feed(_norm(states) * (1 + feed_scale) + feed_move)
        mapped: torch.Tensor = states + feed_gate * fed
        return mapped

    def _attended(self, states: torch.Tensor) -> torch.Tensor:
        flat = self.parts(states).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(*flat.unbind(0))
        mixed: torch.Tensor = self.output(seen.transpose(1, 2).flatten(2))
        return mixed


def _norm(states: torch.Tensor) -> torch.Tensor:
    return functional.layer_norm(states, states.shape[-1:])
