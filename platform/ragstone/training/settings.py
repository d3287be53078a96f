"""How a model is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ragstone.errors import InvalidArgument
from ragstone.models.base import Config

_OPTIMISERS = ("adamw", "muon")
_SCHEDULES = ("cosine", "wsd")
_PRECISIONS = ("auto", "float32", "bfloat16")
_SHARDINGS = ("none", "full")
_DECAYING = 0.2  # part of the steps at whose end the rate of `wsd` falls


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings(Config):
    """Settings of the trainer, whatever the family.

    Parameters
    ----------
    batch
        Examples of a step, over all processes.
    accumulate
        Pieces a step is computed in, one after the other, where memory is short.
    optimiser
        `adamw` (Loshchilov and Hutter 2019) for all weights, or `muon` (Jordan 2024) for the
        matrices and AdamW for the others.
    learning_rate
        Of AdamW, reached after the warm-up.
    matrix_rate
        Of Muon.
    beta1, beta2
        Of AdamW: weight of the past in the means of the gradients and of their squares.
    schedule
        `cosine` down to a tenth, or `wsd`: steady, and falling to 0 over the last fifth.
    ema
        Weight of the past in the mean of the weights that is validated and kept; 0: none. In the
        first steps it is less: `averaging`.
    evaluate_every, checkpoint_every
        Steps; 0: at the end alone.
    patience
        Evaluations without a better one until it ends early; 0: it does not.
    sharding
        Of several processes: `none`, each has the whole network; `full`, each a part of it.
    minutes
        Of this machine: fewer steps are made when they would take longer; 0: as long as it takes.
    """

    family: ClassVar[str] = "training"

    steps: int = 2_000
    batch: int = 12
    accumulate: int = 1
    optimiser: str = "muon"
    learning_rate: float = 3e-3
    matrix_rate: float = 2e-2
    beta1: float = 0.9
    beta2: float = 0.95
    weight_decay: float = 0.1
    warmup: int = 100
    schedule: str = "cosine"
    clip: float = 1.0
    ema: float = 0.0
    evaluate_every: int = 0
    checkpoint_every: int = 500
    patience: int = 0
    minutes: float = 0.0
    precision: str = "auto"
    compile: bool = False
    sharding: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        self.among(
            optimiser=_OPTIMISERS, schedule=_SCHEDULES, precision=_PRECISIONS, sharding=_SHARDINGS
        )
        self.at_least(steps=1, batch=1, accumulate=1)
        if self.batch % self.accumulate:
            raise InvalidArgument("accumulate", self.accumulate, f"a divisor of {self.batch}")
        for name in ("ema", "beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise InvalidArgument(name, getattr(self, name), "0, or less than 1")

    def averaging(self, step: int) -> float:
        """Return the weight of the past in the mean of the weights, after a step from 0.

        It begins small, so that a short training is not the mean of its beginning.
        """
        return min(self.ema, (1 + step) / (10 + step))

    def rate(self, step: int) -> float:
        """Return what the learning rates of a step are multiplied with; steps count from 0."""
        warm = min(1.0, (step + 1) / max(1, self.warmup))
        if self.schedule == "cosine":
            waning = (1 + math.cos(math.pi * step / self.steps)) / 2
            return warm * (0.1 + 0.9 * waning)
        return warm * min(1.0, (self.steps - step) / max(1.0, _DECAYING * self.steps))
