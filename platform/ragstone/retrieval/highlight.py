"""Which words of a text match a query, by the same analysis as the keyword index."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from ragstone.schemas.api import Highlight
from ragstone.storage.keywords import analyzer
from ragstone.text import WORD, Span


def query_terms(query: str) -> list[str]:
    """Return the analysed words of `query`, each once, in order."""
    return list(dict.fromkeys(analyzer().analyze(query)))


class Matches:
    """Finds the words of texts that match `query`; remembers each word it has met."""

    def __init__(self, query: str) -> None:
        self._terms = frozenset(query_terms(query))
        self._met: set[str] = set()
        self._matching: set[str] = set()

    def places(self, text: str) -> list[Highlight]:
        """Return where in `text` words match, in order."""
        words = set(WORD.findall(text))  # a hit has a hundred words, and two or three that match
        for word in words - self._met:
            if not self._terms.isdisjoint(_analysed(word)):
                self._matching.add(word)
        self._met |= words
        found = [place for word in words & self._matching for place in _occurrences(text, word)]
        return [Highlight(start, end) for start, end in sorted(found)]


def _occurrences(text: str, word: str) -> Iterator[Span]:
    """Yield where `word` stands in `text` as a whole word."""
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if not (_in_word(text[start - 1 : start]) or _in_word(text[end : end + 1])):
            yield start, end
        start = text.find(word, end)


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


@lru_cache(maxsize=65_536)
def _analysed(word: str) -> tuple[str, ...]:
    return tuple(analyzer().analyze(word))
