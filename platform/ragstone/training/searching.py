"""A search for settings: what each trial takes, and which trials go on. All pure functions.

Settings are drawn at random (Bergstra and Bengio, 2012). Trials are halved in turns, by three
(Jamieson and Talwalkar, 2016): all make a few steps, the better third of them three times as many.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ragstone.errors import InvalidArgument

_THIRD = 3

Value: TypeAlias = int | float | str


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers of which each order of magnitude is as likely, or each number where it holds 0."""

    low: float
    high: float
    whole: bool  # numbers alone

    def draw(self, chance: np.random.Generator) -> Value:
        """Return one of them, floats to four digits."""
        if self.low > 0:
            high = self.high + 1 if self.whole else self.high
            found = math.exp(chance.uniform(math.log(self.low), math.log(high)))
        else:
            found = chance.uniform(self.low, self.high + self.whole)
        return min(int(found), int(self.high)) if self.whole else float(f"{found:.4g}")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values, each as likely."""

    values: tuple[str, ...]

    def draw(self, chance: np.random.Generator) -> Value:
        """Return one of them."""
        return self.values[int(chance.integers(len(self.values)))]


def space(name: str, given: str) -> Range | Choice:
    """Read `LOW..HIGH` or `A,B,C`.

    Raises
    ------
    InvalidArgument
        It is neither.
    """
    low, dots, high = given.partition("..")
    if not dots:
        values = tuple(value.strip() for value in given.split(","))
        if not all(values):
            raise InvalidArgument(name, given, "LOW..HIGH or A,B,C")
        return Choice(values)
    try:
        ends = float(low), float(high)
    except ValueError as error:
        raise InvalidArgument(name, given, "LOW..HIGH of numbers, as 1e-4..1e-2") from error
    if not (ends[0] < ends[1] < math.inf and ends[0] > -math.inf):
        raise InvalidArgument(name, given, "LOW..HIGH with LOW below HIGH")
    whole = all(end.strip().lstrip("-").isdecimal() for end in (low, high))
    return Range(*ends, whole)


def drawn(spaces: Mapping[str, Range | Choice], number: int, seed: int) -> dict[str, Value]:
    """Return the settings of a trial: a function of the spaces, its number and the seed."""
    chance = np.random.default_rng([seed, number])
    return {name: spaces[name].draw(chance) for name in sorted(spaces)}


@dataclass(frozen=True, slots=True)
class Turn:
    """So many trials go on until each has made so many steps."""

    trials: int
    steps: int


def turns(trials: int, steps: int) -> list[Turn]:
    """Return the turns of a search; in the last one a single trial makes all steps."""
    counts = [trials]
    while counts[-1] > 1:
        counts.append(-(-counts[-1] // _THIRD))
    last = len(counts) - 1
    return [
        Turn(count, max(1, round(steps / _THIRD ** (last - number))))
        for number, count in enumerate(counts)
    ]


def best(losses: Mapping[int, float], count: int) -> list[int]:
    """Return the numbers of the trials with the least losses, the best first; ties by number."""
    return sorted(losses, key=lambda number: (losses[number], number))[:count]
