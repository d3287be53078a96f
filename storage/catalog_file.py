"""The catalog's files: made, copied and replaced so that no crash can take what was committed.

DuckDB's checkpoint rewrites a block of the file in place, and a write torn there makes all of it
unreadable. So none is ever made in the file in use: commits are appended to the log beside it, and
now and then file and log are written together into a new file (`rewrite`), which takes the place of
both in one step:

catalog.duckdb.next gets its name  the commit: from here on file and log are of the past
catalog.duckdb.wal is deleted      it belongs to the old file, and must not meet the new one
catalog.duckdb.next is renamed     to catalog.duckdb

Whoever opens the workspace and finds a `.next` goes on from there (`finish`).
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from errno import EACCES, EIO, EMFILE, ENFILE, ENOSPC, EPERM, EROFS
from importlib import resources
from pathlib import Path

import duckdb
from ulid import ULID

from ragstone.config import StorageSettings
from ragstone.errors import DamagedFile, RagstoneError, StorageFault, WorkspaceBusy
from ragstone.storage.files import TEMPORARY, remove, sync_file, sync_folder, write_durably

BATCH = 122_880  # rows that a copy holds in memory; a row group of DuckDB
# What the operating system says when it refuses a file that may well be whole.
_REFUSALS = tuple(os.strerror(n) for n in (EACCES, EPERM, ENOSPC, EIO, EMFILE, ENFILE, EROFS))
_MIGRATION = re.compile(r"(\d{4})_\w+\.sql")

logger = logging.getLogger(__name__)


def log_of(path: Path) -> Path:
    """Return where DuckDB keeps what was committed after the file at `path` was written."""
    return path.with_name(f"{path.name}.wal")


def temporary_of(path: Path) -> Path:
    """Return the name under which what will be `path` is written."""
    return path.with_name(f"{TEMPORARY}{path.name}")


def _next_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")


# ---------------------------------------------------------------- opening


def opened(path: Path, settings: StorageSettings) -> duckdb.DuckDBPyConnection:
    """Open the catalog at `path`, with all migrations.

    Raises
    ------
    DamagedFile
        DuckDB cannot read it.
    """
    if not path.stat().st_size:  # DuckDB would make a new one of it
        raise DamagedFile(path, "it is empty")
    try:
        connection = connect(path, settings)
        try:
            migrate(connection)
        except BaseException:
            connection.close()
            raise
    except duckdb.Error as error:
        raise explained(path, error) from error
    return connection


def connect(path: Path, settings: StorageSettings) -> duckdb.DuckDBPyConnection:
    """Open a catalog whose file is not written in place: commits go to its log and stay there."""
    connection = _connect(path, settings)
    # There is no "never". DuckDB also leaves out the log when a transaction is large, but only on
    # its way to a checkpoint.
    connection.execute("SET wal_autocheckpoint = '1000TB'")
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")
    return _locked_down(connection)


def _connect(path: Path, settings: StorageSettings) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        str(path),
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "memory_limit": f"{settings.memory_mb}MiB",
            "threads": settings.threads,
            "temp_directory": str(path.parent / f"{TEMPORARY}{path.stem}-spill"),
        },
    )


def _locked_down(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET enable_external_access=false")
    connection.execute("SET lock_configuration=true")
    return connection


def explained(path: Path, error: duckdb.Error) -> RagstoneError:
    """Tell a damaged file from one that is locked or may not be read."""
    message = str(error).splitlines()[0]
    if "set lock" in message:
        return WorkspaceBusy(path.parent, "a program that has its catalog open")
    if any(reason in message for reason in _REFUSALS):
        return StorageFault(f"{path} cannot be opened: {message}", "Check permissions and disk.")
    return DamagedFile(path, message)


def migrations() -> list[tuple[int, str]]:
    """Return the numbered migrations as (number, SQL), ascending."""
    folder = resources.files("ragstone.schemas.migrations")
    found = [(_MIGRATION.fullmatch(file.name), file) for file in folder.iterdir()]
    return sorted((int(m.group(1)), f.read_text(encoding="utf-8")) for m, f in found if m)


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Run the migrations that the catalog has not seen."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (number INTEGER NOT NULL, applied TIMESTAMP)"
    )
    done = {number for (number,) in connection.execute("SELECT number FROM migrations").fetchall()}
    for number, sql in migrations():
        if number not in done:
            connection.begin()
            connection.execute(sql)
            applied = datetime.now(UTC)
            connection.execute("INSERT INTO migrations VALUES (?, ?)", [number, applied])
            connection.commit()


# ---------------------------------------------------------------- new files


@contextmanager
def _fresh(path: Path, settings: StorageSettings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a new catalog to fill; afterwards it is closed, durable and needs no log."""
    discard(path)
    connection = _locked_down(_connect(path, settings))
    try:
        yield connection
        connection.execute("CHECKPOINT")
        connection.close()
        sync_file(path)
    except BaseException:
        connection.close()
        with suppress(OSError):  # what remains has a temporary name
            discard(path)
        raise


