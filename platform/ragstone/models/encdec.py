"""`encdec`: an encoder reads a text, a decoder writes another (Vaswani and others, 2017).

In the modern form of T5 (Raffel and others, 2020): norms before the maps, rotary positions, normed
queries and keys, SwiGLU, one table of token vectors for both texts and the output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import nn
from torch.nn import functional

from ragstone.errors import InvalidArgument
from ragstone.models.base import Batch, Capability, Config, GenerativeModel, LogProb, Loss, Phase
from ragstone.models.nn.rotary import Turn, rotation
from ragstone.models.nn.transformer import (
    Attention,
    Cache,
    CrossAttention,
    FeedForward,
    FullBlock,
    RMSNorm,
    padding_mask,
)

IGNORED = -100  # a target that is only padding
_SPREAD = 0.02  # of the weights, before training


@dataclass(frozen=True, slots=True, kw_only=True)
class EncDecConfig(Config):
    """Settings of `encdec`; the defaults suit short sentences and a CPU.

    Parameters
    ----------
    vocabulary
        Tokens that there are, in both texts.
    context
        Tokens of a text, at most; longer ones are cut.
    layers, decoder_layers
        Of the encoder, and of the decoder.
    hidden
        Width of the feed-forward maps; 0: eight thirds of `width`, to the next multiple of 8.
    rotary_base
        Of the longest wave of the positions.
    label_smoothing
        Part of each target that is shared out among all tokens, in training (Szegedy 2016).
    """

    family: ClassVar[str] = "encdec"
    decided: ClassVar[frozenset[str]] = frozenset({"vocabulary"})

    vocabulary: int
    context: int = 128
    width: int = 256
    layers: int = 3
    decoder_layers: int = 3
    heads: int = 4
    hidden: int = 0
    dropout: float = 0.1
    rotary_base: float = 10_000.0
    label_smoothing: float = 0.1

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise InvalidArgument("width", self.width, f"a multiple of twice {self.heads} heads")
        for name in ("dropout", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidArgument(name, getattr(self, name), "0, or less than 1")

    @property
    def feed_width(self) -> int:
        """Width of the feed-forward maps."""
        return self.hidden or -(-self.width * 8 // 3 // 8) * 8


@dataclass(slots=True)
class Encoded:
    """Texts that were read, and what the decoder has written of theirs so far.

    Parameters
    ----------
    memory
        Of each layer of the decoder, keys and values (batch, heads, source, head width).
    real
        Which tokens of the texts are no padding, bool (batch, 1, 1, source).
    cache
        Of the decoder; None: it reads all of its text at once.
    """

    memory: list[tuple[torch.Tensor, torch.Tensor]]
    real: torch.Tensor
    cache: Cache | None = None

    def repeated(self, times: int, cache: Cache) -> Encoded:
        """Return each text so many times, one after the other, to be written for with a cache."""
        memory = [
            (key.repeat_interleave(times, 0), value.repeat_interleave(times, 0))
            for key, value in self.memory
        ]
        return Encoded(memory, self.real.repeat_interleave(times, 0), cache)


class DecoderBlock(nn.Module):
    """Attention to what was written, attention to what was read, and feed-forward."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.crossing_norm = RMSNorm(width), RMSNorm(width)
        self.feed_norm = RMSNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.crossing = CrossAttention(width, heads, dropout)
        self.feed = FeedForward(width, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        states: torch.Tensor,
        turn: Turn,
        encoded: Encoded,
        layer: int,
    ) -> torch.Tensor:
        """Map (batch, time, width) to the same shape."""
        written = self.attention(self.attention_norm(states), turn, encoded.cache, layer)
        states = states + self.dropout(written)
        found = self.crossing(self.crossing_norm(states), encoded.memory[layer], encoded.real)
        states = states + self.dropout(found)
        fed: torch.Tensor = states + self.dropout(self.feed(self.feed_norm(states)))
        return fed


