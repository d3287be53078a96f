"""Texts that a model wrote: how varied they are, and how much of them is copied.

distinct-n: Li and others, "A Diversity-Promoting Objective Function" (2016). self-BLEU: Zhu and
others, "Texygen" (2018). Copies: Carlini and others, "Quantifying Memorization" (2023).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ragstone.text import WORD

Texts = Callable[[bool], Iterable[str]]  # held out or not -> texts

WINDOW = 50  # characters that are a copy when they stand in the training texts
_GRAMS = (1, 2, 3)
_BLEU = 4  # words together, at most


def variety(written: Sequence[str]) -> dict[str, float]:
    """Return `distinct_1` to `distinct_3`, 0..1, and `self_bleu`, 0..100.

    Parameters
    ----------
    written
        Samples of a model. self-BLEU is the mean BLEU of each beside the others: the lower, the
        more varied. It takes `sacrebleu`, and is left out without it, or of less than two samples.
    """
    words = [WORD.findall(text.lower()) for text in written]
    found = {f"distinct_{n}": _distinct(words, n) for n in _GRAMS}
    bleu = _self_bleu(written)
    return found if bleu is None else {**found, "self_bleu": bleu}


def copying(written: Sequence[str], texts: Texts) -> dict[str, float]:
    """Return how much of what was written stands in the texts that were learnt from.

    `copied`: part of the stretches of `WINDOW` characters, 0..1. `copied_held_out`: the same of as
    many texts that were held out, which shows how much any text like these has in common with them.
    `longest_copy`: characters.
    """
    length = sum(map(len, written))
    held_out = _first(texts(True), length)
    longest = _longest(written, texts)
    return {
        "copied": _copied(written, texts),
        "copied_held_out": _copied(held_out, texts),
        "longest_copy": float(longest),
    }


def _distinct(words: Sequence[Sequence[str]], n: int) -> float:
    grams = [tuple(text[at : at + n]) for text in words for at in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 0.0


def _self_bleu(written: Sequence[str]) -> float | None:
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        return None
    if len(written) < 2:
        return None
    bleu = BLEU(effective_order=True, max_ngram_order=_BLEU)
    scores = [
        bleu.sentence_score(text, [other for at, other in enumerate(written) if at != place]).score
        for place, text in enumerate(written)
    ]
    return float(sum(scores) / len(scores))


def _first(texts: Iterable[str], characters: int) -> list[str]:
    """Return the beginnings of texts, `characters` of them together where there are as many."""
    found: list[str] = []
    for text in texts:
        if characters <= 0:
            break
        found.append(text[:characters])
        characters -= len(text)
    return found


def _copied(written: Sequence[str], texts: Texts) -> float:
    windows = _windows(written, WINDOW)
    return len(_found(windows, WINDOW, texts)) / len(windows) if windows else 0.0


def _longest(written: Sequence[str], texts: Texts) -> int:
    """Return the length of the longest stretch that stands in a text, by halving."""
    low, high = 0, max(map(len, written), default=0)
    while low < high:
        middle = (low + high + 1) // 2
        if _found(_windows(written, middle), middle, texts):
            low = middle
        else:
            high = middle - 1
    return low


def _windows(texts: Iterable[str], length: int) -> set[str]:
    return {text[at : at + length] for text in texts for at in range(len(text) - length + 1)}


def _found(windows: set[str], length: int, texts: Texts) -> set[str]:
    """Return those of `windows`, all of one length, that stand in a text to learn from."""
    found: set[str] = set()
    for text in texts(False):
        for at in range(len(text) - length + 1):
            window = text[at : at + length]
            if window in windows:
                found.add(window)
    return found
