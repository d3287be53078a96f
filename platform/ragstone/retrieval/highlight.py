"""Which words of a text match a query, by the same analysis as the keyword index."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ragstone.schemas.api import Highlight
from ragstone.storage.analysis import Analysis, has_unspaced
from ragstone.text import WORD, Span


class Matches:
    """Finds the words of texts that become one of `terms`."""

    def __init__(self, terms: set[str]) -> None:
        self._terms = terms

    def places(self, texts: Sequence[str], analysis: Analysis) -> list[list[Highlight]]:
        """Return where in each of `texts`, all analysed alike, words match, in order."""
        paired = [analysis.pairs and has_unspaced(text) for text in texts]
        spaced = [text for text, pairs in zip(texts, paired, strict=True) if not pairs]
        # Of all texts at once: a hit has a hundred words, and two or three that match.
        words = set(WORD.findall("\n".join(spaced)))
        matching = words & _VOCABULARIES[analysis].forms(analysis, words, self._terms)
        return [
            self._in_pairs(text, analysis) if pairs else _marked(text, matching)
            for text, pairs in zip(texts, paired, strict=True)
        ]

    def _in_pairs(self, text: str, analysis: Analysis) -> list[Highlight]:
        placed = (t for t in analysis.placed(text) if t.text in self._terms)
        return [Highlight(*span) for span in _joined((t.start, t.end) for t in placed)]


class _Vocabulary:
    """Words that were met, by their analysed forms: a word is analysed once per process."""

    def __init__(self) -> None:
        self._met: set[str] = set()
        self._forms: dict[str, set[str]] = {}  # analysed form -> words
        self._changing = threading.Lock()

    def forms(self, analysis: Analysis, words: set[str], terms: set[str]) -> set[str]:
        """Return the words met so far, `words` among them, whose analysed form is in `terms`."""
        with self._changing:
            if len(self._met) > _MOST_WORDS:
                self._met, self._forms = set(), {}
            fresh = words - self._met
            for word in fresh:
                for form in analysis.terms(word):
                    self._forms.setdefault(form, set()).add(word)
            self._met |= fresh
            return set().union(*(self._forms.get(term, ()) for term in terms))


_MOST_WORDS = 500_000
_VOCABULARIES: defaultdict[Analysis, _Vocabulary] = defaultdict(_Vocabulary)


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Return `spans`, in their order, with those joined that overlap or touch."""
    found: list[Span] = []
    for start, end in spans:
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _marked(text: str, words: Iterable[str]) -> list[Highlight]:
    found = [place for word in words for place in _occurrences(text, word)]
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