def discard(path: Path) -> None:
    """Delete an unfinished file with its logs."""
    for leftover in [p for p in path.parent.iterdir() if p.name.startswith(path.name)]:
        remove(leftover)


def create(path: Path, settings: StorageSettings) -> None:
    """Make an empty catalog at `path`.

    It is made under another name first: a kill during the first writes of a file ruins it.
    """
    if log_of(path).exists():  # of a file that is gone; it would be read as the new one's
        logger.warning("%s has no catalog; it was moved to %s", log_of(path), set_aside(path).name)
    temporary = temporary_of(path)
    with _fresh(temporary, settings) as connection:
        migrate(connection)
    temporary.rename(path)
    sync_folder(path.parent)


def rewrite(cursor: duckdb.DuckDBPyConnection, path: Path, settings: StorageSettings) -> None:
    """Write all rows that `cursor` sees at this moment, and nothing else, into a new file.

    Deleted rows stay in the blocks of the file in use; the new one has never held them.
    """
    tables = "SELECT table_name, sql FROM duckdb_tables() WHERE NOT internal ORDER BY table_oid"
    with _fresh(path, settings) as fresh:
        cursor.begin()
        fresh.begin()
        try:
            for table, sql in cursor.execute(tables).fetchall():
                rows = cursor.execute(f'FROM "{table}"').to_arrow_reader(BATCH)
                fresh.execute(sql)
                fresh.register("incoming", rows)
                fresh.execute(f'INSERT INTO "{table}" FROM incoming')
                fresh.unregister("incoming")
            for (sql,) in cursor.execute("SELECT sql FROM duckdb_indexes()").fetchall():
                fresh.execute(sql)
            fresh.commit()
        finally:
            cursor.rollback()


def publish(path: Path) -> None:
    """Let the new file that was written beside take the place of `path`, which nobody has open."""
    temporary_of(path).rename(_next_of(path))
    finish(path)


def finish(path: Path) -> None:
    """Do what is left of a `publish`, from wherever it was stopped."""
    following = _next_of(path)
    if not following.exists():
        return
    sync_folder(path.parent)  # its name has to last before anything of the old one goes
    log_of(path).unlink(missing_ok=True)
    sync_folder(path.parent)
    following.replace(path)
    sync_folder(path.parent)


# ---------------------------------------------------------------- damage


def repair(path: Path, settings: StorageSettings) -> str:
    """Make way for a catalog that opens; return what was done, in words.

    A log whose end is damaged, as a power failure may leave it, is cut there. Where the file itself
    cannot be read, both are moved aside. Nothing is deleted.
    """
    whole = _readable(path, settings)
    if whole is None:
        return f"catalog (the damaged one is {set_aside(path).name})"
    log = log_of(path)
    aside = log_of(_damaged(path))
    os.link(log, aside)
    write_durably(log, log.read_bytes()[:whole])
    return f"catalog log, cut where it is damaged (all of it is {aside.name})"


def _readable(path: Path, settings: StorageSettings) -> int | None:
    """Return how many bytes of the log can be read; None when the log is not what is wrong."""
    log = log_of(path).read_bytes() if log_of(path).exists() else b""
    if not (log and path.stat().st_size):
        return None
    trial = temporary_of(path)
    discard(trial)
    shutil.copyfile(path, trial)

    def opens(length: int) -> bool:
        log_of(trial).write_bytes(log[:length])
        try:
            connect(trial, settings).close()
        except duckdb.Error:
            return False
        return True

    try:
        if not opens(0) or opens(len(log)):
            return None
        low, high = 0, len(log)  # what opens, and what does not
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if opens(middle) else (low, middle)
        return low
    finally:
        discard(trial)


def set_aside(path: Path) -> Path:
    """Move a catalog and its log away, under a name that says why; return it."""
    aside = _damaged(path)
    for old, new in ((path, aside), (log_of(path), log_of(aside))):
        if old.exists():
            old.rename(new)
    sync_folder(path.parent)
    return aside


def _damaged(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged-{ULID()}")
