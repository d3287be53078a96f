"""The second step of making a map, in the owner of the workspace: keep it with its version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import monotonic
from typing import TYPE_CHECKING

from ragstone.jobs.folder import JobFolder
from ragstone.jobs.place import Placed, PlaceTask, place
from ragstone.jobs.work import HeardNews, Run, StateAfter, Task, mark, state_after
from ragstone.schemas.api import MapResult
from ragstone.storage import maps

if TYPE_CHECKING:
    from ragstone.config import Settings
    from ragstone.jobs.records import Records
    from ragstone.jobs.spec import MapSpec
    from ragstone.storage.store import Store


@dataclass(frozen=True, slots=True)
class MapMaking:
    """A job of this workspace, to be carried out."""

    store: Store
    records: Records
    job: str
    spec: MapSpec
    settings: Settings

    def carry_out(
        self,
        run: Run,
        may_commit: Callable[[], None] = lambda: None,
        state_after: StateAfter = state_after,
    ) -> None:
        """As `Work.carry_out`.

        Raises
        ------
        UnknownVersion, CollectedVersion
            The version is not kept any more.
        InvalidArgument, MissingExtra, DamagedFile
            As `mapping.plane`.
        """
        self.records.start(self.job, self.spec)
        try:
            result = self._made(run, may_commit)
        except BaseException as error:
            mark(self.records, self.job, state_after(error), error)
            raise
        self.records.done(self.job, self.spec.dataset, result)
        JobFolder(self.store.root, self.job).tidy()

    def _made(self, run: Run, may_commit: Callable[[], None]) -> MapResult:
        started, spec, store = monotonic(), self.spec, self.store
        with store.keeping():
            manifest = store.resolve(f"{spec.dataset}@{spec.version}")
            task = PlaceTask(store.root, self.job, self.settings, manifest, spec.space, spec.method)
            placed = run(task)
            assert isinstance(placed, Placed)
            may_commit()
            maps.keep(store.root, manifest, spec.space, spec.method, asdict(placed.plane))
        return MapResult(
            version=spec.version,
            space=spec.space,
            method=spec.method,
            placed=len(placed.plane.items),
            seconds=round(monotonic() - started, 3),
        )


def make_map(work: MapMaking) -> None:
    """Carry out a job in the calling process."""

    def run(task: Task, on_news: HeardNews = lambda _: None) -> Placed:  # noqa: ARG001
        assert isinstance(task, PlaceTask)
        return place(task)

    work.carry_out(run)
