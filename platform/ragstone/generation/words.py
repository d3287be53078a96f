"""Words of a text as grounding compares them: stems, numbers, names and negations.

Everything here is plain string work, so that whether a quote supports a sentence never depends on
a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from math import log

_STOP_WORDS = frozenset(
    "a about above after again against all also am an and any are as at be because been before "
    "being below between both but by can cannot could did do does doing done down during each few "
    "for from further had has have having he her here hers him his how i if in into is it its "
    "itself just let may me might more most must my no nor not now of off on once one only or "
    "other our ours out over own same shall she should so some such than that the their theirs "
    "them then there these they this those through to too under until up upon us very was we were "
    "what when where which while who whom whose why will with would you your yours tell give "
    "explain describe s t d ll re ve m don isn aren doesn didn wasn weren won hasn haven hadn "
    "couldn wouldn shouldn".split()
)
_NEGATIONS = frozenset(
    "no not never none nor neither nothing nobody nowhere without cannot".split()
)
_NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(
        "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen twenty".split(),
        start=2,
    )
} | {
    word: str(value)
    for word, value in zip(
        "thirty forty fifty sixty seventy eighty ninety hundred thousand million billion".split(),
        (30, 40, 50, 60, 70, 80, 90, 100, 10**3, 10**6, 10**9),
        strict=True,
    )
}
# "don't" is one word for the negations; numbers keep their points and commas.
_WORD = re.compile(r"\w+(?:['’]t\b)?")
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*")
_NO_SPACES = re.compile(r"[぀-ヿ㐀-鿿豈-﫿]+")  # scripts written without spaces
_SUFFIXES = ("ations", "ation", "ingly", "edly", "ings", "ies", "ing", "ed", "ly", "es", "s")
_SHORTEST_STEM = 3


def stems(text: str) -> list[str]:
    """Return the stems of the content words of `text`, in order, stop words left out.

    Chinese and Japanese runs become pairs of characters.
    """
    return [_stem(word) for word in _words(text) if word not in _STOP_WORDS]


def numbers(text: str) -> frozenset[str]:
    """Return the numbers of `text` in one spelling: `1,200` and `1200.0` are both `1200`.

    Number words from two to a billion count as well.
    """
    digits = (_canonical(match.group()) for match in _NUMBER.finditer(text))
    spelled = (_NUMBER_WORDS[word] for word in _words(text) if word in _NUMBER_WORDS)
    return frozenset((*digits, *spelled))


def names(text: str) -> frozenset[str]:
    """Return the stems of capitalised words that do not begin `text`: most of them are names."""
    found = list(_WORD.finditer(text))
    return frozenset(
        _stem(match.group().lower())
        for match in found[1:]
        if match.group()[0].isupper() and match.group().lower() not in _STOP_WORDS
    )


def negated(text: str) -> bool:
    """Tell whether `text` says that something is not so."""
    return any(word in _NEGATIONS or word.endswith(("n't", "n’t")) for word in _words(text))


class Weights:
    """How much a stem tells one text from another: its inverse document frequency.

    Parameters
    ----------
    documents
        Stems of each text. A stem that is in none of them weighs most.
    """

    def __init__(self, documents: Iterable[Iterable[str]]) -> None:
        self._counts: dict[str, int] = {}
        self._size = 0
        for document in documents:
            self._size += 1
            for stem in set(document):
                self._counts[stem] = self._counts.get(stem, 0) + 1

    def of(self, stem: str) -> float:
        """Return log(1 + (N + 1) / (n + 0.5)) for a stem in n of N documents; always above 0."""
        return log(1 + (self._size + 1) / (self._counts.get(stem, 0) + 0.5))

    def coverage(self, wanted: Iterable[str], given: Iterable[str]) -> float:
        """Return the weighted share of the distinct stems `wanted` that are in `given`, 0..1."""
        distinct, there = set(wanted), set(given)
        total = sum(self.of(stem) for stem in sorted(distinct))
        found = sum(self.of(stem) for stem in sorted(distinct & there))
        return found / total if total else 0.0


def _words(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text.lower()):
        word = match.group()
        run = _NO_SPACES.search(word)
        if run is None:
            yield word
        else:
            letters = run.group()
            yield from (letters[i : i + 2] for i in range(max(1, len(letters) - 1)))


def _stem(word: str) -> str:
    """Cut common English endings: enough to join `provides`, `provided` and `providing`."""
    if not word.isascii() or not word.isalpha():
        return word
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
            if suffix == "s" and word.endswith(("ss", "us", "is")):
                break
            word = word[: -len(suffix)] + ("y" if suffix == "ies" else "")
            break
    if len(word) > _SHORTEST_STEM and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]  # planned -> plann -> plan
    return word[:-1] if word.endswith("e") and len(word) > _SHORTEST_STEM else word


def _canonical(number: str) -> str:
    bare = re.sub(r",(?=\d{3}(?:\D|$))", "", number)
    try:
        return f"{Decimal(bare).normalize():f}"
    except InvalidOperation:  # 3.11.2 or 1,2: kept as it is written
        return bare
