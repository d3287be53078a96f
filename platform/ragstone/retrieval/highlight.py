"""Which words of a text match a query, by the same analysis as the keyword index."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ragstone.schemas.api import Highlight
from ragstone.storage.keywords import analyzer
from ragstone.text import word_spans

_MAX_WORDS = 1_000  # in a text; a chunk has a few hundred


def query_terms(query: str) -> list[str]:
    """Return the analysed words of `query`, each once, in order."""
    return list(dict.fromkeys(analyzer().analyze(query)))


def highlights(text: str, terms: Sequence[str]) -> list[Highlight]:
    """Return the places in `text` of words whose analysed form is in `terms`."""
    wanted = frozenset(terms)
    found = []
    for number, (start, end) in enumerate(word_spans(text)):
        if number == _MAX_WORDS:
            break
        if not wanted.isdisjoint(_analysed(text[start:end])):
            found.append(Highlight(start, end))
    return found


@lru_cache(maxsize=65_536)
def _analysed(word: str) -> tuple[str, ...]:
    return tuple(analyzer().analyze(word))
