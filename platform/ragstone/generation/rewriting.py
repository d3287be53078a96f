"""A question that leans on those before it, made one that stands alone: by a language model.

    prompt → first line of what it writes → guard → the question that is searched

Where the model fails, takes too long, or writes what the guard refuses, the rules of `followup` do
it; who did, and why not the model, is kept with the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ragstone.errors import RagstoneError
from ragstone.generation.base import Generator, Prompt, Sampling
from ragstone.generation.followup import Turn, self_contained
from ragstone.generation.output import Spoken
from ragstone.generation.plain import plain
from ragstone.generation.prompts import FOLLOWUP, followup_prompt
from ragstone.generation.watching import watched
from ragstone.generation.words import names, numbers, stems

if TYPE_CHECKING:
    from ragstone.config import GenerationSettings

_LONGEST = 300  # characters of what a question becomes, or twice those that it has
# What models like to put around their answer.
_LABEL = re.compile(r"^(?:(?:rewritten|standalone)\s+)?question\s*:\s*", re.IGNORECASE)
_QUOTES = "\"'“”‘’«»`*"


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A question that stands alone, and who made it so."""

    question: str
    by: Literal["rules", "model"]
    template: str = ""  # digest; empty: no model was asked
    prompt: str = ""
    raw: str = ""  # as the model wrote it, as far as it was read
    problem: str = ""  # why the question is not the model's


def rewritten(
    question: str, turns: Sequence[Turn], writer: Generator | None, settings: GenerationSettings
) -> Rewritten:
    """Return `question` so that it can be read without `turns`, the newest of which comes first.

    Parameters
    ----------
    writer
        A language model; None: the rules do it.
    """
    by_rules = Rewritten(self_contained(question, turns), "rules")
    if writer is None:
        return by_rules
    attempt = _Attempt(question, turns, writer, settings)
    try:
        said = attempt.run()
    except RagstoneError as error:
        problem = f"{error.message} ({error.code})"
    else:
        problem = refusal(said, question, turns)
        if not problem:
            return replace(attempt.kept(by_rules), question=said, by="model")
    return replace(attempt.kept(by_rules), problem=problem)


class _Attempt:
    """One try of a model; what it got and wrote is there also when it fails."""

    def __init__(
        self, question: str, turns: Sequence[Turn], writer: Generator, settings: GenerationSettings
    ) -> None:
        self._question, self._turns = question, turns
        self._writer, self._settings = writer, settings
        self._prompt: Prompt | None = None
        self._raw: list[str] = []

    def run(self) -> str:
        """Return the first line that the model writes, thoughts aside.

        The text is read by the character, so that where it is broken off does not depend on the
        pieces it comes in.
        """
        longest = min(self._settings.max_new_tokens, max(1, self._writer.context_length // 2))
        self._prompt = self._fitting(self._writer.context_length - longest)
        # The likeliest words, whatever the temperature of answers: the question is not to wander.
        sampling = Sampling(longest, 0.0, self._settings.seed, self._settings.stop)
        seconds = self._settings.rewrite_seconds
        most = most_characters(self._question) + len(_QUOTES)
        spoken, said = Spoken(), ""
        with closing(watched(self._writer, self._prompt, sampling, seconds)) as pieces:
            for character in (one for piece in pieces for one in piece):
                self._raw.append(character)
                said = (said + spoken.feed(character)).lstrip()
                if "\n" in said or len(said) > most:
                    break
            else:
                said = (said + spoken.rest()).lstrip()
        return _bare(said.partition("\n")[0])

    def kept(self, outcome: Rewritten) -> Rewritten:
        """Return `outcome` with what the model got and wrote."""
        if self._prompt is None:
            return outcome
        raw = "".join(self._raw)
        return replace(outcome, template=FOLLOWUP.digest, prompt=self._prompt.text, raw=raw)

    def _fitting(self, room: int) -> Prompt:
        """Return the prompt with as many of the turns, the newest first, as there is room for.

        With less than the last one there is nothing to rewrite by: then the last one alone goes in,
        and the model says itself that it does not fit.
        """
        for count in range(len(self._turns), 1, -1):
            prompt = followup_prompt(self._question, self._turns[:count])
            if self._writer.count_tokens(prompt) <= room:
                return prompt
        return followup_prompt(self._question, self._turns[:1])


def refusal(said: str, question: str, turns: Sequence[Turn]) -> str:
    """Say why a model's question is not taken; empty: it may be.

    Its names and numbers have to be in the question or the conversation, and those of the question
    in it; it may be neither empty nor much longer than a question is.
    """
    if not any(character.isalnum() for character in said):
        return "the model's question is empty"
    most = most_characters(question)
    if len(said) > most:
        return f"the model's question is longer than {most} characters"
    told = [question, *(text for turn in turns for text in (turn.question, turn.answer))]
    known = {stem for text in told for stem in stems(text)}
    figures = frozenset().union(*map(numbers, told))
    # The first word of a sentence is no name for its capital; here it might be one that is new.
    strange = (names(f"Asked {said}") - known) | (numbers(said) - figures)
    if strange:
        return f"the model's question brings in {', '.join(sorted(strange))}"
    lost = (names(question) - set(stems(said))) | (numbers(question) - numbers(said))
    if lost:
        return f"the model's question leaves out {', '.join(sorted(lost))}"
    asked = set(stems(question))
    if asked and asked.isdisjoint(stems(said)):
        return "the model's question has no word of the one that was asked"
    return ""


def most_characters(question: str) -> int:
    """Return how long a model's question may be."""
    return max(_LONGEST, 2 * len(question))


def _bare(line: str) -> str:
    """Return the line without label, quotes and links."""
    return plain(_LABEL.sub("", line.strip().strip(_QUOTES)).strip().strip(_QUOTES))
