"""The text of a row: columns one after the other, or templates that columns are put into."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ragstone.errors import InvalidArgument

_EXPECTED = (
    "the name of a column, or a template such as '{title}: {body}' with nothing but names of "
    "columns in its braces ('{{' is a brace)"
)


@dataclass(frozen=True, slots=True)
class Template:
    """One piece of a row's text: `(text before, column)` pairs; the last column may be missing."""

    pieces: tuple[tuple[str, str | None], ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns that are put in, each once, in order."""
        return tuple(dict.fromkeys(name for _, name in self.pieces if name is not None))

    def fill(self, row: Mapping[str, Any]) -> str:
        """Return the text for `row`: a missing column is empty, without any there is no text."""
        values = {name: cell_text(row.get(name)) for name in self.fields}
        if not any(value.strip() for value in values.values()):
            return ""
        return "".join(
            before + (values[name] if name is not None else "") for before, name in self.pieces
        )


@lru_cache(maxsize=64)
def read_template(text: str) -> Template:
    """Return a template, or the one of a plain column name: all that holds no brace.

    Raises
    ------
    InvalidArgument
        There is more than a column name between two braces, or a brace stands alone.
    """
    if "{" not in text and "}" not in text:
        return Template((("", text),))
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as error:
        raise InvalidArgument("text", text, f"{_EXPECTED}; {error}") from error
    for _, name, form, conversion in parsed:
        if name is not None and (not name or form or conversion or set(name) & set(".[]{")):
            raise InvalidArgument("text", text, _EXPECTED)
    if all(name is None for _, name, _, _ in parsed):
        raise InvalidArgument("text", text, _EXPECTED)
    return Template(tuple((before, name) for before, name, _, _ in parsed))


def text_fields(text: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that the names and templates `text` are made of, each once."""
    return tuple(dict.fromkeys(name for piece in text for name in read_template(piece).fields))


def cell_text(value: Any) -> str:
    """Return a value as it stands in a text; a list has a line for each entry."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(map(cell_text, value))
    if isinstance(value, bool):
        return "true" if value else "false"  # as tables write it
    return str(value)
