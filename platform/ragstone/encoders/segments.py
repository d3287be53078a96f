"""Cutting the tokens of one window of speech into segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_STEPS_PER_SECOND = 50
# A network that finishes nothing within a second has lost the thread. Following its times then
# would read the same window over and over.
_PROGRESS = _STEPS_PER_SECOND


@dataclass(frozen=True, slots=True)
class Cut:
    """Tokens of words between two times, in steps of 20 ms from the window's begin."""

    start: int
    end: int
    tokens: tuple[int, ...]


def cut(tokens: Sequence[int], first_time: int, limit: int) -> tuple[list[Cut], int]:
    """Return the finished segments of a window, and the step up to which it has been read.

    A time closes the words before it and opens those after it. Words without a closing time were
    cut off by the window's end: they are read again, whole, by the next window. Where a second
    time follows the last one, a segment began that the window does not hold; where none follows,
    nothing more is said.

    Parameters
    ----------
    tokens
        What the network wrote, without its prompt and end.
    first_time
        Token of the time 0; each token above it is a step later, each below it a word.
    limit
        Steps of sound in the window.
    """
    cuts: list[Cut] = []
    words: list[int] = []
    time, opened = 0, False
    for token in tokens:
        if token < first_time:
            words.append(token)
            continue
        begin, time = time, max(time, min(token - first_time, limit))
        opened = not words
        if words:
            if begin < limit:  # else it was heard in what fills the window up
                cuts.append(Cut(begin, time, tuple(words)))
            words = []
    end = cuts[-1].end if cuts else 0
    if not words:
        return cuts, time if cuts and opened and time >= _PROGRESS else limit
    if end >= _PROGRESS:
        return cuts, end
    return ([*cuts, Cut(time, limit, tuple(words))] if time < limit else cuts), limit
