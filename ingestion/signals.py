"""Signals of a document's quality, and its language; numbers that filters and policies can use.

The signals of text are those of Rae et al. 2021 (arXiv 2112.11446, table A1, the "Gopher rules").
They are given as they are measured: which value is too much, a filter says, not this file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

UNKNOWN = "und"  # ISO 639-2 "undetermined"
_NO_LANGUAGE = "zxx"  # the identifier's own class for tables of numbers and the like
_STRETCH = 200  # characters, from three places: 2 ms; the beginning alone is often not typical
# Of 1,000 English and 1,000 German sentences cut to 40 characters, 99.5 % get their language at
# this confidence and 0.05 % a wrong one; of those cut to 10, 18 % and 0.4 %.
_MIN_CONFIDENCE = 0.5
_SAMPLE = 20_000  # characters that the shares are measured on: 15 ms
_SLICE = 2**16  # characters whose words stand in memory together

# A word is what stands between white space; where words are written together, a character.
_TOGETHER = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_TOGETHER}]|[^\s{_TOGETHER}]+")
# Latin punctuation, then that of Chinese and Japanese: full stop, commas, marks, brackets.
_USUAL = ".,;:!?'\"()-–—‘’“”„«»…·\u3002\u3001\uff0c\uff01\uff1f\uff1b\uff1a\u300c\u300d\uff08\uff09"
_SYMBOL = re.compile(rf"[^\w\s{re.escape(_USUAL)}]|_")
_DIGIT = re.compile(r"\d")
_LONGEST_GRAM = 4
_ENOUGH_WORDS = 100  # at which a text has half of what its length can give to the score


def text_signals(text: str, declared: str = "") -> dict[str, Any]:
    """Return the language and the quality of a text, for its item's metadata.

    Parameters
    ----------
    text
        All of a document's text.
    declared
        The language that the file claims, such as "de-AT"; taken when the text does not tell.

    Returns
    -------
    dict
        `language` (ISO 639-1, "und" when it is too short or too mixed to tell),
        `language_confidence` (0 to 1, two digits) and `quality`, whose numbers have four digits:
        `words`; `mean_word_length` in characters; of the characters that are no space, the shares
        of `symbols` (neither letters, digits nor usual punctuation) and `digits`; `upper`, the
        share of capitals among the letters that have a case; `duplicate_lines`, the share of lines
        that stand further up already; `top_ngram`, the largest share of the text that one
        repeated sequence of two to four words makes up; and `score`, from 0 to 1.
    """
    language, confidence = detect_language(text)
    if language == UNKNOWN:
        language = _primary(declared)
    return {
        "language": language,
        "language_confidence": confidence,
        "quality": _quality(text),
    }


def detect_language(text: str) -> tuple[str, float]:
    """Return the ISO 639-1 code of the text's language and the confidence, from 0 to 1.

    Of a long text, 200 characters each of its first, second and last third are looked at. "und"
    stands for a text that is too short, in too many languages, or in none.
    """
    sample = " ".join(_spread(text).split())
    if not sample:
        return UNKNOWN, 0.0
    found, confidence = _identifier().classify(sample)
    # Two digits: sums of floats differ in their last ones between machines.
    confidence = round(confidence, 2)
    known = confidence >= _MIN_CONFIDENCE and found != _NO_LANGUAGE
    return (found if known else UNKNOWN), confidence


def quality_score(metadata: Mapping[str, Any]) -> float:
    """Return how good an item is among its duplicates, from 0 to 1; 0 when nothing is known.

    Text has its score in `quality.score`. Of images the one with more pixels is the better, then
    the sharper one, then the one with more contrast: 0.7 p / (p + 1,000,000) + 0.2 b / (b + 100) +
    0.1 min(1, 4 c) for p pixels, b `blur` (variance of the Laplacian) and c `contrast`. Of
    recordings the longer one, then the one with the higher sample rate: 0.7 d / (d + 30) +
    0.3 r / (r + 16,000) for d `duration` in seconds and r `sample_rate`, times one less the shares
    `clipping` and half of `silence`. What is missing counts as 0.
    """
    found = metadata.get("quality")
    known = {**metadata, **found} if isinstance(found, Mapping) else metadata
    if isinstance(found, Mapping) and "score" in found:
        return min(1.0, _number(known, "score"))
    if "width" in known and "height" in known:
        size = _saturated(_number(known, "width") * _number(known, "height"), 1e6)
        sharp = _saturated(_number(known, "blur"), 100.0)
        contrast = min(1.0, 4 * _number(known, "contrast"))
        return round(0.7 * size + 0.2 * sharp + 0.1 * contrast, 4)
    if "duration" in known:
        length = _saturated(_number(known, "duration"), 30.0)
        rate = _saturated(_number(known, "sample_rate"), 16_000.0)
        whole = 1 - min(1.0, _number(known, "clipping"))
        heard = 1 - min(1.0, _number(known, "silence")) / 2
        return round((0.7 * length + 0.3 * rate) * whole * heard, 4)
    return 0.0


def _number(known: Mapping[str, Any], name: str) -> float:
    value = known.get(name)
    good = isinstance(value, int | float) and isfinite(value)
    return max(0.0, float(value)) if good else 0.0  # type: ignore[arg-type]


def _saturated(value: float, half: float) -> float:
    """Return a number that grows with `value` from 0 to 1, and is 0.5 at `half`."""
    return value / (value + half)


def _spread(text: str) -> str:
    if len(text) <= 3 * _STRETCH:
        return text
    middles = (len(text) * part // 6 for part in (1, 3, 5))
    return " ".join(text[m - _STRETCH // 2 : m + _STRETCH // 2] for m in middles)


@lru_cache(maxsize=1)
def _identifier() -> LanguageIdentifier:
    """Return the identifier, which takes a second to load and 75 MB to keep."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    loaded = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    # Languages without a two-letter code are near others that have one, and take away from them.
    loaded.set_languages([name for name in loaded.labels if len(name) == 2 or name == _NO_LANGUAGE])
    return loaded


