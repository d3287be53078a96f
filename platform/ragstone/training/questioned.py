"""Questions that answers are measured by, found in texts: what holds one is not learnt from."""

from __future__ import annotations

from collections.abc import Iterable

from ragstone.text import WORD

_FIRST = 5  # words that a question is looked up by; shorter ones are too common to be a leak


class Questions:
    """Finds any of many questions in a text, by their words."""

    def __init__(self, questions: Iterable[str]) -> None:
        self._by_first: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
        for question in questions:
            words = _words(question)
            if len(words) >= _FIRST:
                self._by_first.setdefault(words[:_FIRST], []).append(words)

    def asked_in(self, text: str) -> bool:
        """Say whether the words of a question stand in `text`, one after the other."""
        if not self._by_first:
            return False
        words = _words(text)
        return any(
            words[at : at + len(question)] == question
            for at in range(len(words) - _FIRST + 1)
            for question in self._by_first.get(words[at : at + _FIRST], ())
        )


def _words(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(text.lower()))
