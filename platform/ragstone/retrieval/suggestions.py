"""Did you mean: for a word that no text has, the nearest ones that some have."""

from __future__ import annotations

from collections.abc import Sequence

from ragstone.retrieval.queries import Asked
from ragstone.schemas.api import Suggestion
from ragstone.storage.analysis import unspaced
from ragstone.storage.keyword_index import KeywordIndex, NearTerm
from ragstone.text import WORD

_SHORTEST = 4  # letters; nearly everything is near a shorter word
_TWO_FROM = 6  # letters from which on two may differ
_LOOKED_UP = 50  # words of a query
_MOST_WORDS = 3  # that something is suggested for
_MOST_NEAR = 12  # terms looked at for each
_SHOWN = 3


def suggestions(asked: Asked, *indexes: KeywordIndex) -> list[Suggestion]:
    """Return what may have been meant by the words of a query that no text of any index has."""
    found = []
    for word in list(dict.fromkeys(WORD.findall(asked.spelled)))[:_LOOKED_UP]:
        missing = [(i, term) for i in indexes if (term := _missing(word, i)) is not None]
        if len(missing) < len(indexes):
            continue
        near = _near(word.lower(), missing)
        if near:
            found.append(Suggestion(word, near))
        if len(found) == _MOST_WORDS:
            break
    return found


def _missing(word: str, index: KeywordIndex) -> str | None:
    """Return the term of `word` when it is a word that no text has."""
    if len(word) < _SHORTEST or not word.isalpha() or unspaced(word):
        return None
    terms = [term for analysis in index.analyses for term in analysis.terms(word)]
    return terms[0] if terms and not any(map(index.holds, terms)) else None


def _near(word: str, missing: Sequence[tuple[KeywordIndex, str]]) -> list[str]:
    near: list[NearTerm] = []
    for distance in (1, 2) if len(word) >= _TWO_FROM else (1,):
        near = near or [n for i, term in missing for n in i.near(term, distance, _MOST_NEAR)]
    near.sort(key=lambda one: (one.distance, one.word[0] != word[0], -one.chunks, one.word))
    return list(dict.fromkeys(one.word for one in near))[:_SHOWN]
