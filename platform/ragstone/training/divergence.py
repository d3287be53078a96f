"""What is kept of a training whose losses are not finite any more: the step and its examples."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ragstone.errors import TrainingDiverged
from ragstone.models.base import Batch
from ragstone.storage.files import make_folder, write_durably
from ragstone.training.feeding import NamedData, TrainingData
from ragstone.training.settings import TrainingSettings

REPORT = "diverged.json"


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where a training diverged, as it stands in the folder of the training.

    Parameters
    ----------
    step
        The first one counts 0.
    examples
        Those of the step, by the names that the data give them.
    alone
        Those of them that give no finite loss or gradient alone, with the weights of this step.
    checkpoint
        Steps whose weights are kept.
    data, seed
        Digest of the data, and seed: with the step, they are what the examples follow from.
    run
        Id of the run, where it is kept.
    """

    step: int
    problem: str
    examples: list[str]
    alone: list[str]
    checkpoint: int
    data: str
    seed: int
    run: str

    def keep(self, folder: Path) -> None:
        """Write it into the folder of a training."""
        make_folder(folder)
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
        write_durably(folder / REPORT, text.encode())

    def error(self, folder: Path) -> TrainingDiverged:
        """Return what to raise."""
        at_fault = self.alone if len(self.alone) < len(self.examples) else []
        report = folder / REPORT
        return TrainingDiverged(
            self.step, self.problem, self.examples, at_fault, self.checkpoint, report
        )


def names(data: TrainingData, settings: TrainingSettings, step: int) -> list[str]:
    """Return what tells the examples of a step from others."""
    if isinstance(data, NamedData):
        return list(data.names(step, settings.batch, settings.seed))
    return [f"number {number + 1} of the batch" for number in range(settings.batch)]


def alone(batch: Batch, measure: Callable[[Batch], tuple[float, float]]) -> Iterator[int]:
    """Yield the numbers of the examples that alone give no finite loss or gradient.

    Parameters
    ----------
    measure
        Returns loss and norm of the gradients of a batch.
    """
    count = len(next(iter(batch.values())))
    for number in range(count):
        one = {name: values[number : number + 1] for name, values in batch.items()}
        if not all(math.isfinite(value) for value in measure(one)):
            yield number
