"""Does a passage say what a sentence of an answer says? What its words tell, without a model.

A sentence taken over word for word is supported by itself. Any other needs a quote that has its
numbers, that is negated when it is negated, and that has most of its content words; and the passage
must know its names. Words in a different order look the same: "A beats B" and "B beats A".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ragstone.generation.base import Passage
from ragstone.generation.sentences import sentences
from ragstone.generation.words import names, negated, numbers, stems

SUPPORTED = 0.75  # share of the claim's content words that a quote must have
_CONTRADICTED = 0.5  # best mark of a quote with other numbers, names or negation
_WIDER = 0.1  # what a second sentence must add to be quoted with the first


@dataclass(frozen=True, slots=True)
class Support:
    """The stretch of a passage that supports a claim best."""

    passage: Passage
    start: int  # in the passage's text
    end: int
    score: float  # 0..1
    exact: bool = False  # the claim stands there word for word

    @property
    def quote(self) -> str:
        """Verbatim."""
        return self.passage.text[self.start : self.end]


def find_support(claim: str, passage: Passage) -> Support:
    """Return the quote of `passage` that supports `claim` best, one or two sentences long.

    A score of `SUPPORTED` or more means that it does; the claim verbatim, as whole sentences,
    scores 1.
    """
    verbatim = _verbatim(claim, passage)
    if verbatim is not None:
        return Support(passage, *verbatim, 1.0, exact=True)
    best, best_rank = Support(passage, 0, 0, 0.0), 0.0
    claimed = _Facts.of(claim)
    background = frozenset(stems(passage.title))
    known = background | frozenset(stems(passage.text))
    for start, end, width in _windows(passage):
        score = _score(claimed, _Facts.of(passage.text[start:end]), background, known)
        rank = score - _WIDER * (width - 1)
        if rank > best_rank:
            best, best_rank = Support(passage, start, end, score), rank
    return best


@dataclass(frozen=True, slots=True)
class _Facts:
    words: frozenset[str]
    numbers: frozenset[str]
    names: frozenset[str]
    negated: bool

    @classmethod
    def of(cls, text: str) -> _Facts:
        return cls(frozenset(stems(text)), numbers(text), names(text), negated(text))


def _score(
    claim: _Facts, quote: _Facts, background: frozenset[str], known: frozenset[str]
) -> float:
    if not claim.words or not claim.words & quote.words:
        return 0.0
    covered = claim.words & (quote.words | background)
    share = len(covered) / len(claim.words)
    agree = (
        claim.numbers <= quote.numbers and claim.names <= known and claim.negated == quote.negated
    )
    return share if agree else min(share, _CONTRADICTED)


def _windows(passage: Passage) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, sentences) of each sentence and each pair of neighbours."""
    found = sentences(passage)
    for index, sentence in enumerate(found):
        yield sentence.start, sentence.end, 1
        if index + 1 < len(found):
            yield sentence.start, found[index + 1].end, 2


def _verbatim(claim: str, passage: Passage) -> tuple[int, int] | None:
    """Find the claim, white space aside, as one or more whole sentences of the passage."""
    words = claim.split()
    if not words:
        return None
    starts = {sentence.start for sentence in sentences(passage)}
    ends = {sentence.end for sentence in sentences(passage)}
    for match in re.finditer(r"\s+".join(map(re.escape, words)), passage.text):
        if match.start() in starts and match.end() in ends:
            return match.span()
    return None
