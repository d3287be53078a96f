"""`bert`: a transformer that reads both ways and learns to fill gaps (Devlin and others, 2019).

Its blocks are those of `gpt`. Tokens of a gap are always hidden, never swapped for others, and more
of them than at first: both learn as well or better (Wettig and others, 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from ragstone.errors import InvalidArgument
from ragstone.models.base import Batch, Capability, Config, GenerativeModel, LogProb, Loss, Phase
from ragstone.models.nn.rotary import rotation
from ragstone.models.nn.transformer import FullBlock, RMSNorm, padding_mask

_SPREAD = 0.02  # of the weights, before training
_FIXED = 20_190_524  # seed of the gaps that validation has
_AT_ONCE = 64  # copies of a text that are read together, each with another token hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class BERTConfig(Config):
    """Settings of `bert`; the defaults have 0.8 million parameters and suit a CPU.

    Parameters
    ----------
    vocabulary
        Tokens that there are; one more, `vocabulary` itself, stands for a hidden one.
    context
        Tokens that are read at once.
    masked
        Part of the tokens that is hidden in training.
    hidden
        Width of the feed-forward maps; 0: eight thirds of `width`, to the next multiple of 8.
    rotary_base
        Of the longest wave of the positions.
    """

    family: ClassVar[str] = "bert"
    decided: ClassVar[frozenset[str]] = frozenset({"vocabulary"})

    vocabulary: int
    context: int = 128
    width: int = 128
    layers: int = 4
    heads: int = 4
    hidden: int = 0
    dropout: float = 0.0
    masked: float = 0.3
    rotary_base: float = 10_000.0

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise InvalidArgument("width", self.width, f"a multiple of twice {self.heads} heads")
        if not 0 < self.masked < 1:
            raise InvalidArgument("masked", self.masked, "more than 0 and less than 1")

    @property
    def feed_width(self) -> int:
        """Width of the feed-forward maps."""
        return self.hidden or -(-self.width * 8 // 3 // 8) * 8


class BERT(GenerativeModel):
    """Token vectors, blocks, a norm; the token vectors once more as the output map.

    Tokens are int64 (batch, time); `gap`, one beyond the vocabulary, is a hidden one.
    """

    modality: ClassVar[str] = "text"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"encode", "log_prob", "inpaint"})
    log_prob_kind: ClassVar[LogProb | None] = "estimate"

    config: BERTConfig

    def __init__(self, config: BERTConfig) -> None:
        super().__init__()
        self.config = config
        self.gap = config.vocabulary
        self.embedding = nn.Embedding(config.vocabulary + 1, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            FullBlock(config.width, config.heads, config.feed_width, config.dropout)
            for _ in range(config.layers)
        )
        self.norm = RMSNorm(config.width)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                # What is added to the shortcut begins smaller, the more often it is (Radford 2019).
                deep = name.endswith(("output.weight", "down.weight"))
                spread = _SPREAD / (2 * config.layers) ** 0.5 if deep else _SPREAD
                nn.init.normal_(parameter, std=spread)

    def read(self, tokens: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Return what the model makes of each token among the others, (batch, time, width).

        Parameters
        ----------
        lengths
            Int64 (batch,): tokens of each text, which others fill up; None: all.

        Raises
        ------
        InvalidArgument
            There are more tokens than the context.
        """
        time = tokens.shape[1]
        if time > self.config.context:
            raise InvalidArgument("tokens", time, f"at most {self.config.context} of them")
        positions = torch.arange(time, device=tokens.device)
        turn = rotation(positions, self.config.width // self.config.heads, self.config.rotary_base)
        real = None if lengths is None else padding_mask(lengths, time)
        states = self.dropout(self.embedding(tokens))
        for block in self.blocks:
            states = block(states, turn, real)
        read: torch.Tensor = self.norm(states)
        return read

    def predict(self, states: torch.Tensor) -> torch.Tensor:
        """Return logits (…, vocabulary) of what `read` made (…, width)."""
        return functional.linear(states, self.embedding.weight[: self.gap])

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, time, vocabulary) of each token in its place."""
        return self.predict(self.read(tokens))

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:
        """Return the mean cross-entropy in nats of what was hidden of `tokens`, (batch, time).

        As many are hidden in each row. Those of validation are always the same, and the part of
        them for which the right token is the likeliest is a figure, `right`.
        """
        tokens = batch["tokens"]
        if phase == "validate":
            rng = torch.Generator(tokens.device).manual_seed(_FIXED)
        count = max(1, round(self.config.masked * tokens.shape[1]))
        draws = torch.rand(tokens.shape, generator=rng, device=tokens.device)
        places = draws.topk(count, dim=1).indices
        states = self.read(tokens.scatter(1, places, self.gap))
        hidden = states.gather(1, places[..., None].expand(-1, -1, states.shape[-1]))
        logits = self.predict(hidden).flatten(0, 1)
        targets = tokens.gather(1, places).flatten()
        figures = {}
        if phase == "validate":
            figures = {"right": float((logits.argmax(dim=-1) == targets).float().mean())}
        return Loss(functional.cross_entropy(logits.float(), targets), figures)

    @torch.inference_mode()
    def encode(self, tokens: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Return the mean of what `read` made of each text's tokens, of length 1, (batch, width).

        Parameters
        ----------
        lengths
            As `read` takes them.

        Raises
        ------
        InvalidArgument
            There are more tokens than the context.
        """
        states = self.read(tokens, lengths).float()
        if lengths is not None:
            places = torch.arange(tokens.shape[1], device=tokens.device)
            states = states * (places < lengths[:, None])[..., None]
        return functional.normalize(states.sum(dim=1), dim=-1)

    @torch.inference_mode()
    def log_prob(self, tokens: torch.Tensor) -> torch.Tensor:
        """Estimate how likely each text is, in nats, (batch,).

        The sum over its tokens, each hidden alone (Salazar and others 2020). It is no probability:
        each token knows those that follow it.

        Raises
        ------
        InvalidArgument
            There are more tokens than the context.
        """
        return torch.stack([self._log_prob(text) for text in tokens])

    def _log_prob(self, text: torch.Tensor) -> torch.Tensor:
        """Return the estimate of one text, int64 (time,)."""
        total = torch.zeros((), device=text.device)
        for begin in range(0, len(text), _AT_ONCE):
            places = torch.arange(begin, min(begin + _AT_ONCE, len(text)), device=text.device)
            copies = text.repeat(len(places), 1)
            rows = torch.arange(len(places), device=text.device)
            copies[rows, places] = self.gap
            logits = self.predict(self.read(copies)[rows, places]).float()
            total = total - functional.cross_entropy(logits, text[places], reduction="sum")
        return total
