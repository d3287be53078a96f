"""How near an answer is to the right ones, as SQuAD measures it.

Rajpurkar and others, "SQuAD: 100,000+ Questions for Machine Comprehension of Text", EMNLP 2016:
case, punctuation, articles and white space do not count.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_MARKS = str.maketrans("", "", string.punctuation)


def plain_words(text: str) -> list[str]:
    """Return the words of `text` that count, in lower case."""
    return _ARTICLES.sub(" ", text.lower().translate(_MARKS)).split()


def exact_match(answer: str, right: Iterable[str]) -> float:
    """Return 1 when `answer` is one of the right ones, else 0."""
    words = plain_words(answer)
    return float(any(words == plain_words(one) for one in right))


def word_f1(answer: str, right: Iterable[str]) -> float:
    """Return the best harmonic mean of precision and recall over words, 0..1."""
    return max((_f1(plain_words(answer), plain_words(one)) for one in right), default=0.0)


def _f1(said: list[str], right: list[str]) -> float:
    if not said or not right:
        return float(said == right)
    common = sum((Counter(said) & Counter(right)).values())
    return 2 * common / (len(said) + len(right))
