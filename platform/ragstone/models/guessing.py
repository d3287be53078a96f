"""Guesses at the next tokens: what followed the last few of them where they stood before.

Prompt lookup decoding (Saxena, 2023): a text that repeats its prompt, as answers repeat what was
retrieved, is guessed right for long stretches, and a network checks a stretch in one pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_LONGEST, _SHORTEST = 8, 3  # tokens that are looked for, the longest first
_FIRST, _MOST = 4, 32  # tokens of a guess: at first, and after many right ones


class Lookup:
    """Remembers where each few tokens stood last.

    Guesses grow while they are right and shrink while they are wrong, down to none for a while:
    each costs a little, also where nothing repeats.
    """

    def __init__(self, tokens: Iterable[int] = ()) -> None:
        self._tokens: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}  # where what follows them begins
        self._size, self._waiting = _FIRST, 0
        for token in tokens:
            self.add(token)

    def add(self, token: int) -> None:
        """Take up the next token."""
        # Those that end before it have a continuation now.
        for length in range(_SHORTEST, _LONGEST + 1):
            if len(self._tokens) >= length:
                self._after[tuple(self._tokens[-length:])] = len(self._tokens)
        self._tokens.append(token)

    def guess(self, most: int) -> Sequence[int]:
        """Return up to `most` tokens that may follow; none where nothing like it was there."""
        if self._waiting:
            self._waiting -= 1
            return ()
        for length in range(_LONGEST, _SHORTEST - 1, -1):
            begin = self._after.get(tuple(self._tokens[-length:]))
            if begin is not None and len(self._tokens) >= length:
                return self._tokens[begin : begin + min(most, self._size)]
        return ()

    def judge(self, guessed: int, right: int) -> None:
        """Learn how many tokens of a guess were right."""
        if right == guessed:
            self._size = min(_MOST, 2 * self._size)
        elif 2 * right < guessed:
            self._size //= 2
            if self._size == 0:
                self._size, self._waiting = 1, _MOST
