"""`gpt`: a transformer that reads from left to right (Radford and others, 2018), in Qwen 3's form.

So what is trained here can be written as a model of `transformers`, with equal logits, and be
served by whatever serves those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import nn

from ragstone.errors import InvalidArgument
from ragstone.models.base import Batch
from ragstone.models.language import LanguageConfig, LanguageModel, State
from ragstone.models.nn.rotary import rotation
from ragstone.models.nn.transformer import FEEDS, Block, Cache, RMSNorm

_SPREAD = 0.02  # of the weights, before training


@dataclass(frozen=True, slots=True, kw_only=True)
class GPTConfig(LanguageConfig):
    """Settings of `gpt`; the defaults have 0.8 million parameters and suit a CPU.

    Parameters
    ----------
    hidden
        Width of the feed-forward maps; 0: eight thirds of `width`, to the next multiple of 8, or
        four times `width` where there is no gate, so that both have as many parameters.
    activation
        Of the feed-forward maps: `swiglu`, or `relu2`, the square of what is above 0.
    rotary_base
        Of the longest wave of the positions.
    """

    family: ClassVar[str] = "gpt"

    heads: int = 4
    hidden: int = 0
    activation: str = "swiglu"
    rotary_base: float = 10_000.0

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise InvalidArgument("width", self.width, f"a multiple of twice {self.heads} heads")
        self.among(activation=FEEDS)

    @property
    def feed_width(self) -> int:
        """Width of the feed-forward maps."""
        if self.activation == "relu2":
            return self.hidden or 4 * self.width
        return self.hidden or -(-self.width * 8 // 3 // 8) * 8


class GPT(LanguageModel):
    """Token vectors, blocks, a norm; the token vectors once more as the output map."""

    config: GPTConfig

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(
                config.width,
                config.heads,
                config.feed_width,
                config.dropout,
                config.activation,
            )
            for _ in range(config.layers)
        )
        self.norm = RMSNorm(config.width)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                # What is added to the shortcut begins smaller, the more often it is (Radford 2019).
                deep = name.endswith(("output.weight", "down.weight"))
                spread = _SPREAD / (2 * config.layers) ** 0.5 if deep else _SPREAD
                nn.init.normal_(parameter, std=spread)

    def new_state(self, batch: int) -> Cache:
        """Return empty buffers for `config.context` tokens."""
        config, weight = self.config, self.embedding.weight
        shape = (config.layers, batch, config.heads, config.context, config.width // config.heads)
        return Cache(weight.new_zeros(shape), weight.new_zeros(shape))

    def read(self, tokens: torch.Tensor, state: State | None = None) -> torch.Tensor:
        """See `LanguageModel.read`.

        Raises
        ------
        InvalidArgument
            There are more tokens than the context, or the state, has room for.
        """
        cache = cast("Cache | None", state)
        room, time = cache.room if cache else self.config.context, tokens.shape[1]
        if time > room:
            raise InvalidArgument("tokens", time, f"at most {room} of them")
        before = cache.length if cache else 0
        positions = torch.arange(before, before + time, device=tokens.device)
        turn = rotation(positions, self.config.width // self.config.heads, self.config.rotary_base)
        states = self.dropout(self.embedding(tokens))
        for layer, block in enumerate(self.blocks):
            states = block(states, turn, cache, layer)
        if cache:
            cache.length += time
        read: torch.Tensor = self.norm(states)
        return read

    def predict(self, states: torch.Tensor) -> torch.Tensor:
        """See `LanguageModel.predict`."""
        return nn.functional.linear(states, self.embedding.weight)

    def flops(self, batch: Batch) -> float:
        """As all networks, and what attention adds (Chowdhery and others, 2022, appendix B)."""
        each = 12.0 * self.config.layers * self.config.width * batch["tokens"].shape[1]
        return super().flops(batch) + each * self.positions(batch)
