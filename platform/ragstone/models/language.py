"""What all language models share: loss, and reading on from where they stopped."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch.nn import functional

from ragstone.models.base import Batch, Capability, Config, GenerativeModel, LogProb, Loss, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageConfig(Config):
    """Settings of every language model.

    Parameters
    ----------
    vocabulary
        Tokens that there are.
    context
        Tokens that are read at once.
    """

    decided: ClassVar[frozenset[str]] = frozenset({"vocabulary"})

    vocabulary: int
    context: int = 128
    width: int = 128
    layers: int = 4
    dropout: float = 0.0


class State(Protocol):
    """What a model remembers of the tokens that it read.

    `lookup`, (batch, time, width), is what kNN-LM finds like texts by, for the tokens that were
    read last: the input of the last feed-forward map, as its paper found best, or what a recurrent
    network gives.
    """

    lookup: torch.Tensor | None

    @property
    def room(self) -> int | None:
        """Tokens that can still be read; None: as many as one likes."""
        ...


@runtime_checkable
class Reversible(State, Protocol):
    """A state that can forget what it read last; that of a recurrent network cannot."""

    def take_back(self, tokens: int) -> None:
        """Be as if the last so many tokens had not been read."""
        ...


class LanguageModel(GenerativeModel):
    """Says how likely each token is to follow; tokens are int64 of shape (batch, time)."""

    modality: ClassVar[str] = "text"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({"sample", "log_prob"})
    log_prob_kind: ClassVar[LogProb | None] = "exact"

    config: LanguageConfig

    @abstractmethod
    def new_state(self, batch: int) -> State:
        """Return the state before the first token, to be given to `read`, which changes it."""

    @abstractmethod
    def read(self, tokens: torch.Tensor, state: State | None = None) -> torch.Tensor:
        """Return what the model makes of each token and those before it.

        Parameters
        ----------
        tokens
            int64 (batch, time).
        state
            Of the tokens before, changed in place; None: there were none, and none will follow.

        Returns
        -------
        torch.Tensor
            (batch, time, width).
        """

    @abstractmethod
    def predict(self, states: torch.Tensor) -> torch.Tensor:
        """Return logits (…, vocabulary) of what `read` made (…, width)."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, time, vocabulary) of the token after each."""
        return self.predict(self.read(tokens))

    def training_step(self, batch: Batch, rng: torch.Generator, phase: Phase) -> Loss:  # noqa: ARG002
        """Return the mean cross-entropy in nats of `targets`, (batch, time), after `tokens`."""
        logits = self(batch["tokens"])
        loss = functional.cross_entropy(logits.flatten(0, 1).float(), batch["targets"].flatten())
        return Loss(loss, {})
