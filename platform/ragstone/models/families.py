"""All families by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ragstone.errors import InvalidArgument
from ragstone.models.base import Config
from ragstone.models.gpt import GPT, GPTConfig
from ragstone.models.language import LanguageModel
from ragstone.models.recurrent import GRU, LSTM, GRUConfig, LSTMConfig


@dataclass(frozen=True, slots=True)
class Family:
    """A family's settings and its network."""

    config: type[Config]
    build: Callable[[Any], LanguageModel]
    about: str


FAMILIES = {
    "gpt": Family(GPTConfig, GPT, "Transformer that reads from left to right."),
    "lstm": Family(LSTMConfig, LSTM, "Recurrent network with long short-term memory."),
    "gru": Family(GRUConfig, GRU, "Recurrent network of gated units."),
}


def family(name: str) -> Family:
    """Return the family called `name`.

    Raises
    ------
    InvalidArgument
        There is none.
    """
    try:
        return FAMILIES[name]
    except KeyError:
        expected = "one of " + ", ".join(FAMILIES)
        raise InvalidArgument("family", name, expected) from None
