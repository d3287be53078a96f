"""What the text of a language model goes through first: stop strings, thoughts, a look at it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ragstone.errors import GeneratorNonsense

THINK, THOUGHT = "<think>", "</think>"  # around what a model thinks; no part of its answer


class Spoken:
    """Takes the thoughts out of a text that is still being written.

    What `feed` and `rest` return is the text without what stands between `<think>` and `</think>`;
    each tag becomes a line break, so that the sentences around a thought do not run together. A
    thought without an end goes to the end of the text, an end without a beginning is left out.
    """

    def __init__(self) -> None:
        self._held = ""  # may be the beginning of a tag
        self.thinking = False

    def feed(self, piece: str) -> str:
        """Take the next piece of the text, and return what it adds to what is said."""
        self._held += piece
        said: list[str] = []
        while found := self._tag():
            before, _, self._held = self._held.partition(found)
            said += [] if self.thinking else [before]
            said.append("\n")
            self.thinking = found == THINK
        ready = len(self._held) - _beginning(self._held, self._tags())
        said += [] if self.thinking else [self._held[:ready]]
        self._held = self._held[ready:]
        return "".join(said)

    def rest(self) -> str:
        """Return what was held back, when the text has ended."""
        held, self._held = self._held, ""
        return "" if self.thinking else held

    def _tags(self) -> tuple[str, ...]:
        return (THOUGHT,) if self.thinking else (THINK, THOUGHT)

    def _tag(self) -> str:
        """Return the first tag in what is held; empty when there is none."""
        there = [tag for tag in self._tags() if tag in self._held]
        return min(there, key=self._held.index, default="")


def readable(pieces: Iterable[str], name: str, stops: Sequence[str]) -> Iterator[str]:
    """Yield the text up to the first of `stops`; pieces that are empty pass through.

    Thoughts are left in it, for the record. Closing the iterator closes `pieces`.

    Raises
    ------
    GeneratorNonsense
        It has ended without a single letter or digit, thoughts aside.
    """
    words, spoken = False, Spoken()
    for piece in until(pieces, stops):
        words = words or _has_word(spoken.feed(piece))
        yield piece
    if not (words or _has_word(spoken.rest())):
        thinking = "it ended in its thoughts; a larger generation.max_new_tokens leaves room"
        raise GeneratorNonsense(name, thinking if spoken.thinking else "it has not a single word")


def until(pieces: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """Yield the text up to the first of `stops`, which itself is left out.

    What may be the beginning of one is held back until it is known.
    """
    held = ""
    try:
        for piece in pieces:
            held += piece
            places = [held.find(stop) for stop in stops if stop in held]
            if places:
                yield held[: min(places)]
                return
            ready = len(held) - _beginning(held, stops)
            yield held[:ready]
            held = held[ready:]
        yield held
    finally:
        close = getattr(pieces, "close", None)  # a list has nothing to stop
        if close is not None:
            close()


def _has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _beginning(text: str, stops: Sequence[str]) -> int:
    """Return how many of the last characters of `text` may begin one of `stops`."""
    most = min(len(text), max((len(stop) - 1 for stop in stops), default=0))
    return next((n for n in range(most, 0, -1) if any(s.startswith(text[-n:]) for s in stops)), 0)
