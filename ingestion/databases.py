"""Databases that are only read: SQLite by the standard library, others through SQLAlchemy."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from ragstone.errors import DatabaseUnavailable, SourceUnavailable, UnknownSource
from ragstone.ingestion.passwords import safe_url, stored_password
from ragstone.ingestion.tabular import path_text

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

_BATCH = 1_000  # rows fetched at a time
_SQLITE = "sqlite:"
_PACKAGES = "sqlalchemy pg8000"
_PORT = 5432  # of PostgreSQL
# What a statement may do in a SQLite file.
_ALLOWED = frozenset(
    (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
)


class Database(Protocol):
    """A database that can be read."""

    @property
    def place(self) -> str:
        """Its URL without user, password and options."""
        ...

    def columns(self, select: str) -> list[str]:
        """Return the columns of a SELECT that has no limit yet.

        Raises
        ------
        ValueError
            The database refuses it; the message says why.
        DatabaseUnavailable
            It does not answer.
        """
        ...

    def rows(self, select: str) -> Iterator[Sequence[Any]]:
        """Yield the rows of a SELECT, all as they were at one moment; raises as `columns`."""
        ...


def open_sql(where: str) -> Database:
    """Open the database at a URL; nothing is asked of it yet.

    Raises
    ------
    UnknownSource
        There is no such file.
    SourceUnavailable
        The packages for it are not installed.
    """
    if where.lower().startswith(_SQLITE):
        path = sqlite_path(where)
        if not path.is_file():
            raise UnknownSource(where)
        return SqliteDatabase(path.resolve())
    return SqlAlchemyDatabase(where)


def sqlite_path(where: str) -> Path:
    """Return the file that `sqlite:PATH` or `sqlite:///PATH` names.

    As SQLAlchemy has it, a path after three slashes is relative and `sqlite:////tmp/a.db` is not;
    where that names nothing, `sqlite:///tmp/a.db` is read as an absolute path too.
    """
    rest = where[len(_SQLITE) :]
    if not rest.startswith("//"):
        return Path(rest).expanduser().absolute()
    named = Path(rest.removeprefix("//").removeprefix("/")).expanduser().absolute()
    rooted = Path("/") / rest.lstrip("/")
    return rooted if not named.exists() and rooted.exists() else named


class SqliteDatabase:
    """A SQLite file, opened so that nothing in it or in a query can write or run anything."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.place = f"sqlite:///{path_text(path)}"

    def columns(self, select: str) -> list[str]:
        """Return the columns of a SELECT."""
        with self._reading(f"{select} LIMIT 0") as cursor:
            return [column[0] for column in cursor.description]

    def rows(self, select: str) -> Iterator[Sequence[Any]]:
        """Yield the rows of a SELECT."""
        with self._reading(select) as cursor:
            yield from cursor

    @contextmanager
    def _reading(self, statement: str) -> Iterator[sqlite3.Cursor]:
        url = f"file:{quote(os.fsencode(self._path))}?mode=ro"
        try:
            # Whoever reads the rows may do so in another thread, one at a time.
            with closing(sqlite3.connect(url, uri=True, check_same_thread=False)) as connection:
                connection.text_factory = lambda text: text.decode("utf-8", "replace")
                connection.execute("PRAGMA trusted_schema = OFF")
                connection.execute("PRAGMA query_only = ON")
                connection.set_authorizer(_authorised)
                yield connection.execute(statement)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise ValueError(str(error)) from error


def _authorised(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


class SqlAlchemyDatabase:
    """A database that SQLAlchemy reaches; PostgreSQL through pg8000 unless the URL says how."""

    def __init__(self, url: str) -> None:
        self.place = safe_url(url)
        self._engine = _engine(url, self.place)

    def columns(self, select: str) -> list[str]:
        """Return the columns of a SELECT."""
        with self._connected() as connection:
            return list(connection.exec_driver_sql(f"{select} LIMIT 0").keys())

    def rows(self, select: str) -> Iterator[Sequence[Any]]:
        """Yield the rows of a SELECT, a thousand at a time from the server."""
        with self._connected() as connection:
            streaming = connection.execution_options(stream_results=True, max_row_buffer=_BATCH)
            yield from streaming.exec_driver_sql(select)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        connection = self._connect()
        try:
            with connection:
                yield connection
        except SQLAlchemyError as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise DatabaseUnavailable(self.place, self._reason(error)) from None
            raise ValueError(self._reason(error)) from None

    def _connect(self) -> Connection:
        from sqlalchemy.exc import SQLAlchemyError

        options: dict[str, Any] = {"isolation_level": "REPEATABLE READ"}
        if self._engine.dialect.name == "postgresql":
            options["postgresql_readonly"] = True
        try:
            return self._engine.connect().execution_options(**options)
        except (SQLAlchemyError, TypeError) as error:
            # The context would show the connection's arguments.
            raise DatabaseUnavailable(self.place, self._reason(error)) from None

    def _reason(self, error: Exception) -> str:
        """Return what the server says, on one line, without the password."""
        said = getattr(error, "orig", None) or error
        first = said.args[0] if said.args else ""
        reason = str(first.get("M", first) if isinstance(first, dict) else first or said)
        password = self._engine.url.password
        if password:
            reason = reason.replace(str(password), "***")
        return " ".join(reason.split())[:300]


def _engine(url: str, place: str) -> Engine:
    try:
        from sqlalchemy import create_engine
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import SQLAlchemyError
        from sqlalchemy.pool import NullPool
    except ImportError as error:
        raise _missing(place) from error
    try:
        parsed = make_url(url)
        options: dict[str, Any] = {}
        if parsed.drivername in ("postgresql", "postgres"):
            options = _encryption(str(parsed.query.get("sslmode", "")))
            parsed = parsed.set(drivername="postgresql+pg8000").difference_update_query(["sslmode"])
        parsed = parsed.set(password=_password(parsed))
        return create_engine(parsed, poolclass=NullPool, connect_args=options)
    except ImportError as error:
        raise _missing(place) from error
    except (SQLAlchemyError, ValueError):
        # Its own message may show parts of the password.
        raise UnknownSource(place) from None


def _password(url: URL) -> str | None:
    """Return the password for a server, which its URL does not hold."""
    user = url.username or ""
    return stored_password(url.host or "localhost", url.port or _PORT, url.database or user, user)


def _encryption(mode: str) -> dict[str, Any]:
    """Return what pg8000 calls an `sslmode` of PostgreSQL; its default is to encrypt if it can."""
    import ssl

    if mode.startswith("verify"):
        return {"ssl_context": ssl.create_default_context()}
    return {"require": {"ssl_context": True}, "disable": {"ssl_context": False}}.get(mode, {})


def _missing(place: str) -> SourceUnavailable:
    return SourceUnavailable(place, _PACKAGES)
