"""Blocks of transformers that read from left to right, as Qwen 3 has them, and both ways.

RMSNorm (Zhang and Sennrich 2019), rotary positions (Su and others 2021), attention with normed
queries and keys (Henry and others 2020), SwiGLU (Shazeer 2020) or squared ReLU (So and others
2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from ragstone.models.nn.norming import rms_norm
from ragstone.models.nn.rotary import Turn, norm_and_rotate

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

    def follow(self, rows: torch.Tensor) -> None:
        """Go on in each row with what that row of `rows`, int64 (batch,), holds."""
        for buffer in (self.keys, self.values):
            buffer[:, :, :, : self.length] = buffer[:, rows, :, : self.length]


class RMSNorm(nn.Module):
    """Divides by the root of the mean square, then scales by a learnt weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Norm the last dimension."""
        return rms_norm(states, self.weight, EPSILON)


class Heads(nn.Module):
    """The maps of an attention, and how it looks; what looks at what is up to its kinds."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        own = width // heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.query_norm, self.key_norm = RMSNorm(own), RMSNorm(own)

    def queries(self, states: torch.Tensor, turn: Turn | None = None) -> torch.Tensor:
        """Map (batch, time, width) to (batch, heads, time, head width), turned by `turn`."""
        return self._normed(self.query(states), self.query_norm, turn)

    def keys_and_values(
        self, states: torch.Tensor, turn: Turn | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (batch, time, width) to two of (batch, heads, time, head width).

        Parameters
        ----------
        turn
            `rotation` of the positions, for the keys; None: they have none.
        """
        keys = self._normed(self.key(states), self.key_norm, turn)
        return keys, self._parted(self.value(states)).transpose(1, 2)

    def look(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        *,
        causal: bool = False,
    ) -> torch.Tensor:
        """Return (batch, time, width) of what the queries find.

        Parameters
        ----------
        mask
            True where a query may look at a key, broadcast to (batch, heads, queries, keys).
        """
        seen = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=causal,
        )
        mixed: torch.Tensor = self.output(seen.transpose(1, 2).flatten(2))
        return mixed

    def _parted(self, states: torch.Tensor) -> torch.Tensor:
        return states.view(*states.shape[:-1], self.heads, -1)

    def _normed(self, states: torch.Tensor, norm: RMSNorm, turn: Turn | None) -> torch.Tensor:
        # Before the transposition: what follows is faster where numbers lie side by side.
        parted = self._parted(states)
        normed = norm_and_rotate(parted, norm.weight, turn, EPSILON) if turn else norm(parted)
        return normed.transpose(1, 2)


class Attention(Heads):
    """Each token looks at itself and those before it."""

    def forward(
        self,
        states: torch.Tensor,
        turn: Turn,
        cache: Cache | None,
        layer: int,
    ) -> torch.Tensor:
        """Map (batch, time, width) to the same shape; `turn` is `rotation` of its positions."""
        query, (key, value) = self.queries(states, turn), self.keys_and_values(states, turn)
        before = 0
        if cache is not None:
            before, end = cache.length, cache.length + key.shape[2]
            cache.keys[layer, :, :, before:end] = key
            cache.values[layer, :, :, before:end] = value
            key, value = cache.keys[layer, :, :, :end], cache.values[layer, :, :, :end]
        mask = _mask(query.shape[2], before, query.device)
        return self.look(query, key, value, mask, causal=before == 0)


class FullAttention(Heads):
    """Each token looks at all, before and after it."""

    def forward(
        self,
        states: torch.Tensor,
        turn: Turn,
        real: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Map (batch, time, width) to the same shape; `real` is a mask of `padding_mask`."""
        return self.look(self.queries(states, turn), *self.keys_and_values(states, turn), real)


class CrossAttention(Heads):
    """Each token looks at all of another text, without positions."""

    def forward(
        self,
        states: torch.Tensor,
        other: tuple[torch.Tensor, torch.Tensor],
        real: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Map (batch, time, width) to the same shape.

        Parameters
        ----------
        other
            `keys_and_values` of the other text: made once, looked at by every token.
        real
            A mask of `padding_mask` for the other text.
        """
        return self.look(self.queries(states), *other, real)


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
        self, width: int, heads: int, hidden: int, dropout: float, activation: str = "swiglu"
    ) -> None:
        super().__init__()
        self.attention_norm, self.feed_norm = RMSNorm(width), RMSNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.feed = FEEDS[activation](width, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        states: torch.Tensor,
        turn: Turn,
        cache: Cache | None,
        layer: int,
    ) -> torch.Tensor:
        """Map (batch, time, width) to the same shape."""
        attended = self.attention(self.attention_norm(states), turn, cache, layer)
        states = states + self.dropout(attended)
        normed = self.feed_norm(states)
        if cache is not None:
            cache.lookup = normed  # the last block's remains
        fed: torch.Tensor = states + self.dropout(self.feed(normed))
        return fed


class FullBlock(nn.Module):
    """`Block` that looks both ways."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.feed_norm = RMSNorm(width), RMSNorm(width)
        self.attention = FullAttention(width, heads, dropout)
        self.feed = FeedForward(width, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        states: torch.Tensor,
        turn: Turn,
        real: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Map (batch, time, width) to the same shape; `real` is a mask of `padding_mask`."""
        states = states + self.dropout(self.attention(self.attention_norm(states), turn, real))
        fed: torch.Tensor = states + self.dropout(self.feed(self.feed_norm(states)))
        return fed


def padding_mask(lengths: torch.Tensor, time: int) -> torch.Tensor:
    """Return which of `time` tokens are real, bool (batch, 1, 1, time), of lengths (batch,)."""
    places = torch.arange(time, device=lengths.device)
    return (places[None, :] < lengths[:, None])[:, None, None, :]


def _mask(time: int, before: int, device: torch.device) -> torch.Tensor | None:
    """Return who may look at whom, (time, before + time); None where their order decides."""
    if before == 0 or time == 1:
        return None
    queries = torch.arange(before, before + time, device=device)
    return torch.arange(before + time, device=device)[None, :] <= queries[:, None]
