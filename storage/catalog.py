"""The catalog: DuckDB, opened safely, migrated by number, one cursor per call."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from errno import EACCES, EIO, EMFILE, ENFILE, ENOSPC, EPERM, EROFS
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ragstone.config import StorageSettings
from ragstone.errors import DamagedFile, RagstoneError, StorageFault, WorkspaceBusy
from ragstone.storage.files import TEMPORARY, remove, sync_file, sync_folder

CATALOG_FILE = "catalog.duckdb"
# What the operating system says when it refuses a file that may well be whole.
_REFUSALS = tuple(os.strerror(n) for n in (EACCES, EPERM, ENOSPC, EIO, EMFILE, ENFILE, EROFS))
_MIGRATION = re.compile(r"(\d{4})_\w+\.sql")


class Catalog:
    """An open catalog.

    Raises
    ------
    DamagedFile
        DuckDB cannot read the file.
    """

    def __init__(self, path: Path, settings: StorageSettings) -> None:
        self.path = path
        self._distrusted = ""  # why
        if not path.exists():
            _create(path, settings)
        try:
            self._connection = _connect(path, settings)
            _migrate(self._connection)
        except duckdb.Error as error:
            raise _explained(path, error) from error

    def close(self) -> None:
        """Write everything into the one file and close it."""
        self._connection.close()

    def distrust(self, reason: str) -> None:
        """Refuse all further use: only opening it again tells what is so."""
        self._distrusted = reason

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """All or nothing: commits when the block ends, rolls back when it raises."""
        with self._cursor() as cursor:
            cursor.begin()
            try:
                yield cursor
            except BaseException:
                cursor.rollback()
                raise
            else:
                cursor.commit()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with self._cursor() as cursor:
            return cursor.execute(sql, list(parameters)).fetchall()

    def records(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Return all rows of a query, by column name."""
        with self._cursor() as cursor:
            cursor.execute(sql, list(parameters))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def table(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """Return a query's result as an Arrow table."""
        with self._cursor() as cursor:
            return cursor.execute(sql, list(parameters)).to_arrow_table()

    def write(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Run one statement that changes rows."""
        with self.transaction() as cursor:
            cursor.execute(sql, list(parameters))

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
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


def _explained(path: Path, error: duckdb.Error) -> RagstoneError:
    """Tell a damaged file from one that is locked or may not be read."""
    message = str(error).splitlines()[0]
    if "set lock" in message:
        return WorkspaceBusy(path.parent, "a program that has its catalog open")
    if any(reason in message for reason in _REFUSALS):
        return StorageFault(f"{path} cannot be opened: {message}", "Check permissions and disk.")
    return DamagedFile(path, message)


def _create(path: Path, settings: StorageSettings) -> None:
    """Make the file under another name first: a kill during its first writes ruins it."""
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    for leftover in path.parent.glob(f"{TEMPORARY}{path.name}*"):
        remove(leftover)
    connection = _connect(temporary, settings)
    _migrate(connection)
    connection.execute("CHECKPOINT")
    connection.close()
    sync_file(temporary)
    temporary.rename(path)
    sync_folder(path.parent)


def _connect(path: Path, settings: StorageSettings) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        str(path),
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "memory_limit": f"{settings.memory_mb}MiB",
            "threads": settings.threads,
            "temp_directory": str(path.parent / f"{TEMPORARY}catalog-spill"),
        },
    )
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET enable_external_access=false")
    connection.execute("SET lock_configuration=true")
    return connection


def migrations() -> list[tuple[int, str]]:
    """Return the numbered migrations as (number, SQL), ascending."""
    folder = resources.files("ragstone.schemas.migrations")
    found = [(_MIGRATION.fullmatch(file.name), file) for file in folder.iterdir()]
    return sorted((int(m.group(1)), f.read_text(encoding="utf-8")) for m, f in found if m)


def _migrate(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (number INTEGER NOT NULL, applied TIMESTAMP)"
    )
    done = {number for (number,) in connection.execute("SELECT number FROM migrations").fetchall()}
    for number, sql in migrations():
        if number not in done:
            connection.begin()
            connection.execute(sql)
            connection.execute("INSERT INTO migrations VALUES (?, ?)", [number, now()])
            connection.commit()
