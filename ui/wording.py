"""Numbers, sizes and times as people read them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from ragstone.text import heard

_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_STEP = 1_000
DIGEST = 12  # characters of a digest that tell versions apart on a page


def count(number: int, noun: str, plural: str = "") -> str:
    """Return `1 item`, `2,345 items`."""
    word = noun if number == 1 else plural or f"{noun}s"
    return f"{number:,} {word}"


def size(number: int) -> str:
    """Return `999 bytes`, `1.5 kB`, `12 MB` for a number of bytes."""
    value, unit = float(number), 0
    # 999.5 would round up to a fourth digit.
    while value >= _STEP - 0.5 and unit < len(_UNITS) - 1:
        value, unit = value / _STEP, unit + 1
    digits = 1 if unit and value < 9.95 else 0
    return f"{value:,.{digits}f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Return `12 s`, `3 min`, `2 h` or `5 d`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:,.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"


def moment(time: datetime) -> str:
    """Return `2026-01-31 14:05` in the reader's own time zone, or in UTC and saying so."""
    zone = _reader_zone()
    if zone is None:
        return f"{time:%Y-%m-%d %H:%M} UTC"
    return f"{time.astimezone(zone):%Y-%m-%d %H:%M}"


def span(start: int, end: int) -> str:
    """Return `characters 1,200 to 1,450` for `[start, end)`."""
    return f"characters {start:,} to {end:,}"


def page(number: int | None) -> str:
    """Return `page 3`, or nothing."""
    return "" if number is None else f"page {number:,}"


def time(from_ms: int | None, to_ms: int | None) -> str:
    """Return `0:08 to 0:18`, when something is heard in a recording, or nothing."""
    return "" if from_ms is None else heard(from_ms, to_ms)


def _reader_zone() -> ZoneInfo | None:
    name = st.context.timezone
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None
