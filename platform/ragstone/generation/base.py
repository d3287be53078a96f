"""What a generator is to the rest of the platform."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Passage:
    """A numbered source in a prompt; `text` is verbatim from the item at `start`."""

    number: int  # from 1, as cited: [1]
    chunk_id: str
    item_id: str
    source: str
    title: str
    page: int | None
    text: str
    start: int  # of the text in the item's text, in code points
    from_ms: int | None = None  # when it is heard, in a recording
    to_ms: int | None = None
    modality: str = "text"  # of the chunk: an image has its caption, a recording what is said


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question with its passages, and the chat messages made of them."""

    template: str  # name and revision of the template that wrote the messages
    question: str
    passages: tuple[Passage, ...]
    system: str
    user: str

    @property
    def text(self) -> str:
        """System and user message in one, for models without a chat template."""
        return f"{self.system}\n\n{self.user}"


PULSE_SECONDS = 0.2  # after so long at the latest a stream yields something, if only nothing


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a language model picks its tokens, and where it ends."""

    max_new_tokens: int = 256
    temperature: float = 0.0  # 0: always the most likely token
    seed: int = 0
    stop: tuple[str, ...] = ()  # strings that end the answer, and are no part of it


class Generator(Protocol):
    """Writes an answer to a prompt, piece by piece."""

    @property
    def id(self) -> str:
        """As chosen in settings and stored with answers: `extractive`, `hf:NAME`."""
        ...

    @property
    def context_length(self) -> int:
        """Tokens that prompt and answer may have together."""
        ...

    def count_tokens(self, prompt: Prompt) -> int:
        """Return the tokens of `prompt` as this generator reads it, its chat template included."""
        ...

    def stream(self, prompt: Prompt, sampling: Sampling) -> Iterator[str]:
        """Yield the answer's text in pieces; cite passages as [1].

        What a model thinks before it answers stands between `<think>` and `</think>`.
        While it waits for a model it yields empty pieces, `PULSE_SECONDS` apart, so that whoever
        asked can stop it or run out of patience; closing the iterator stops the model.
        """
        ...


@runtime_checkable
class Batching(Protocol):
    """A generator that writes the answers to several prompts at once."""

    def stream_many(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Iterator[str]]:
        """Return for each prompt what `stream` does, with the same text and errors.

        All are written when the first of them is read; closing that one before its text is there
        stops all.
        """
        ...


@runtime_checkable
class Weighted(Protocol):
    """A generator with weights of its own, which decide what it writes."""

    @property
    def digest(self) -> str:
        """SHA-256 of all files that decide what it writes, in hex."""
        ...


def model_digest(generator: Generator) -> str:
    """Return the digest of a generator's weights; empty for one that has none, or far away."""
    return generator.digest if isinstance(generator, Weighted) else ""
