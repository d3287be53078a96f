"""The catalog: DuckDB, opened safely, migrated by number, one cursor per call.

Commits go to a log beside the file. When it has grown, both are written into a new file that takes
their place (`compact`); how that survives a crash is told in `catalog_file`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ragstone.config import StorageSettings
from ragstone.errors import StorageFault
from ragstone.storage import catalog_file
from ragstone.storage.files import make_folder, sync_folder
from ragstone.storage.sharing import SharedLock

CATALOG_FILE = "catalog.duckdb"
# Opening reads the log: 6 ms for a MiB of bulk rows, 20 to 40 for one of jobs and answers, 0.1 ms
# for a commit however small. So these keep it below half a second; and compacting, which takes a
# second for a million chunks, is left until the log is a fair part of the file.
LOG_BYTES = 8 * 2**20
LOG_SHARE = 0.25  # of the file
LOG_COMMITS = 4_000  # by this process

logger = logging.getLogger(__name__)


class Catalog:
    """An open catalog; any number of threads may use it.

    One transaction at a time: a second one waits. Queries never wait for transactions.

    Raises
    ------
    DamagedFile
        DuckDB cannot read the file.
    """

    def __init__(self, path: Path, settings: StorageSettings) -> None:
        self.path = path
        self._settings = settings
        self._distrusted = ""  # why
        self._use = SharedLock()  # of the connection; alone, to put another in its place
        self._copying = threading.Lock()  # taken before `_writing`
        self._writing = threading.RLock()
        self._writer = 0  # the thread that is in a transaction
        self._commits = 0  # since the log was empty, or this opening
        self._compacts = True  # by itself
        self._closed = False
        catalog_file.finish(path)
        if not path.exists():
            catalog_file.create(path, settings)
        self._log = catalog_file.log_of(path)
        self._log_named = self._log.exists()  # durably; after a crash, the store has synced
        self._connection = catalog_file.opened(path, settings)
        self._name_log()

    def close(self) -> None:
        """Close the file, compacted when its log has grown; a second call does nothing."""
        with self._copying, self._writing:
            if self._closed:
                return
            self._closed = True
            written = self._due() and not self._distrusted and self._try_rewriting()
            with self._use.alone():
                self._connection.close()
                if written:
                    with self._must_succeed("closing the catalog"):
                        catalog_file.publish(self.path)

    def distrust(self, reason: str) -> None:
        """Refuse all further use: only opening it again tells what is so."""
        self._distrusted = reason

    # ------------------------------------------------------------ compacting and copying

    def compact(self, *, fresh: bool = False) -> None:
        """Write file and log into a new file, when the log has grown.

        Queries go on meanwhile, but for a moment at the end; transactions wait.

        Parameters
        ----------
        fresh
            Do it in any case: afterwards no file of the catalog holds a byte of deleted rows.

        Raises
        ------
        StorageFault
            It could not be done. When the new file could not be written, all is as before.
        """
        self._not_within_transaction()
        with self._copying, self._writing:
            if not (fresh or self._due()):
                return
            try:
                self._rewrite()
            except (OSError, duckdb.Error) as error:
                problem = f"The catalog could not be compacted: {error}"
                raise StorageFault(problem, "Free disk space or check the disk.") from error
            self._replace()

    def copy_to(self, path: Path) -> None:
        """Write a complete copy, as of now, that needs no log; nobody waits for it.

        A file at `path` is replaced. Raises OSError or StorageFault when it cannot be written.
        """
        self._not_within_transaction()
        make_folder(path.parent)
        temporary = catalog_file.temporary_of(path)
        with self._copying:
            try:
                with self.cursor() as cursor:
                    catalog_file.rewrite(cursor, temporary, self._settings)
            except duckdb.Error as error:
                problem = f"{path} could not be written: {error}"
                raise StorageFault(problem, "Free disk space or check the disk.") from error
        temporary.replace(path)
        sync_folder(path.parent)

    def _due(self) -> bool:
        log = self._log.stat().st_size if self._log.exists() else 0
        grown = log > LOG_BYTES and log > LOG_SHARE * self.path.stat().st_size
        return grown or self._commits > LOG_COMMITS

    def _compact_when_due(self) -> None:
        """Compact after a commit, which has been acknowledged: nothing is raised here."""
        if not (self._compacts and self._due() and self._copying.acquire(blocking=False)):
            return
        try:
            with self._writing:
                if self._due() and self._try_rewriting():
                    self._replace()
        except StorageFault as error:  # the next use says so
            logger.warning("%s", error)
        finally:
            self._copying.release()

    def _try_rewriting(self) -> bool:
        try:
            self._rewrite()
        except (OSError, duckdb.Error, StorageFault) as error:
            logger.warning("The catalog stays as it is; compacting failed: %s", error)
            self._compacts = False  # not again and again; closing tries once more
            return False
        return True

    def _rewrite(self) -> None:
        with self.cursor() as cursor:
            temporary = catalog_file.temporary_of(self.path)
            catalog_file.rewrite(cursor, temporary, self._settings)

    def _replace(self) -> None:
        with self._use.alone(), self._must_succeed("replacing the catalog"):
            self._connection.close()
            catalog_file.publish(self.path)
            self._connection = catalog_file.connect(self.path, self._settings)
            self._log_named = False
            self._commits = 0

    @contextmanager
    def _must_succeed(self, what: str) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.distrust(f"{what} failed: {error}")
            if isinstance(error, OSError | duckdb.Error):
                raise must_reopen(self._distrusted) from error
            raise

    def _not_within_transaction(self) -> None:
        if self._writer == threading.get_ident():
            problem = "the catalog is copied or compacted within a transaction"
            raise RuntimeError(problem)

    # ------------------------------------------------------------ using

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """All or nothing: commits when the block ends, rolls back when it raises."""
        with self._writing:
            outer, self._writer = self._writer, threading.get_ident()
            try:
                with self.cursor() as cursor:
                    cursor.begin()
                    try:
                        yield cursor
                    except BaseException:
                        cursor.rollback()
                        raise
                    else:
                        cursor.commit()
            finally:
                self._writer = outer
            self._commits += 1
            self._name_log()
        if not outer:
            self._compact_when_due()

    def _name_log(self) -> None:
        """Make the name of a new log durable: DuckDB flushes what is in it."""
        if not self._log_named and self._log.exists():
            with self._must_succeed("flushing the catalog's log"):
                sync_folder(self.path.parent)
            self._log_named = True

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with self.cursor() as cursor:
            return cursor.execute(sql, list(parameters)).fetchall()

    def records(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Return all rows of a query, by column name."""
        with self.cursor() as cursor:
            cursor.execute(sql, list(parameters))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def table(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """Return a query's result as an Arrow table."""
        with self.cursor() as cursor:
            return cursor.execute(sql, list(parameters)).to_arrow_table()

    def write(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run one statement that changes rows."""
        with self.transaction() as cursor:
            cursor.execute(sql, list(parameters))

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Read with a cursor of one's own, which tables may be registered with."""
        with self._use.shared():
            if self._distrusted:
                raise must_reopen(self._distrusted)
            cursor = self._connection.cursor()
            try:
                yield cursor
            except duckdb.FatalException as error:  # a failed fsync; DuckDB refuses what follows
                self.distrust(str(error).splitlines()[0])
                raise must_reopen(self._distrusted) from error
            finally:
                cursor.close()


def must_reopen(reason: str) -> StorageFault:
    """Return the error for what only opening the workspace again can mend."""
    problem = f"The workspace cannot go on: {reason}"
    return StorageFault(problem, "Check the disk, close the workspace and open it again.")


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def utc(value: datetime) -> datetime:
    """Return a time as the catalog keeps it (UTC without a zone) with its zone."""
    return value.replace(tzinfo=UTC)
