"""The mark of items that a model made, and how a filter takes them in.

`synthetic` in the metadata of an item is an object that names the `model`. Searches, answers and
measurements leave such items out, unless a filter speaks of `synthetic`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from ragstone.errors import InvalidArgument

MARK = "synthetic"  # key of the metadata
MODEL = f"{MARK}.model"  # field of what stands there: NAME@NUMBER
Synthetic: TypeAlias = bool | Literal["only"]  # what is wanted: without, with, or nothing else


def model_of(metadata: Mapping[str, Any]) -> str:
    """Return the model that made an item, NAME@NUMBER; empty for one that none made."""
    made = metadata.get(MARK)
    named = made.get("model") if isinstance(made, Mapping) else None
    return named if isinstance(named, str) else ""


def where_with(where: Sequence[str], wanted: Synthetic) -> list[str]:
    """Return filters that also say whether items are wanted that a model made.

    Raises
    ------
    InvalidArgument
        `where` is a text, and no list of them.
    """
    if isinstance(where, str):
        raise InvalidArgument("where", where, "a list of filters")
    if wanted == "only":
        return [*where, f"{MODEL} exists"]
    return [*where, f"{MODEL} exists or {MODEL} missing"] if wanted else list(where)


def speaks_of(fields: Iterable[str]) -> bool:
    """Tell whether one of the fields of a filter is about what models made."""
    return any(field.partition(".")[0] == MARK for field in fields)
