"""`lstm` and `gru`: recurrent networks (Hochreiter and Schmidhuber 1997; Cho and others 2014)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import nn

from ragstone.models.base import Batch
from ragstone.models.language import LanguageConfig, LanguageModel, State


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurrentConfig(LanguageConfig):
    """Settings of both; the defaults have 0.3 to 0.4 million parameters.

    Parameters
    ----------
    embedding
        Width of the token vectors.
    """

    width: int = 256
    layers: int = 1
    embedding: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class LSTMConfig(RecurrentConfig):
    """Settings of `lstm`."""

    family: ClassVar[str] = "lstm"


@dataclass(frozen=True, slots=True, kw_only=True)
class GRUConfig(RecurrentConfig):
    """Settings of `gru`."""

    family: ClassVar[str] = "gru"


@dataclass(slots=True)
class Memory:
    """The hidden states after the last token, as torch's networks take them; None: at rest."""

    hidden: torch.Tensor | tuple[torch.Tensor, torch.Tensor] | None = None
    lookup: torch.Tensor | None = None

    @property
    def room(self) -> None:
        """As many tokens as one likes."""
        return


class Recurrent(LanguageModel):
    """Token vectors, a recurrent network, an output map."""

    config: RecurrentConfig

    def __init__(self, config: RecurrentConfig, kind: type[nn.LSTM] | type[nn.GRU]) -> None:
        super().__init__()
        self.config = config
        self.network = kind(
            config.embedding,
            config.width,
            config.layers,
            batch_first=True,
            dropout=config.dropout if config.layers > 1 else 0.0,
        )
        self.embedding = nn.Embedding(config.vocabulary, config.embedding)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.width, config.vocabulary)
        nn.init.normal_(self.embedding.weight, std=config.embedding**-0.5)

    def new_state(self, batch: int) -> Memory:  # noqa: ARG002
        """Return a network at rest."""
        return Memory()

    def read(self, tokens: torch.Tensor, state: State | None = None) -> torch.Tensor:
        """See `LanguageModel.read`; it reads texts of any length."""
        memory = cast("Memory", state) if state is not None else Memory()
        states, memory.hidden = self.network(self.dropout(self.embedding(tokens)), memory.hidden)
        memory.lookup = states
        read: torch.Tensor = self.dropout(states)
        return read

    def predict(self, states: torch.Tensor) -> torch.Tensor:
        """See `LanguageModel.predict`."""
        logits: torch.Tensor = self.head(states)
        return logits

    def flops(self, batch: Batch) -> float:
        """As all networks, but for the token vectors, which are only looked up."""
        return super().flops(batch) - 6.0 * self.embedding.weight.numel() * self.positions(batch)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """All to one optimiser: Muon is not for stacked gates."""
        return {"others": list(self.parameters())}


class LSTM(Recurrent):
    """The long short-term memory."""

    def __init__(self, config: LSTMConfig) -> None:
        super().__init__(config, nn.LSTM)
        for name, bias in self.network.named_parameters():
            if name.startswith("bias_ih"):  # it remembers before it learns to (Jozefowicz 2015)
                nn.init.ones_(bias.data[config.width : 2 * config.width])


class GRU(Recurrent):
    """The gated recurrent unit."""

    def __init__(self, config: GRUConfig) -> None:
        super().__init__(config, nn.GRU)
