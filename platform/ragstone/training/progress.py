"""What a training is going to do, where it stands, and what it gave."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands after a step."""

    step: int  # done
    steps: int
    loss: float  # mean of the last ten steps
    gradient_norm: float
    learning_rate: float
    per_second: float  # examples
    validation: float | None = None  # where it was validated now


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training is going to do."""

    begin: int  # steps that are done
    steps: int
    seconds: float  # that the others may take
    parameters: int
    damaged: tuple[str, ...]  # newer checkpoints that cannot be read, and why


@dataclass(slots=True)
class Outcome:
    """What a training gave."""

    steps: int = 0
    losses: list[float] = field(default_factory=list)  # of each step
    validations: dict[int, float] = field(default_factory=dict)  # after so many steps
    best: float = math.inf
    best_step: int = 0
    seconds: float = 0.0  # over all times that it was started

    def validated(self, loss: float) -> bool:
        """Take up what a validation gave now; return whether it is the best one."""
        self.validations[self.steps] = loss
        if loss >= self.best:
            return False
        self.best, self.best_step = loss, self.steps
        return True

    def since_best(self) -> int:
        """Return how many validations came after the best one."""
        return sum(step > self.best_step for step in self.validations)
