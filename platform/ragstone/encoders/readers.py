"""Readers: networks that find the answer to a question in a passage, or that there is none.

Devlin and others, "BERT", NAACL 2019, section 4.3: each token may begin or end the answer, and the
token in front of both texts stands for "no answer".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from ragstone.encoders.kept import Kept
from ragstone.encoders.pairs import PairModel, Window, ships

READER = "ragstone-reader"  # the one that ships with Ragstone, and the kind of all of them
BEGIN, END = 0, 1  # outputs of the head
_LONGEST = 30  # tokens of an answer


@dataclass(frozen=True, slots=True)
class Span:
    """The likeliest answer of a text.

    Parameters
    ----------
    start, end
        In the text, in code points.
    score
        How much likelier it is than that the text has no answer: a difference of logarithms.
    """

    start: int
    end: int
    score: float


class Reader(PairModel):
    """Finds answers; safe to share between threads.

    Raises
    ------
    ReaderUnavailable
        It is not on this machine, is of another kind, or was trained for other weights.
    """

    kind = READER

    def read(self, question: str, texts: Sequence[str]) -> list[Span]:
        """Return the likeliest answer of each of `texts`, whatever its score.

        Raises
        ------
        ReaderUnavailable
            The weights cannot be loaded.
        """
        windows = self._windows([(question, text) for text in texts])
        return [best_span(found) for found in windows]

    def chance(self, score: float) -> float:
        """Return how likely an answer with this score is right, 0..1.

        Platt, "Probabilistic Outputs for Support Vector Machines", 1999: a logistic curve, laid
        through the questions that were held out in training.
        """
        slope, offset = self._network.number("slope", 1.0), self._network.number("offset", 0.0)
        return logistic(slope * score + offset)


_KEPT = Kept(Reader, most=2)  # loading takes longer than reading, and all requests may share it


def find_reader(name: str) -> Reader | None:
    """Return the reader `name`, opened again when its folder has changed.

    Its weights are loaded by the first question. None for an empty name, and where
    the one that ships was left out.

    Raises
    ------
    ReaderUnavailable
        It is not on this machine, is of another kind, or was trained for other weights.
    """
    if not name or (name == READER and not ships(name)):
        return None
    return _KEPT.get(name)


def best_span(windows: Sequence[Window]) -> Span:
    """Return the likeliest answer of a text from its windows; the first of equal ones."""
    best = Span(0, 0, -np.inf)
    for window in windows:
        if len(window.tokens):
            nothing = float(window.first[BEGIN] + window.first[END])
            begin, end, score = _best(window.tokens)
            if score - nothing > best.score:
                offsets = window.offsets
                best = Span(int(offsets[begin, 0]), int(offsets[end, 1]), score - nothing)
    return best


def logistic(value: float) -> float:
    """Return 1 / (1 + e^-value), without overflow."""
    if value >= 0:
        return 1 / (1 + exp(-value))
    return exp(value) / (1 + exp(value))


def _best(outputs: NDArray[np.float32]) -> tuple[int, int, float]:
    """Return first and last token of the best span, and its score; at most `_LONGEST` tokens."""
    sums = outputs[:, BEGIN, None] + outputs[None, :, END]  # (begins, ends)
    places = np.arange(len(outputs))
    width = places[None, :] - places[:, None]
    sums = np.where((width >= 0) & (width < _LONGEST), sums, -np.inf)
    at = int(sums.argmax())
    return at // len(outputs), at % len(outputs), float(sums.flat[at])