def _primary(declared: str) -> str:
    """Return the ISO 639-1 code that a declared language such as "en_US.UTF-8" begins with."""
    code = re.split(r"[-_.]", declared.strip().lower(), maxsplit=1)[0]
    return code if len(code) == 2 and code in _identifier().labels else UNKNOWN


def _quality(text: str) -> dict[str, float]:
    sample = text[:_SAMPLE]
    words = _WORD.findall(sample)
    visible = sum(map(len, words))
    counted = count_words(text)
    measured = {
        "mean_word_length": visible / max(len(words), 1),
        "symbols": len(_SYMBOL.findall(sample)) / max(visible, 1),
        "digits": len(_DIGIT.findall(sample)) / max(visible, 1),
        "upper": _upper(sample),
        "duplicate_lines": _duplicate_lines(sample),
        "top_ngram": _top_ngram(words, visible),
    }
    measured["score"] = _text_score(counted, measured)
    return {"words": counted, **{name: round(value, 4) for name, value in measured.items()}}


def count_words(text: str) -> int:
    """Return the number of words, without holding all of them in memory."""
    count = 0
    for start in range(0, len(text), _SLICE):
        piece = text[start : start + _SLICE]
        count += sum(1 for _ in _WORD.finditer(piece))
        # A word that goes over the border is counted on both of its sides.
        border = text[max(start - 1, 0) : start + 1]
        count -= len(border) == 2 and len(_WORD.findall(border)) == 1 and not _spaced(border)
    return count


def _spaced(border: str) -> bool:
    return border[0].isspace() or border[1].isspace()


def _upper(text: str) -> float:
    upper = sum(map(str.isupper, text))
    return upper / max(upper + sum(map(str.islower, text)), 1)


def _duplicate_lines(text: str) -> float:
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    return 1 - len(set(lines)) / max(len(lines), 1)


def _top_ngram(words: Sequence[str], visible: int) -> float:
    """Return the largest share of the characters that one repeated sequence of words has."""
    largest = 0
    grams: list[tuple[str, ...]] = [(word,) for word in words]
    for _ in range(2, _LONGEST_GRAM + 1):
        grams = [(*first, second[-1]) for first, second in pairwise(grams)]
        if not grams:
            break
        times = Counter(grams)
        most = max(times.values())
        if most == 1:
            break  # then no longer sequence comes twice
        covered = max(sum(map(len, gram)) for gram, count in times.items() if count == most) * most
        largest = max(largest, covered)
    return min(1.0, largest / max(visible, 1))


def _text_score(words: int, measured: Mapping[str, float]) -> float:
    """Return `words / (words + 100)`, less the shares of symbols and of repetition.

    Of two texts that are otherwise alike, the longer one is the better.
    """
    length = words / (words + _ENOUGH_WORDS)
    for share in ("symbols", "duplicate_lines", "top_ngram"):
        length *= 1 - measured[share]
    return length
