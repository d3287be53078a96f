"""The second step of a training job, in the owner of the workspace: keep its run, and its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragstone.jobs.fit import FitTask, Fitted, Listener, fit
from ragstone.jobs.folder import JobFolder
from ragstone.jobs.work import Run, StateAfter, Task, mark, state_after
from ragstone.schemas.api import TrainProgress, TrainResult
from ragstone.schemas.runs import RunBegun, RunEnded, RunMeasured
from ragstone.storage import runs
from ragstone.training.snapshots import Snapshot

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.jobs.records import Records
    from ragstone.jobs.spec import TrainSpec
    from ragstone.jobs.work import Heard, HeardNews, News
    from ragstone.schemas.models import ModelInfo
    from ragstone.storage.store import Store


@dataclass(frozen=True, slots=True)
class Training:
    """A job of this workspace, to be carried out."""

    store: Store
    records: Records
    job: str
    spec: TrainSpec
    settings: Settings

    def carry_out(
        self,
        run: Run,
        may_commit: Callable[[], None] = lambda: None,  # noqa: ARG002  (the process keeps the model)
        state_after: StateAfter = state_after,
    ) -> None:
        """As `Work.carry_out`.

        Raises
        ------
        UnknownVersion, CollectedVersion
            The version is not kept any more.
        InvalidArgument, TrainingDiverged, TrainingStopped, ModelBusy
            As `fit`.
        """
        self.records.start(self.job, self.spec)
        news = _News(self.store)
        try:
            fitted = self._fitted(run, news)
        except BaseException as error:
            state = state_after(error)
            news.end("failed" if state == "failed" else "stopped", str(error))
            mark(self.records, self.job, state, error)
            raise
        self.records.done(self.job, self.spec.dataset, _result(fitted.model))
        JobFolder(self.store.root, self.job).tidy()

    def _fitted(self, run: Run, news: _News) -> Fitted:
        spec, store = self.spec, self.store
        with ExitStack() as held:
            held.enter_context(store.keeping())  # until the version was read
            manifest = store.resolve(f"{spec.dataset}@{spec.version}")
            task = FitTask(
                store.root,
                self.job,
                self.settings,
                Snapshot.of(store, manifest),
                spec.family,
                spec.name,
                spec.values,
            )
            news.when_prepared = held.close
            fitted = run(task, news)
        assert isinstance(fitted, Fitted)
        return fitted


class _News:
    """Takes up what a training tells: its run goes to the catalog."""

    def __init__(self, store: Store) -> None:
        self._catalog = store.catalog
        self._open = ""  # id of a run whose end was not told
        self.when_prepared: Callable[[], None] = lambda: None

    def __call__(self, news: News) -> None:
        """Take up one."""
        match news:
            case TrainProgress(stage="training"):
                self.when_prepared()
            case RunBegun() | RunMeasured() | RunEnded():
                runs.record(self._catalog, news)
                if isinstance(news, RunBegun):
                    self._open = news.run.run
                if isinstance(news, RunEnded):
                    self._open = ""

    def end(self, state: str, error: str) -> None:
        """End a run whose process could not say so itself."""
        if self._open and state == "failed":
            runs.record(self._catalog, RunEnded(self._open, "failed", error))
        elif self._open:
            runs.record(self._catalog, RunEnded(self._open, "stopped"))


def _result(model: ModelInfo) -> TrainResult:
    return TrainResult(
        model=f"{model.name}@{model.number}",
        run=model.run,
        steps=model.steps,
        loss=model.loss,
        bits_per_byte=model.bits_per_byte,
        seconds=model.seconds,
    )


def train(work: Training, on_progress: Heard | None) -> None:
    """Carry out a job in the calling process."""

    def run(task: Task, on_news: HeardNews = lambda _: None) -> Fitted:
        assert isinstance(task, FitTask)

        def tell(progress: TrainProgress) -> None:
            on_news(progress)
            if on_progress:
                on_progress(progress)

        return fit(task, Listener(tell=tell, record=on_news))

    work.carry_out(run)
