"""How a workspace is used: searches are noted in memory and kept in batches, beside the answers."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ragstone.errors import RagstoneError, UnknownDataset
from ragstone.retrieval.question import check_number
from ragstone.schemas.insight import Usage, UsageFigures
from ragstone.storage import usage as kept
from ragstone.storage.catalog import now, utc
from ragstone.storage.usage import Searched

if TYPE_CHECKING:
    from ragstone.config import UsageSettings
    from ragstone.schemas.api import SearchResult
    from ragstone.storage.store import Store

_BATCH = 500  # searches that are written at once, by a thread of their own
_SECONDS = 10.0  # after which a smaller batch is written, too: what a crash may lose
_MOST_DAYS = 3_650

logger = logging.getLogger(__name__)


class UsageDesk:
    """Notes searches and counts what was asked; safe to use from several threads.

    A search waits for nothing: its note goes to a list, which a thread writes.
    """

    def __init__(self, store: Store, settings: UsageSettings) -> None:
        self._store, self._settings = store, settings
        self._lock = threading.Lock()
        self._waiting: list[Searched] = []
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def note(self, found: SearchResult, seconds: float, principal: str) -> None:
        """Note a search that was answered, unless the settings say not to."""
        if not self._settings.record:
            return
        try:
            dataset_id = self._store.head(found.dataset).dataset_id
        except UnknownDataset:  # it went meanwhile
            return
        query = found.query if self._settings.queries else ""
        mode = "similar" if found.like else found.mode
        row = Searched(_utc_now(), dataset_id, principal, mode, seconds, len(found.hits), query)
        with self._lock:
            self._waiting.append(row)
            full = len(self._waiting) >= _BATCH
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._write, daemon=True)
                self._thread.start()
        if full:
            self._wake.set()

    def flush(self) -> None:
        """Keep what was noted.

        Raises
        ------
        StorageFault
            It could not be written, and is lost.
        """
        with self._lock:
            rows, self._waiting = self._waiting, []
        if rows:
            oldest = _utc_now() - timedelta(days=self._settings.keep_days)
            kept.insert(self._store.catalog, rows, oldest)

    def close(self) -> None:
        """Keep what was noted, and end the thread."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._flush_or_warn()

    def usage(self, days: int, dataset: str | None) -> Usage:
        """See `Workspace.usage`."""
        check_number("days", days, 1, _MOST_DAYS)
        self.flush()
        since = _utc_now() - timedelta(days=days)
        dataset_id = None if dataset is None else self._store.head(dataset).dataset_id
        catalog = self._store.catalog
        total = kept.figures(catalog, "all", since, dataset_id)
        return Usage(
            since=utc(since),
            recording=self._settings.record,
            total=total[0] if total else UsageFigures(""),
            days=kept.figures(catalog, "day", since, dataset_id),
            datasets=kept.figures(catalog, "dataset", since, dataset_id),
            people=kept.figures(catalog, "principal", since, dataset_id),
        )

    def _write(self) -> None:
        while not self._closed:
            self._wake.wait(_SECONDS)
            self._wake.clear()
            self._flush_or_warn()

    def _flush_or_warn(self) -> None:
        """Keep what was noted; searches go on where that fails."""
        try:
            self.flush()
        except RagstoneError as error:
            logger.warning("Searches could not be noted: %s", error)


def _utc_now() -> datetime:
    """Return the time as the catalog keeps it: UTC, without a zone."""
    return now().replace(tzinfo=None)
