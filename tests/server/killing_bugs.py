"""Bugs that a server has when a test asks for them: each must be caught by the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def plant(name: str) -> None:
    """Give this process the bug `name`; none when it is empty."""
    if name:
        BUGS[name]()


def acknowledge_before_the_commit() -> None:
    """A job is done as soon as all is computed; its version comes a moment later."""
    from ragstone.jobs.commit import Ingestion
    from ragstone.schemas.api import ItemCounts, JobResult

    honest = Ingestion._try

    def hasty(self: Ingestion, run: Any, may_commit: Callable[[], None]) -> Any:
        def early() -> None:
            may_commit()
            head = self.store._heads.get(self.spec.dataset)
            number = head.version + 1 if head else 1
            result = JobResult(number, ItemCounts(), chunks=0, resumed=0, seconds=0)
            self.records.done(self.job, self.spec.dataset, result)
            time.sleep(0.3)

        return honest(self, run, early)

    Ingestion._try = hasty  # type: ignore[method-assign]


def publish_in_parts() -> None:
    """A job with many sources is taken as two."""
    from ragstone.workspace import Workspace

    honest = Workspace.submit

    def halving(self: Workspace, sources: Any, dataset: str, **kept: Any) -> Any:
        half = len(sources) // 2
        if half:
            honest(self, sources[:half], dataset, **kept)
        return honest(self, sources[half:], dataset, **kept)

    Workspace.submit = halving  # type: ignore[method-assign]


def lose_the_newest_version() -> None:
    """A start after a crash takes the newest version of each dataset for a leftover."""
    from ragstone.storage import manifests, recovery
    from ragstone.storage.files import remove

    honest = recovery.open_catalog

    def eager(root: Any, settings: Any) -> Any:
        for folder in (root / "datasets").glob("*"):
            if numbers := manifests.numbers(folder):
                remove(manifests.version_path(folder, max(numbers)))
        return honest(root, settings)

    recovery.open_catalog = eager


def forget_what_was_asked() -> None:
    """A start after a crash does not go on with the jobs."""
    from ragstone.jobs.records import Records

    Records.waiting = lambda _: []  # type: ignore[method-assign]


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        acknowledge_before_the_commit,
        publish_in_parts,
        lose_the_newest_version,
        forget_what_was_asked,
    )
}
