"""Dates and times in filters: what is asked is a stretch of time, what is stored its beginning.

`2024` is the whole year, `2024-05` the month, `2024-05-03T10:20` the minute; `created=2024` means
within it, `created>2024` after it. A time without a zone is in UTC.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta, timezone

_ZONE = r"(Z|[+-]\d{2}(?::?\d{2})?)?"
_CLOCK = rf"[T ](\d{{2}}):(\d{{2}})(?::(\d{{2}})(?:\.(\d+))?)?{_ZONE}"
_ASKED = re.compile(rf"(\d{{4}})(?:-(\d{{2}})(?:-(\d{{2}})(?:{_CLOCK})?)?)?", re.ASCII)
# A year alone is a number to whoever stored it.
_STORED = rf"^\d{{4}}-\d{{2}}(-\d{{2}}({_CLOCK})?)?$"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = 86_400_000_000  # microseconds
_MINUTE = 60_000_000
_SECOND = 1_000_000
_FRACTION = 6  # digits


def stretch(value: str) -> tuple[int, int] | None:
    """Return the stretch of time that `value` means, as microseconds since 1970 in UTC.

    The first that belongs to it, and the first that does not; None when it is no time.
    """
    match = _ASKED.fullmatch(value)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        start = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0")[:_FRACTION].ljust(_FRACTION, "0")),
            _zone(zone),
        )
    except ValueError:  # the 30th of February
        return None
    first = (start - _EPOCH) // _MICROSECOND
    return first, first + _width(match)


def stored(column: str) -> str:
    """Return SQL for the beginning of the time in `column` (text), as microseconds; else NULL."""
    whole = f"regexp_replace({column}, '^(\\d{{4}}-\\d{{2}})$', '\\1-01')"
    # DuckDB reads a zone only after the seconds.
    full = f"regexp_replace({whole}, '^(.{{16}})(Z|[+-].*)?$', '\\1:00\\2')"
    return (
        f"CASE WHEN regexp_matches({column}, '{_STORED}') "
        f"THEN epoch_us(TRY_CAST({full} AS TIMESTAMPTZ)) END"
    )


def compared(column: str, operator: str, span: tuple[int, int]) -> tuple[str, list[object]]:
    """Return SQL that compares microseconds in `column` with a stretch, and its parameters."""
    first, after = span
    if operator in {"=", "!="}:
        inside = f"({column} >= ? AND {column} < ?)"
        return (inside if operator == "=" else f"NOT {inside}"), [first, after]
    if operator in {">", "<="}:
        return f"{column} {'>=' if operator == '>' else '<'} ?", [after]
    return f"{column} {operator} ?", [first]


def _zone(written: str | None) -> timezone:
    if written in {None, "Z"}:
        return UTC
    sign, digits = str(written)[0], str(written)[1:].replace(":", "").ljust(4, "0")
    apart = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-apart if sign == "-" else apart)


def _width(match: re.Match[str]) -> int:
    """Return how many microseconds a time means that is written so precisely."""
    year, month, day, hour, _, second, fraction, _ = match.groups()
    if fraction is not None:
        return int(10 ** max(0, _FRACTION - len(fraction)))
    if second is not None:
        return _SECOND
    if hour is not None:
        return _MINUTE
    if day is not None:
        return _DAY
    if month is not None:
        return calendar.monthrange(int(year), int(month))[1] * _DAY
    return (366 if calendar.isleap(int(year)) else 365) * _DAY
