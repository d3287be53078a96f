"""Which words of a text match a query, by the same analysis as the keyword index."""

from __future__ import annotations

from functools import lru_cache

from ragstone.schemas.api import Highlight
from ragstone.storage.keywords import analyzer
from ragstone.text import WORD


def query_terms(query: str) -> list[str]:
    """Return the analysed words of `query`, each once, in order."""
    return list(dict.fromkeys(analyzer().analyze(query)))


class Matches:
    """Finds the words of texts that match `query`; remembers each word it has met."""

    def __init__(self, query: str) -> None:
        self._terms = frozenset(query_terms(query))
        self._known: dict[str, bool] = {}

    def places(self, text: str) -> list[Highlight]:
        """Return where in `text` words match, in order."""
        known, found = self._known, []  # a hot loop: a page of hits has a thousand words
        for match in WORD.finditer(text):
            word = match.group()
            if word not in known:
                known[word] = not self._terms.isdisjoint(_analysed(word))
            if known[word]:
                found.append(Highlight(match.start(), match.end()))
        return found


@lru_cache(maxsize=65_536)
def _analysed(word: str) -> tuple[str, ...]:
    return tuple(analyzer().analyze(word))
