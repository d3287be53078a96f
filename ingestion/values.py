"""Values of table cells: what JSON holds of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from ragstone.storage.files import digest_bytes

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+(?:e[+-][0-9]+)?)?|-?[0-9]e[+-][0-9]+")
_WORDS = {"true": True, "false": False}
_LONGEST = 24  # characters of a number; whole ones have 18 digits at most: they fit 64 bits
_DIGITS = 18


def typed(cell: str) -> Any:
    """Return a cell of a text table as the number or truth value that is written exactly so.

    `7`, `-0.5` and `true` become values; `007`, `+7`, `1.50`, `1e5`, `1,000`, `True` and whole
    numbers of more than 18 digits stay text, for they could not be written back. It depends on
    the cell alone: a row is the same item in whatever file, and whatever stands above it.
    """
    if cell in _WORDS:
        return _WORDS[cell]
    if not cell or len(cell) > _LONGEST or not _NUMBER.fullmatch(cell):
        return cell
    if cell.lstrip("-").isdigit():
        return int(cell) if len(cell) <= _DIGITS and str(int(cell)) == cell else cell
    return float(cell) if repr(float(cell)) == cell else cell


def row_json(row: Mapping[str, Any]) -> bytes:
    """Return a row as the bytes of a JSON object, keys sorted: equal rows have equal bytes."""
    return _ENCODER.encode(row).encode("utf-8", errors="replace")


def plain(value: Any) -> Any:
    """Return what JSON holds of a value that it has no notation for.

    Times are ISO 8601, exact numbers a number when none is lost by it. Of bytes the size and the
    digest are kept: a row is text, and two rows with other bytes are two items.
    """
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, bytes | bytearray | memoryview):
        content = bytes(value)
        return {"bytes": len(content), "blake3": digest_bytes(content)}
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return str(value)


def _number(value: Decimal) -> int | float | str:
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value() and abs(value.adjusted()) < _DIGITS:
        return int(value)
    near = float(value)
    return near if Decimal(repr(near)) == value else str(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=plain)  # made once
