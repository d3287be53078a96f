"""Databases as sources: each row of a table or a query is an object.

No name, source or message ever holds what lets one into a database.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

from ragstone.errors import DatabaseUnavailable, InvalidArgument, MalformedInput
from ragstone.ingestion.databases import Database, open_sql
from ragstone.ingestion.options import Cursor, SourceOptions
from ragstone.ingestion.pages import LISTING
from ragstone.ingestion.parsers.base import clean
from ragstone.ingestion.parsers.templates import text_fields
from ragstone.ingestion.tabular import Free
from ragstone.ingestion.values import plain, row_json
from ragstone.schemas.records import Raw, RowColumns

Row = dict[str, Any]


# Strings, quoted names and comments, as PostgreSQL reads them; the `;` outside of them, for a
# driver may send all that stands behind one as a statement of its own.
_LEXEMES = re.compile(
    r"""(?<!\w)[eE]'(?:[^'\\]|\\.|'')*' | '[^']*' | "[^"]*" | --[^\n]* | /\*.*?\*/
    | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$ | ;""",
    re.DOTALL | re.VERBOSE,
)


class SqlSource:
    """The rows of a table or a query, ordered by cursor and key.

    Each row is a source `URL#KEY`, the URL without user and password. Columns without a value are
    left out; of binary ones size and digest are kept. When rows after some cursor are read, a row
    that is not among them may still be in the database.
    """

    def __init__(self, database: Database, options: SourceOptions, columns: RowColumns) -> None:
        self._database = database
        self._key = options.key or ""
        self._columns = RowColumns(columns.text, columns.name or self._key)
        self._fields = frozenset(text_fields(columns.text))
        self._cursor, self._after = options.cursor, options.after
        self._base = base_of(database.place, options)
        self._select = _select(options)
        self._names = self._check(options)
        self.last_cursor: Cursor | None = options.after  # of the rows yielded so far

    @property
    def total(self) -> int | None:
        """Unknown: counting the rows of a query may take as long as reading them."""
        return None

    @property
    def has_cursor(self) -> bool:
        """True when a row that is not yielded may still be in the database."""
        return self._cursor is not None

    def raws(self) -> Iterator[Raw]:
        """Yield each row; when the database breaks off, an object that says so at the end.

        That object has `pages.LISTING` in its metadata.
        """
        free = Free()
        statement = self._statement()
        self.last_cursor = self._after
        try:
            for values in self._database.rows(statement):
                yield self._raw(dict(zip(self._names, values, strict=True)), free)
        except (ValueError, DatabaseUnavailable) as error:
            reason = f"the database broke off: {error}"
            problem = MalformedInput("SQL", clean(reason))
            yield Raw(self._base, self._base, metadata={LISTING: True}, problem=problem)

    def _raw(self, row: Row, free: Free) -> Raw:
        if self._cursor is not None:
            value = _as_cursor(row[self._cursor])
            self.last_cursor = self.last_cursor if value is None else value
        if row[self._key] is None:
            problem = MalformedInput("SQL row", f"its key {self._key} is NULL")
            return Raw(f"{self._base}#{free('NULL')}", "NULL", problem=problem)
        key = clean(str(plain(row[self._key])))
        named = row.get(self._columns.name or self._key)
        kept = {k: v for k, v in row.items() if v is not None or k in self._fields}
        return Raw(
            source=f"{self._base}#{free(key)}",
            name=key if named is None else clean(str(plain(named))),
            content=row_json(kept),
            columns=self._columns,
        )

    def _statement(self) -> str:
        order = [_quoted(name) for name in (self._cursor, self._key) if name]
        where = ""
        if self._cursor is not None and self._after is not None:
            where = f" WHERE {_quoted(self._cursor)} > {_literal(self._after)}"
        return f"{self._select}{where} ORDER BY {', '.join(order)}"

    def _check(self, options: SourceOptions) -> list[str]:
        """Return the columns; raise `InvalidArgument` when one that is named is not there."""
        what = "table" if options.table is not None else "query"
        try:
            names = self._database.columns(self._select)
        except ValueError as error:
            expected = f"what the database can read ({clean(str(error))})"
            raise InvalidArgument(what, options.table or options.query, expected) from error
        there = ", ".join(names)
        for argument in ("key", "cursor"):
            value = getattr(options, argument)
            if value is not None and value not in names:
                raise InvalidArgument(argument, value, f"one of the columns: {there}")
        for piece in self._columns.text:
            if not set(names).issuperset(text_fields([piece])):
                raise InvalidArgument("text", piece, f"columns of the {what}: {there}")
        free = Free()
        return [free(name) for name in names]


def base_of(place: str, options: SourceOptions) -> str:
    """Return what stands before `#` in the sources of a database; `place` holds no password."""
    table = options.table
    return place if table is None else f"{place}?table={quote(table, safe='.')}"


def open_database(where: str, options: SourceOptions) -> SqlSource:
    """Open `sqlite:///PATH` or `postgresql://USER@HOST/NAME`.

    Raises
    ------
    UnknownSource
        There is no such file.
    SourceUnavailable, DatabaseUnavailable
        A package is missing, or the database does not answer.
    InvalidArgument
        The options do not say what to read, or name columns that are not there.
    """
    if (options.table is None) == (options.query is None):
        raise InvalidArgument("table", options.table, "one of: a table or a query to read")
    if options.key is None:
        raise InvalidArgument("key", None, "the column that names each row")
    if options.columns is None:
        raise InvalidArgument("text", None, "the columns that are the text of a row")
    return SqlSource(open_sql(where), options, options.columns)


def _select(options: SourceOptions) -> str:
    """Return the statement whose rows are read, as a table that can be ordered."""
    if options.table is not None:
        return f"SELECT * FROM {'.'.join(map(_quoted, options.table.split('.')))}"  # noqa: S608
    query = (options.query or "").strip().rstrip(";")
    if any(match[0] == ";" for match in _LEXEMES.finditer(query)):
        raise InvalidArgument("query", options.query, "a single SELECT, without ';' in it")
    return f"SELECT * FROM ({query}\n) AS ragstone_rows"  # noqa: S608  # asked for as it stands


def _as_cursor(value: Any) -> Cursor | None:
    """Return what SQL can be asked with later; None for a value without such a form.

    Rows are in the order of the cursor, so keeping an earlier value instead loses none.
    """
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        return None
    if isinstance(value, int | float | str):
        return value
    if isinstance(value, date | time | Decimal | UUID):
        known: Cursor = plain(value)
        return known
    return None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: Cursor) -> str:
    """Return a value as SQL writes it; a text takes the type of what it is compared with.

    No parameter, because a driver that looks for their places finds them in the text of queries.
    """
    if isinstance(value, str):
        return "'" + value.replace("'", "''").replace("\0", "") + "'"
    return repr(value)
