"""The record of a run: what is measured goes to the catalog, many points at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from ulid import ULID

from ragstone.errors import TrainingStopped
from ragstone.schemas.runs import (
    Run,
    RunBegun,
    RunEnded,
    RunEvent,
    RunMeasured,
    RunPoint,
    RunState,
)
from ragstone.storage.catalog import now
from ragstone.training.progress import Progress
from ragstone.training.speed import device_name
from ragstone.training.trainer import Trainer

_NO_SETTINGS = ("family", "schema")
_SECONDS = 5.0  # a commit takes some milliseconds


def run_of(trainer: Trainer, name: str, family: str, dataset: str, version: int) -> Run:
    """Return the record of a training that begins or goes on; its plan is made."""
    settings = {
        **json.loads(trainer.model.config.to_json()),
        **json.loads(trainer.settings.to_json()),
    }
    return Run(
        run=trainer.run,
        name=name,
        family=family,
        dataset=dataset,
        version=version,
        data_digest=trainer.data.digest,
        seed=trainer.settings.seed,
        steps=trainer.settings.steps,
        parameters=trainer.model.parameters_count,
        settings={name: value for name, value in settings.items() if name not in _NO_SETTINGS},
        device=device_name(trainer.device),
        state="running",
        began=now(),
    )


class Recorder:
    """Keeps one run.

    Parameters
    ----------
    record
        Takes what has become of the run; it is kept when this returns.
    run
        Id of a new run; what goes on has another.

    `measured` and `write` are for the trainer: the points up to a checkpoint are written before it,
    so that a run that goes on from there lacks none and has none twice.
    """

    def __init__(self, record: Callable[[RunEvent], None], run: str = "") -> None:
        self._record = record
        self.run = run or str(ULID())
        self._points: list[RunPoint] = []
        self._written, self._done = monotonic(), False

    def measured(self, progress: Progress) -> None:
        """Take up where a training stands."""
        self._points.append(
            RunPoint(
                step=progress.step,
                loss=progress.loss,
                gradient_norm=progress.gradient_norm,
                learning_rate=progress.learning_rate,
                examples_per_second=progress.per_second,
                tokens_per_second=progress.tokens_per_second,
                mfu=progress.mfu,
                validation=progress.validation,
                figures=dict(progress.figures),
            )
        )
        if monotonic() - self._written > _SECONDS:
            self.write()

    def write(self) -> None:
        """Write what was taken up."""
        if self._points:
            self._record(RunMeasured(self.run, self._points))
            self._points = []
        self._written = monotonic()

    @contextmanager
    def recording(self, dataset_id: str, run: Run, step: int) -> Iterator[None]:
        """Keep what a `with` block trains as `run`, which begins after `step` steps.

        It is stopped where the block ends, unless `done` was called within.
        """
        self.run = run.run
        self._record(RunBegun(dataset_id, run, step))
        try:
            yield
        except TrainingStopped:
            self._end("stopped")
            raise
        except Exception as error:
            self._end("failed", error=str(error))
            raise
        except BaseException:  # Ctrl-C, or the end of the process
            self._end("stopped")
            raise
        if not self._done:
            self._end("stopped")

    def done(self, model: str = "") -> None:
        """Keep that the run came to its end, and made a model: NAME@NUMBER."""
        self._end("done", model=model)
        self._done = True

    def _end(self, state: RunState, *, error: str = "", model: str = "") -> None:
        self.write()
        self._record(RunEnded(self.run, state, error, model))
