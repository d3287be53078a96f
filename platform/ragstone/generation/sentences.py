"""Sentences of a passage, as answers and quotes use them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from ragstone.generation.base import Passage
from ragstone.text import sentence_spans

# A new line of a list or a table ends the sentence before it, and so does a stop that stands free,
# as in old text collections without capitals.
_CUT = re.compile(
    r"\n(?=[ \t]*(?:[-*•‣+|]|\d{1,3}[.)])[ \t]*\S)|\n(?=[ \t]*#{1,6} )|(?<=\s[.!?])\s+(?=\S)"
)
_BULLET = re.compile(r"[ \t]*(?:[-*•‣+][ \t]+|\d{1,3}[.)][ \t]+|#{1,6}[ \t]+)")
_ENDS = re.compile(r"[.!?…。！？][\"'”’)\]」』）]*$")
_WORD = re.compile(r"[^\W\d_]+")
_MIN_WORDS, _MAX_WORDS = 4, 90
_MIN_CLOSED = 3  # words, where a full stop shows that a sentence ends: "Granite resists frost."
_MIN_LETTERS = 0.6  # of the characters that are not white space


@dataclass(frozen=True, slots=True)
class Sentence:
    """A stretch of a passage: `text == passage.text[start:end]`."""

    passage: Passage
    start: int
    end: int

    @property
    def text(self) -> str:
        """Verbatim."""
        return self.passage.text[self.start : self.end]

    @property
    def flat(self) -> str:
        """The text on one line."""
        return " ".join(self.text.split())


@lru_cache(maxsize=256)  # reader, evidence and verification all walk the same few passages
def sentences(passage: Passage) -> tuple[Sentence, ...]:
    """Return the sentences of `passage` in order; lines of lists and tables stand alone."""
    return tuple(
        Sentence(passage, start, end)
        for outer in sentence_spans(passage.text)
        for start, end in _lines(passage.text, *outer)
    )


def complete(sentence: Sentence) -> bool:
    """Tell whether it reads as a sentence: begins and ends like one, and is mostly words.

    Headings, table rows, formulas, code and very short or endless stretches do not.
    """
    text = sentence.flat
    if not _ENDS.search(text) or text.startswith(("|", "`", "<", "{")):
        return False
    first = next((character for character in text if character.isalnum()), "")
    return not first.islower() and wordy(sentence)


def wordy(sentence: Sentence) -> bool:
    """Tell whether it is made of words, 4 to 90 of them (3 before a stop), and not of figures."""
    dense = "".join(sentence.text.split())
    letters = sum(character.isalpha() for character in dense)
    if not dense or letters < _MIN_LETTERS * len(dense):
        return False
    words = len(_WORD.findall(sentence.text))
    spaceless = letters // 2 if not dense.isascii() and words < _MIN_WORDS else 0
    least = _MIN_CLOSED if _ENDS.search(dense) else _MIN_WORDS
    return least <= max(words, spaceless) <= _MAX_WORDS


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    cuts = [start, *(m.end() for m in _CUT.finditer(text, start, end)), end]
    for first, last in pairwise(cuts):
        bullet = _BULLET.match(text, first, last)
        begin = bullet.end() if bullet else first
        stripped = text[begin:last].strip()
        if stripped:
            begin = text.index(stripped, begin)
            yield begin, begin + len(stripped)
