"""Music that a model wrote beside music that was held out: pitches, and steps from chord to chord.

Distances are total variation, half the sum of the differences of two distributions: 0 is alike, 1
nothing in common (Yang and Lerch, "On the evaluation of generative models in music", 2020, compare
such features of sets of pieces).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise

from ragstone.training.measures.texts import Texts

_OCTAVE = 12


def likeness(written: Sequence[str], texts: Texts) -> dict[str, float]:
    """Return distances between what was written and what was held out.

    `pitch_distance`: of how often each pitch is sounded. `class_distance`: of the pitches without
    their octave. `transition_distance`: of the intervals that the highest note moves by.
    `chord_distance`: of the numbers of notes in a step. Each with `_training` is the same of the
    music that was learnt from: what one set of real pieces differs from another by.
    """
    held_out = _features(texts(True))
    found = {}
    for suffix, pieces in (("", _features(written)), ("_training", _features(texts(False)))):
        for name, counted in pieces.items():
            found[f"{name}_distance{suffix}"] = _distance(counted, held_out[name])
    return found


def steps_of(text: str) -> list[list[int]]:
    """Return the pitches of each step of a piece; what is no pitch is left out."""
    return [[int(word) for word in line.split() if word.isdecimal()] for line in text.splitlines()]


def _features(texts: Iterable[str]) -> dict[str, Counter[Hashable]]:
    found: dict[str, Counter[Hashable]] = {
        name: Counter() for name in ("pitch", "class", "transition", "chord")
    }
    for text in texts:
        steps = [step for step in steps_of(text) if step]
        for step in steps:
            found["pitch"].update(step)
            found["class"].update(note % _OCTAVE for note in step)
            found["chord"][len(step)] += 1
        tops = [max(step) for step in steps]
        found["transition"].update(after - note for note, after in pairwise(tops))
    return found


def _distance(first: Counter[Hashable], second: Counter[Hashable]) -> float:
    if not first or not second:
        return 1.0
    return 0.5 * sum(
        abs(first[key] / first.total() - second[key] / second.total()) for key in first | second
    )
