"""Samplers: how the next token is picked from logits, and texts are written token by token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from ragstone.errors import InvalidArgument
from ragstone.models.encdec import EncDec
from ragstone.models.guessing import Lookup
from ragstone.models.language import LanguageModel, Reversible, State

# Logits (vocabulary,) and the `lookup` of the last token (width,) -> logits.
Mixing = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """How a token is picked.

    Parameters
    ----------
    temperature
        Divides the logits; 0: always the likeliest, the first of equal ones.
    top_k
        Only so many, the likeliest; 0: all.
    top_p
        Only the likeliest that have this chance together (Holtzman and others 2020).
    min_p
        Only those with this part of the chance of the likeliest (Nguyen and others 2024).
    repetition_penalty
        Divides the positive logits of tokens that were there, multiplies negative ones (Keskar and
        others 2019); 1: none.

    Raises
    ------
    InvalidArgument
        A number is out of its range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("temperature", 0, 100),
            ("top_k", 0, float("inf")),
            ("top_p", 0, 1),
            ("min_p", 0, 1),
            ("repetition_penalty", 0.01, 100),
        ):
            if not low <= getattr(self, name) <= high:
                raise InvalidArgument(name, getattr(self, name), f"between {low} and {high}")

    def pick(self, logits: torch.Tensor, seen: Sequence[int], rng: torch.Generator) -> int:
        """Return a token.

        Parameters
        ----------
        logits
            (vocabulary,).
        seen
            Tokens that were there.
        """
        logits = self._penalised(logits.float().cpu(), seen)
        if self.temperature == 0:
            return int(logits.argmax())
        chances = torch.softmax(self._kept(logits / self.temperature), dim=-1)
        return int(torch.multinomial(chances, 1, generator=rng))

    def _penalised(self, logits: torch.Tensor, seen: Sequence[int]) -> torch.Tensor:
        if self.repetition_penalty == 1 or not seen:
            return logits
        at = torch.tensor(sorted(set(seen)))
        old = logits[at]
        there = torch.where(old > 0, old / self.repetition_penalty, old * self.repetition_penalty)
        return logits.index_copy(0, at, there)

    def _kept(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the logits, -inf where a token must not be picked."""
        chances, order = torch.softmax(logits, dim=-1).sort(descending=True, stable=True)
        before = chances.cumsum(0) - chances
        keep = (before < self.top_p) & (chances >= self.min_p * chances[0])
        if self.top_k:
            keep[self.top_k :] = False
        keep[0] = True
        return logits.index_fill(0, order[~keep], -torch.inf)


@torch.inference_mode()
def write(
    model: LanguageModel,
    prompt: Sequence[int],
    sampler: Sampler,
    mixing: Mixing | None = None,
    *,
    guessing: bool = True,
) -> Iterator[int]:
    """Yield tokens that follow `prompt`, without end.

    When a model has no more room it goes on from the last half of what it can read.

    Parameters
    ----------
    guessing
        Read guesses at the next tokens together with the last one, where the model can take them
        back. Each token is picked as without, with the same chance; only so many at once that the
        rounding of sums may differ.

    Raises
    ------
    InvalidArgument
        The prompt is empty.
    """
    if not prompt:
        raise InvalidArgument("prompt", "", "at least one token")
    rng = torch.Generator().manual_seed(sampler.seed)
    tokens = list(prompt)
    state, fresh = model.new_state(1), tokens[-model.config.context :]
    lookup = Lookup(tokens) if guessing and isinstance(state, Reversible) else None
    while True:
        if state.room is not None and state.room < len(fresh):
            state, fresh = model.new_state(1), tokens[-max(1, model.config.context // 2) :]
        guess: Sequence[int] = ()
        if lookup is not None and state.room is not None:
            guess = lookup.guess(state.room - len(fresh))
        logits = _logits(model, [*fresh, *guess], state, mixing, 1 + len(guess))
        right = 0
        for number, own in enumerate(logits):
            token = sampler.pick(own, tokens, rng)
            tokens.append(token)
            if lookup is not None:
                lookup.add(token)
            yield token
            if number == len(guess) or token != guess[number]:
                break
            right += 1
        if lookup is not None and isinstance(state, Reversible) and guess:
            lookup.judge(len(guess), right)
            state.take_back(len(guess) - right)
        fresh = tokens[-1:]


def _logits(
    model: LanguageModel, tokens: list[int], state: State, mixing: Mixing | None, last: int
) -> Iterator[torch.Tensor]:
    """Read tokens; yield the logits (vocabulary,) after each of the `last` ones."""
    device = next(model.parameters()).device
    states = model.read(torch.tensor([tokens], device=device), state)[0, -last:]
    for number, logits in enumerate(model.predict(states)):
        if mixing is not None and state.lookup is not None:
            yield mixing(logits, state.lookup[0, number - last])
        else:
            yield logits


@torch.inference_mode()
def write_for(
    model: EncDec, source: torch.Tensor, lengths: torch.Tensor, end: int, sampler: Sampler
) -> list[int]:
    """Return tokens that are written for one text, without the end, up to the model's context.

    Parameters
    ----------
    source, lengths
        As `EncDec.encode` takes them, int64 (1, source) and (1,).
    end
        The token that a text begins with and ends before.
    """
    rng = torch.Generator().manual_seed(sampler.seed)
    cache = model.new_cache(1, model.config.context)
    encoded = model.encode(source, lengths).repeated(1, cache)
    written: list[int] = []
    token = end
    while cache.room > 1:  # what is written leaves room for its end
        states = model.read(source.new_tensor([[token]]), encoded)
        token = sampler.pick(model.predict(states[0, -1]), written, rng)
        if token == end:
            break
        written.append(token)
    return written
