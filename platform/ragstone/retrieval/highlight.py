"""Which words of a text match a query, by the same analysis as the keyword index."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from ragstone.schemas.api import Highlight
from ragstone.storage.keyword_segments import analyzer
from ragstone.text import WORD, Span


def query_terms(query: str) -> list[str]:
    """Return the analysed words of `query`, each once, in order."""
    return list(dict.fromkeys(analyzer().analyze(query)))


class Matches:
    """Finds the words of texts that match `query`."""

    def __init__(self, query: str) -> None:
        self._terms = query_terms(query)

    def places(self, text: str) -> list[Highlight]:
        """Return where in `text` words match, in order."""
        words = set(WORD.findall(text))  # a hit has a hundred words, and two or three that match
        matching = words & _VOCABULARY.forms(words, self._terms)
        found = [place for word in matching for place in _occurrences(text, word)]
        return [Highlight(start, end) for start, end in sorted(found)]


class _Vocabulary:
    """Words that were met, by their analysed forms: a word is analysed once per process."""

    def __init__(self) -> None:
        self._met: set[str] = set()
        self._forms: dict[str, set[str]] = {}  # analysed form -> words
        self._changing = threading.Lock()

    def forms(self, words: set[str], terms: list[str]) -> set[str]:
        """Return the words met so far, `words` among them, whose analysed form is in `terms`."""
        with self._changing:
            if len(self._met) > _MOST_WORDS:
                self._met, self._forms = set(), {}
            for word in words - self._met:
                for form in analyzer().analyze(word):
                    self._forms.setdefault(form, set()).add(word)
            self._met |= words
            return set().union(*(self._forms.get(term, ()) for term in terms))


_MOST_WORDS = 500_000
_VOCABULARY = _Vocabulary()


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
