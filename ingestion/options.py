"""How a place is read: which of its objects, and what becomes of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ragstone.errors import InvalidArgument
from ragstone.schemas.records import RowColumns

Cursor = int | float | str  # a value that JSON holds; times are ISO 8601


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """All that `open_source` is told beside the place itself; the defaults take everything.

    Parameters
    ----------
    columns
        Set, it makes the rows of tables objects of their own.
    include, exclude
        Globs on the path below the source; what is excluded is not read at all.
    follow
        Read symbolic links that lead out of the folder too; the others are read anyway.
    hidden
        Read what begins with a dot too.
    archives
        Take the members of zip and tar archives, not the archives.
    captions
        Path of a table with a column of file names, whose other columns are their captions and
        metadata.
    query, table
        What to read of a database: one of them.
    key
        The column of a database that names each row.
    cursor, after
        A column of a database that only ever grows, and its last value that was read: rows at or
        below it are left out.
    """

    columns: RowColumns | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    follow: bool = False
    hidden: bool = False
    archives: bool = True
    captions: str | None = None
    query: str | None = None
    table: str | None = None
    key: str | None = None
    cursor: str | None = None
    after: Cursor | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold, without what is left at its default."""
        return {
            field.name: asdict(value) if isinstance(value, RowColumns) else value
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SourceOptions:
        """Return what `to_dict` gave, also after a way through JSON.

        Raises
        ------
        InvalidArgument
            There is no such option, or globs are no list.
        """
        known = dict(values)
        if unknown := sorted(known.keys() - {field.name for field in fields(cls)}):
            names = ", ".join(field.name for field in fields(cls))
            raise InvalidArgument("options", unknown[0], f"one of: {names}")
        for name in ("include", "exclude"):
            globs = known.get(name, ())
            if isinstance(globs, str) or not all(isinstance(glob, str) for glob in globs):
                raise InvalidArgument(name, globs, "a list of globs")
            known[name] = tuple(globs)
        if columns := known.get("columns"):
            known["columns"] = RowColumns(tuple(columns["text"]), columns.get("name"))
        return cls(**known)
