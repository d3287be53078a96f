"""How well each sentence of the passages answers the question."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from ragstone.encoders.base import TextEncoder
from ragstone.generation.base import Passage
from ragstone.generation.sentences import Sentence, sentences
from ragstone.generation.words import Weights, stems

# Meaning and words fail on different questions. On SQuAD 2, SQuADShifts and Cranfield the blend
# keeps more off-topic questions out than either, and picks the right sentence more often;
# benchmarks/evidence.py prints the table.
SIMILARITY_WEIGHT = 0.6


@dataclass(frozen=True, slots=True)
class Ranked:
    """A sentence and its marks, each 0..1."""

    sentence: Sentence
    similarity: float  # cosine of sentence and question, not below 0
    coverage: float  # share of the question's words, weighted by rarity, in sentence or title

    @property
    def score(self) -> float:
        """The blend of both."""
        return SIMILARITY_WEIGHT * self.similarity + (1 - SIMILARITY_WEIGHT) * self.coverage


def rank(question: str, passages: tuple[Passage, ...], encoder: TextEncoder) -> tuple[Ranked, ...]:
    """Return all sentences of `passages` with their marks, best first.

    Sentences of equal score keep the order of their passages. Rarity is counted over the
    sentences at hand; a word of the question that is in none of them weighs most.
    """
    # mypy does not believe that an object behind a protocol can be hashed.
    return _remembered(question, passages, cast("Hashable", encoder))


# Evidence and the extractive reader ask for the same question and passages: encode them once.
@lru_cache(maxsize=8)
def _remembered(
    question: str, passages: tuple[Passage, ...], encoder: Hashable
) -> tuple[Ranked, ...]:
    found = [sentence for passage in passages for sentence in sentences(passage)]
    if not found:
        return ()
    similarities = _similarities(question, found, cast("TextEncoder", encoder))
    words = [stems(sentence.text) for sentence in found]
    titles = {passage.title: stems(passage.title) for passage in passages}
    weights, wanted = Weights(words), stems(question)
    ranked = [
        Ranked(
            sentence,
            similarity,
            weights.coverage(wanted, [*own, *titles[sentence.passage.title]]),
        )
        for sentence, own, similarity in zip(found, words, similarities, strict=True)
    ]
    return tuple(sorted(ranked, key=lambda entry: -entry.score))


def _similarities(question: str, found: Sequence[Sentence], encoder: TextEncoder) -> list[float]:
    """Cosines with the question, cut to 0..1."""
    texts = encoder.encode_documents([sentence.text for sentence in found])
    cosines = texts @ encoder.encode_queries([question])[0]
    return [min(1.0, max(0.0, float(cosine))) for cosine in cosines]
