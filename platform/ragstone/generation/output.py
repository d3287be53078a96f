"""What the text of a language model goes through first: stop strings, and a look at it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ragstone.errors import GeneratorNonsense


def readable(pieces: Iterable[str], name: str, stops: Sequence[str]) -> Iterator[str]:
    """Yield the text up to the first of `stops`; pieces that are empty pass through.

    Closing the iterator closes `pieces`.

    Raises
    ------
    GeneratorNonsense
        It has ended without a single letter or digit.
    """
    words = False
    for piece in until(pieces, stops):
        words = words or any(character.isalnum() for character in piece)
        yield piece
    if not words:
        raise GeneratorNonsense(name, "it has not a single word")


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


def _beginning(text: str, stops: Sequence[str]) -> int:
    """Return how many of the last characters of `text` may begin one of `stops`."""
    most = min(len(text), max((len(stop) - 1 for stop in stops), default=0))
    return next((n for n in range(most, 0, -1) if any(s.startswith(text[-n:]) for s in stops)), 0)
