"""Do the passages answer the question, and where? A reader decides, or else the best sentence.

A reader finds answers to questions. What is asked for in other words ("frost granite", "Describe
…") has no answer in its sense: there, and without a reader, sentences are compared with what is
asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from math import log
from weakref import ref

from ragstone.config import GenerationSettings
from ragstone.encoders.base import TextEncoder
from ragstone.encoders.readers import Reader, Span, find_reader, logistic
from ragstone.generation.base import Passage
from ragstone.generation.ranking import Ranked, rank

# The best sentence's score at which on-topic and off-topic questions part, and how sharply:
# measured on SQuAD 2, SQuADShifts and Cranfield (benchmarks/evidence.py).
_EVEN, _STEEPNESS = 0.38, 12.0
# So many passages are read first; the rest only when none of these is sure to answer.
_FIRST, _SURE = 3, 0.8
_PRIOR = 1.0  # of the logarithm of a passage's rank, taken off what the reader says of it
_ASKING = re.compile(
    r"\?\s*$|^\W*(?:(?:in|on|at|for|from|to|by|of|with|about|under|during|after|since) )?"
    r"(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|has|have|had|"
    r"can|could|will|would|should|may)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a reader takes for the answer: `passage.text[start:end]`.

    Parameters
    ----------
    chance
        That it is one, 0..1.
    """

    passage: Passage
    start: int
    end: int
    chance: float

    @property
    def text(self) -> str:
        """Verbatim, on one line."""
        return " ".join(self.passage.text[self.start : self.end].split())


@dataclass(frozen=True, slots=True)
class Evidence:
    """Whether passages answer a question.

    Parameters
    ----------
    chance
        That they do, 0..1.
    found
        What a reader found, the likeliest first, one of each passage that it read; empty where none
        read.
    ranked
        The sentences, best first; empty where a reader read.
    """

    chance: float
    found: tuple[Found, ...]
    ranked: tuple[Ranked, ...]


def reader_for(settings: GenerationSettings) -> Reader | None:
    """Return the reader that the settings name; None where they name none, or none ships.

    Raises
    ------
    ReaderUnavailable
        It is not on this machine, or is of another kind.
    """
    return find_reader(settings.reader)


def weigh(
    question: str,
    passages: tuple[Passage, ...],
    encoder: TextEncoder,
    reader: Reader | None = None,
) -> Evidence:
    """Return what `passages`, best first, say to `question`.

    Raises
    ------
    ReaderUnavailable
        The reader's weights cannot be loaded.
    """
    if reader is not None and passages and _ASKING.search(question):
        return _read(question, passages, reader)
    ranked = rank(question, passages, encoder)
    score = ranked[0].score if ranked else 0.0
    chance = round(logistic(_STEEPNESS * (score - _EVEN)), 4) if ranked else 0.0
    return Evidence(chance, (), ranked)


# What is asked for and the generator ask for the same question and passages: read them once. A
# reader that was trained again is let go, which what it read is no reason against.
@lru_cache(maxsize=8)
def _remembered(
    question: str, passages: tuple[Passage, ...], reader: ref[Reader]
) -> tuple[Found, ...]:
    asked = reader()
    assert asked is not None  # the caller has it
    spans: list[Span] = []
    for begin, end in ((0, _FIRST), (_FIRST, len(passages))):
        texts = [passage.text for passage in passages[begin:end]]
        spans += asked.read(question, texts) if texts else []
        if any(asked.chance(span.score) >= _SURE for span in spans):
            break
    marked = [
        (span.score - _PRIOR * log(passage.number), passage, span)
        for passage, span in zip(passages, spans, strict=False)
        if span.end > span.start
    ]
    marked.sort(key=lambda entry: (-entry[0], entry[1].number))
    return tuple(
        Found(passage, span.start, span.end, round(asked.chance(span.score), 4))
        for _, passage, span in marked
    )


def _read(question: str, passages: tuple[Passage, ...], reader: Reader) -> Evidence:
    found = _remembered(question, passages, ref(reader))
    return Evidence(found[0].chance if found else 0.0, found, ())
