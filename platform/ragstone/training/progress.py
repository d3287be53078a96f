"""Where a training stands, and what it gave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands after a step."""

    step: int  # done
    steps: int
    loss: float  # mean of the last ten steps
    gradient_norm: float
    learning_rate: float
    per_second: float  # examples
    tokens_per_second: float  # or samples, or pixels: what the network is applied to
    mfu: float | None  # part of what the device can do, where that is known
    seconds_left: float
    validation: float | None = None  # where it was validated now
    figures: Mapping[str, float] = field(default_factory=dict)  # of that, by name
    trial: int | None = None  # of a search


@dataclass(frozen=True, slots=True)
class Validation:
    """What a network gives on all that is held out: means."""

    loss: float
    figures: Mapping[str, float]  # of `Loss.figures`


@dataclass(slots=True)
class Outcome:
    """What a training gave."""

    steps: int = 0
    losses: list[float] = field(default_factory=list)  # of each step
    validations: dict[int, float] = field(default_factory=dict)  # after so many steps
    best: float = math.inf
    best_step: int = 0
    seconds: float = 0.0  # over all times that it was started

    def validated(self, loss: float, *, selects: bool) -> bool:
        """Take up what a validation gave now; return whether it is the best one.

        Parameters
        ----------
        selects
            The least loss is the best; else the last one is.
        """
        self.validations[self.steps] = loss
        if selects and loss >= self.best:
            return False
        self.best, self.best_step = loss, self.steps
        return True

    def state(self) -> dict[str, Any]:
        """Return it as JSON, but for the steps."""
        best = self.best if self.validations else None
        return {
            "validations": self.validations,
            "best": best,
            "best_step": self.best_step,
            "seconds": self.seconds,
            "losses": self.losses,
        }

    @classmethod
    def of(cls, steps: int, state: Mapping[str, Any]) -> Outcome:
        """Return what `state` was made of."""
        return cls(
            steps=steps,
            losses=list(state["losses"]),
            validations={int(step): value for step, value in state["validations"].items()},
            best=math.inf if state["best"] is None else state["best"],
            best_step=state["best_step"],
            seconds=state["seconds"],
        )

    def since_best(self) -> int:
        """Return how many validations came after the best one."""
        return sum(step > self.best_step for step in self.validations)
