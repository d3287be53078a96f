"""The first step of a training job: a model learns a version and is kept, in any process.

It never opens the catalog: what it needs of that comes with the task, and what becomes of its run
is told to the owner of the workspace (`jobs/train.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragstone.schemas.api import TrainProgress
from ragstone.schemas.runs import RunBegun

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.schemas.models import ModelInfo
    from ragstone.schemas.runs import Plan, RunEvent
    from ragstone.training.progress import Progress
    from ragstone.training.registry import Registry
    from ragstone.training.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class FitTask:
    """All that a process needs to know."""

    root: Path  # of the workspace
    job: str
    settings: Settings
    snapshot: Snapshot
    family: str
    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The model that is kept."""

    model: ModelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who hears of a training.

    Parameters
    ----------
    tell
        How far it is.
    record
        What becomes of its run; it is kept when this returns.
    stopping
        Asked after each step whether to stop.
    """

    tell: Callable[[TrainProgress], None]
    record: Callable[[RunEvent], None]
    stopping: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class _Report:
    """Says how far it is, with the last loss on what is held out."""

    tell: Callable[[TrainProgress], None]
    run: str = ""
    _last: TrainProgress = field(
        default_factory=lambda: TrainProgress("preparing", 0, 0, None, None, 0.0, None)
    )

    def prepare(self) -> None:
        self.tell(self._last)

    def plan(self, plan: Plan) -> None:
        self._last = TrainProgress(
            "training", plan.begin, plan.steps, None, None, 0.0, plan.seconds, self.run
        )
        self.tell(self._last)

    def progress(self, progress: Progress) -> None:
        known = progress.validation
        self._last = TrainProgress(
            "training",
            progress.step,
            progress.steps,
            progress.loss,
            self._last.validation if known is None else known,
            progress.per_second,
            progress.seconds_left,
            self.run,
        )
        self.tell(self._last)


def fit(task: FitTask, listener: Listener) -> Fitted:
    """Train to the end, from where an earlier try has stopped.

    Raises
    ------
    InvalidArgument
        The version holds nothing to learn from, or something else was begun under the name.
    TrainingDiverged, TrainingStopped, ModelBusy
        As `Workspace.train_model`.
    """
    from ragstone.encoders.opened import Encoders
    from ragstone.models.families import family
    from ragstone.training.encoding import WorkspaceEncoders
    from ragstone.training.learning import Chosen, Task, Watch
    from ragstone.training.recording import Recorder
    from ragstone.training.registry import Registry

    registry = Registry(task.root / "models")
    kept = _kept(registry, task)
    if kept:
        return Fitted(kept)
    encoders = Encoders(task.settings.encoder, opener=WorkspaceEncoders(task.root / "models"))
    chosen = Chosen.of(family(task.family), task.values)
    report = _Report(listener.tell)

    def record(event: RunEvent) -> None:
        if isinstance(event, RunBegun):
            report.run = event.run.run  # what goes on has that of its beginning
        listener.record(event)

    recorder = Recorder(record, task.job)
    with registry.training(task.name) as folder:
        report.prepare()
        lesson = Task.of(task.snapshot, task.family, task.name, chosen, folder, encoders=encoders)
        watch = Watch(on_plan=report.plan, on_progress=report.progress, stopping=listener.stopping)
        return Fitted(lesson.train(registry, chosen, folder, recorder, watch))


def _kept(registry: Registry, task: FitTask) -> ModelInfo | None:
    """Return the model of an earlier try whose end nobody heard of."""
    found = (info for info in registry.all() if (info.name, info.run) == (task.name, task.job))
    return next(found, None)
