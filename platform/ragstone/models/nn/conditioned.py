"""Blocks that are told of a time, a kind and a text: the parts of denoisers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from ragstone.models.nn.convolutional import normed

_FASTEST = 1_000.0  # waves of a time from 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What a denoiser reads, and of which shape: all of them are called alike.

    `network(noisy, time, labels, texts)` returns (batch, channels, size, size), or (batch,
    channels) where there is no side, of `noisy` with `given` channels more; `time` is (batch,),
    `labels` int64 (batch,) and `texts` (batch, words, width of a word), a text as a whole first.

    Parameters
    ----------
    channels, size
        Of what is made; `size` 0: vectors of so many numbers.
    given
        Channels that come without noise beside those with it.
    labels
        Kinds that there are; the number after the last one stands for none.
    texts
        Numbers of a vector of a text or word, all 0 where there is none; 0: it reads no texts.
    words
        Vectors of a text, that of the whole text with them.
    """

    channels: int
    size: int = 0
    given: int = 0
    labels: int = 0
    texts: int = 0
    words: int = 0


def reading(reads: Reads, width: int) -> nn.Linear:
    """Return a map of the unit vectors of texts or words, 0 for none, to states.

    Its weights are as large as those of an embedding, not as small as those of a map of so many
    numbers: their sum stays about 1, and a step of training changes it by little.
    """
    found = nn.Linear(reads.texts, width, bias=False)
    nn.init.normal_(found.weight)
    return found


class Heard(nn.Module):
    """A text as one vector: what it is as a whole, and the words that matter, in any order.

    (batch, words, width of a word), the whole first, to (batch, width).
    """

    def __init__(self, width: int, reads: Reads) -> None:
        super().__init__()
        self.whole, self.words = reading(reads, width), reading(reads, width)
        self.look = nn.Linear(reads.texts, 1, bias=False)

    def forward(self, texts: torch.Tensor) -> torch.Tensor:
        """Return the vectors."""
        weights = self.look(texts).softmax(dim=1)  # a word that is not there adds 0
        heard: torch.Tensor = self.whole(texts[:, 0]) + self.words((weights * texts).sum(1))
        return heard


class Told(nn.Module):
    """A time, a kind and a text, as one vector (batch, width)."""

    def __init__(self, width: int, reads: Reads) -> None:
        super().__init__()
        self.width = width
        self.maps = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.embedding = nn.Embedding(reads.labels + 1, width)  # the last: it is not told
        self.text = Heard(width, reads) if reads.texts else None

    def forward(
        self, time: torch.Tensor, labels: torch.Tensor, texts: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the vectors; see `Reads`."""
        half = self.width // 2
        turns = torch.exp(
            torch.arange(half, device=time.device) * (math.log(_FASTEST) / max(1, half - 1))
        )
        angles = time[:, None] * turns
        waves = torch.cat([angles.sin(), angles.cos()], dim=-1)
        told: torch.Tensor = self.maps(waves) + self.embedding(labels)
        if self.text is not None and texts is not None:
            told = told + self.text(texts)
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
