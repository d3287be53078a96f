"""Blocks of a transformer, as Qwen 3 has them; they read from left to right, or both ways.

RMSNorm (Zhang and Sennrich 2019), rotary positions (Su and others 2021), attention with normed
queries and keys (Henry and others 2020), SwiGLU (Shazeer 2020) or squared ReLU (So and others
2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

EPSILON = 1e-6


@dataclass(slots=True)
class Cache:
    """Keys and values of the tokens that were read, in buffers that are made once.

    Parameters
    ----------
    keys, values
        (layers, batch, heads, context, head width).
    length
        Tokens that were read.
    lookup
        See `State`.
    """

    keys: torch.Tensor
    values: torch.Tensor
    length: int = 0
    lookup: torch.Tensor | None = None

    @property
    def room(self) -> int:
        """Tokens that can still be read."""
        return self.keys.shape[3] - self.length

    def take_back(self, tokens: int) -> None:
        """Forget the last so many tokens; the next ones are written over them."""
        self.length -= tokens


class RMSNorm(nn.Module):
    """Divides by the root of the mean square, then scales by a learnt weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Norm the last dimension."""
        return functional.rms_norm(states, (self.weight.shape[0],), self.weight, EPSILON)


def rotation(positions: torch.Tensor, width: int, base: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosines and sines of each position, (time, width), halves alike."""
    frequencies = base ** (-torch.arange(0, width, 2, device=positions.device).float() / width)
    angles = positions.float()[:, None] * frequencies[None, :]
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(states: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """Turn (batch, heads, time, width) by the angles of its times."""
    first, second = states.chunk(2, dim=-1)
    return states * cosines + torch.cat([-second, first], dim=-1) * sines


class Attention(nn.Module):
    """Each token looks at itself and those before it; at all, where it is not `causal`."""

    def __init__(self, width: int, heads: int, dropout: float, *, causal: bool = True) -> None:
        super().__init__()
        self.heads, self.dropout, self.causal = heads, dropout, causal
        own = width // heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.query_norm, self.key_norm = RMSNorm(own), RMSNorm(own)

    def forward(
        self,
        states: torch.Tensor,
        turn: tuple[torch.Tensor, torch.Tensor],
        cache: Cache | None = None,
        layer: int = 0,
        real: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Map (batch, time, width) to the same shape.

        Parameters
        ----------
        turn
            `rotation` of the positions.
        real
            Bool (batch, time): which tokens are looked at, where others fill the batch up; only
            where it is not `causal`.
        """
        query, key, value = (
            part(states).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        query, key = rotate(self.query_norm(query), *turn), rotate(self.key_norm(key), *turn)
        before = 0
        if cache is not None:
            before, end = cache.length, cache.length + key.shape[2]
            cache.keys[layer, :, :, before:end] = key
            cache.values[layer, :, :, before:end] = value
            key, value = cache.keys[layer, :, :, :end], cache.values[layer, :, :, :end]
        if self.causal:
            mask = _mask(query.shape[2], before, query.device)
        else:
            mask = None if real is None else real[:, None, None, :]
        seen = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=self.causal and before == 0,
        )
        mixed: torch.Tensor = self.output(seen.transpose(1, 2).flatten(2))
        return mixed


class FeedForward(nn.Module):
    """SwiGLU: one map gates another."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map (…, width) to the same shape."""
        mapped: torch.Tensor = self.down(functional.silu(self.gate(states)) * self.up(states))
        return mapped


class SquaredReLU(nn.Module):
    """One map, and the square of what is above 0."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Map (…, width) to the same shape."""
        mapped: torch.Tensor = self.down(functional.relu(self.up(states)).square())
        return mapped


FEEDS = {"swiglu": FeedForward, "relu2": SquaredReLU}


class Block(nn.Module):
    """Attention and feed-forward, each behind a norm and around a shortcut."""

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        dropout: float,
        *,
        causal: bool = True,
        activation: str = "swiglu",
    ) -> None:
        super().__init__()
        self.attention_norm, self.feed_norm = RMSNorm(width), RMSNorm(width)
        self.attention = Attention(width, heads, dropout, causal=causal)
        self.feed = FEEDS[activation](width, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        states: torch.Tensor,
        turn: tuple[torch.Tensor, torch.Tensor],
        cache: Cache | None = None,
        layer: int = 0,
        real: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Map (batch, time, width) to the same shape; see `Attention`."""
        attended = self.attention(self.attention_norm(states), turn, cache, layer, real)
        states = states + self.dropout(attended)
        normed = self.feed_norm(states)
        if cache is not None:
            cache.lookup = normed  # the last block's remains
        fed: torch.Tensor = states + self.dropout(self.feed(normed))
        return fed


def _mask(time: int, before: int, device: torch.device) -> torch.Tensor | None:
    """Return who may look at whom, (time, before + time); None where their order decides."""
    if before == 0 or time == 1:
        return None
    queries = torch.arange(before, before + time, device=device)
    return torch.arange(before + time, device=device)[None, :] <= queries[:, None]