class EncDec(GenerativeModel):
    """Writes a text for a text; tokens are int64 of shape (batch, time), padded at the end.

    What it reads and what it writes end with the token of the end; what it writes begins with it.
    """

    modality: ClassVar[str] = "text"
    conditioning: ClassVar[tuple[str, ...]] = ("text",)
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"sample", "log_prob", "translate"})
    log_prob_kind: ClassVar[LogProb | None] = "exact"

    config: EncDecConfig

    def __init__(self, config: EncDecConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.dropout = nn.Dropout(config.dropout)
        sizes = (config.width, config.heads, config.feed_width, config.dropout)
        self.encoder = nn.ModuleList(FullBlock(*sizes) for _ in range(config.layers))
        self.encoder_norm = RMSNorm(config.width)
        self.decoder = nn.ModuleList(DecoderBlock(*sizes) for _ in range(config.decoder_layers))
        self.norm = RMSNorm(config.width)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                # What is added to the shortcut begins smaller, the more often it is (Radford 2019).
                deep = name.endswith(("output.weight", "down.weight"))
                added = (
                    2 * config.layers if name.startswith("encoder") else 3 * config.decoder_layers
                )
                nn.init.normal_(parameter, std=_SPREAD / added**0.5 if deep else _SPREAD)

    def encode(self, source: torch.Tensor, lengths: torch.Tensor) -> Encoded:
        """Read texts, once, for whatever is then written.

        Parameters
        ----------
        source
            int64 (batch, time).
        lengths
            How many tokens of each are no padding, int64 (batch,).

        Raises
        ------
        InvalidArgument
            There are more tokens than the context.
        """
        real, turn = padding_mask(lengths, source.shape[1]), self._turn(0, source)
        states = self.dropout(self.embedding(source))
        for block in self.encoder:
            states = block(states, turn, real)
        states = self.encoder_norm(states)
        blocks = [cast("DecoderBlock", block) for block in self.decoder]
        memory = [block.crossing.keys_and_values(states) for block in blocks]
        return Encoded(memory, real)

    def new_cache(self, batch: int, room: int) -> Cache:
        """Return empty buffers of the decoder for `room` tokens."""
        config, weight = self.config, self.embedding.weight
        own = config.width // config.heads
        shape = (config.decoder_layers, batch, config.heads, room, own)
        return Cache(weight.new_zeros(shape), weight.new_zeros(shape))

    def read(self, tokens: torch.Tensor, encoded: Encoded) -> torch.Tensor:
        """Return what the decoder makes of each token, those before it, and the texts read.

        Parameters
        ----------
        tokens
            int64 (batch, time); with a cache, those that follow what it holds.

        Returns
        -------
        torch.Tensor
            (batch, time, width).

        Raises
        ------
        InvalidArgument
            There are more tokens than the context, or the cache, has room for.
        """
        cache = encoded.cache
        before = cache.length if cache else 0
        if cache and tokens.shape[1] > cache.room:
            raise InvalidArgument("tokens", tokens.shape[1], f"at most {cache.room} of them")
        turn = self._turn(before, tokens)
        states = self.dropout(self.embedding(tokens))
        for layer, block in enumerate(self.decoder):
            states = block(states, turn, encoded, layer)
        if cache:
            cache.length += tokens.shape[1]
        read: torch.Tensor = self.norm(states)
        return read

    def predict(self, states: torch.Tensor) -> torch.Tensor:
        """Return logits (…, vocabulary) of what `read` made (…, width)."""
        return functional.linear(states, self.embedding.weight)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return logits (batch, time, vocabulary) of the token after each of `tokens`."""
        return self.predict(
            self.read(batch["tokens"], self.encode(batch["source"], batch["lengths"]))
        )

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:  # noqa: ARG002
        """Return the mean cross-entropy in nats per target.

        Parameters
        ----------
        batch
            `source` (batch, source), `lengths` (batch,), `tokens` (batch, time), and `targets`
            (batch, time), which are `IGNORED` where there is only padding.
        """
        states = self.read(batch["tokens"], self.encode(batch["source"], batch["lengths"]))
        real = batch["targets"] != IGNORED
        smoothing = self.config.label_smoothing if phase == "train" else 0.0
        logits = self.predict(states[real]).float()
        loss = functional.cross_entropy(logits, batch["targets"][real], label_smoothing=smoothing)
        return Loss(loss, {})

    def log_prob(self, batch: Batch) -> torch.Tensor:
        """Return the logarithm of the chance of each target given its source, exact, (batch,)."""
        logits = self(batch).float().transpose(1, 2)
        return -functional.cross_entropy(
            logits, batch["targets"], ignore_index=IGNORED, reduction="none"
        ).sum(1)

    def _turn(self, before: int, tokens: torch.Tensor) -> Turn:
        time, config = tokens.shape[1], self.config
        if before + time > config.context:
            raise InvalidArgument("tokens", before + time, f"at most {config.context} of them")
        positions = torch.arange(before, before + time, device=tokens.device)
        return rotation(positions, config.width // config.heads, config.rotary_base)
