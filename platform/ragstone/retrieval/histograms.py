"""Histograms: how the items that pass the filters spread over the numbers or times of a field.

The edges of the bins are round: 2010, 2015, 2020, or the firsts of months. So what stands on a bar
can be written as a filter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from ragstone.errors import InvalidArgument
from ragstone.retrieval import filter_times
from ragstone.retrieval.facets import values_of
from ragstone.retrieval.filters import chosen_items
from ragstone.retrieval.question import check_number
from ragstone.schemas.api import Histogram, HistogramBin

if TYPE_CHECKING:
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

MAX_BINS = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROUND = (1.0, 2.0, 5.0, 10.0)
_HOUR, _DAY = 3_600, 86_400  # seconds
_SECONDS = (1, 5, 15, 60, 5 * 60, 15 * 60, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 7 * _DAY)
_MONTHS = (1, 3, 12, 24, 60, 120, 240, 600, 1_200, 2_400, 6_000, 12_000, 120_000)
_MONTH = 30.44 * _DAY
_LAST_YEAR = 9_999

Kind = Literal["number", "time"]


@dataclass(frozen=True, slots=True)
class _Spread:
    """What is known of the values of a field before they are put into bins."""

    kind: Kind
    low: float  # microseconds since 1970, of times
    high: float
    whole: bool  # all numbers are whole
    items: int  # with such a value
    chosen: int


def histogram(
    store: Store, manifest: Manifest, field: str, where: Sequence[str] = (), bins: int = 20
) -> Histogram:
    """Return the histogram of `field`, in about `bins` bins.

    Raises
    ------
    UnknownField, InvalidFilter
        No item of the version has such a field, or a filter cannot be read.
    InvalidArgument
        `bins` is out of bounds, or the field has neither numbers nor times.
    """
    check_number("bins", bins, 1, MAX_BINS)
    chosen = chosen_items(store, manifest, where)
    values = values_of(store, manifest, chosen, field)
    spread = _spread(store, values, chosen.parameters, field)
    missing = spread.chosen - spread.items
    if not spread.items:
        return Histogram(field, spread.kind, [], missing)
    edges = _number_edges(spread, bins) if spread.kind == "number" else _time_edges(spread, bins)
    rows = store.catalog.rows(
        f"WITH {values}, placed AS (SELECT item_key, {_measured(spread.kind)} AS x FROM found) "  # noqa: S608
        "SELECT len(list_filter(?::DOUBLE[], lambda edge: edge <= x)) AS bin, "
        "count(DISTINCT item_key) FROM placed WHERE x IS NOT NULL GROUP BY bin",
        [*chosen.parameters, [edge for edge, _ in edges[:-1]]],
    )
    counts = {int(place) - 1: int(count) for place, count in rows}
    names = [name for _, name in edges]
    return Histogram(
        field,
        spread.kind,
        [
            HistogramBin(low, high, counts.get(place, 0))
            for place, (low, high) in enumerate(pairwise(names))
        ],
        missing,
    )


def _measured(kind: Kind) -> str:
    """Return SQL for the number, or the microseconds, that a `value` is; else NULL."""
    if kind == "time":
        return f"CAST({filter_times.stored('value')} AS DOUBLE)"
    return "CASE WHEN isfinite(TRY_CAST(value AS DOUBLE)) THEN TRY_CAST(value AS DOUBLE) END"


def _spread(store: Store, values: str, parameters: list[object], field: str) -> _Spread:
    """Return what kind of values there are, and from where to where they go."""
    of_kind = ", ".join(
        f"count(DISTINCT item_key) FILTER ({x} IS NOT NULL), min({x}), max({x})"
        for x in ("number", "time")
    )
    ((chosen, numbers, low, high, times, first, last, whole, filled),) = store.catalog.rows(
        f"WITH {values}, measured AS (SELECT item_key, value, {_measured('number')} AS number, "  # noqa: S608
        f"{_measured('time')} AS time FROM found) "
        f"SELECT (SELECT count(*) FROM chosen), {of_kind}, bool_and(number = floor(number)), "
        "count(value) FROM measured",
        parameters,
    )
    if times > numbers:
        return _Spread("time", first, last, whole=False, items=times, chosen=chosen)
    if filled and not numbers:
        raise InvalidArgument("field", field, "one of numbers or times")
    return _Spread("number", low or 0.0, high or 0.0, bool(whole), numbers, chosen)


# ---------------------------------------------------------------- edges, and how they are written


def _number_edges(spread: _Spread, bins: int) -> list[tuple[float, str]]:
    width = (spread.high - spread.low) / bins
    step = _round_up(width) if width > 0 and math.isfinite(width) else 1.0
    if spread.whole:
        step = max(1.0, step)
    first = math.floor(spread.low / step)
    last = math.floor(spread.high / step) + 1  # above the largest: no bin has both its edges
    edges = [float(f"{place * step:.12g}") for place in range(first, last + 1)]
    return [(edge, f"{edge:.12g}") for edge in edges]


def _round_up(width: float) -> float:
    """Return the least of 1, 2 and 5 times a power of ten that is not below `width`."""
    power = 10.0 ** math.floor(math.log10(width))
    return next(step * power for step in _ROUND if step * power >= width * (1 - 1e-9))


def _time_edges(spread: _Spread, bins: int) -> list[tuple[float, str]]:
    first, last = (_EPOCH + timedelta(microseconds=x) for x in (spread.low, spread.high))
    width = (last - first).total_seconds() / bins
    seconds = next((step for step in _SECONDS if step >= width), None)
    moments: list[datetime] = []
    for moment in _by_seconds(first, seconds) if seconds else _by_months(first, width):
        moments.append(moment)
        if moment > last:
            break
    return [((moment - _EPOCH) / timedelta(microseconds=1), _written(moment)) for moment in moments]


def _by_seconds(first: datetime, step: int) -> Iterator[datetime]:
    start = (first - _EPOCH) // timedelta(seconds=step)
    while True:
        yield _EPOCH + timedelta(seconds=start * step)
        start += 1


def _by_months(first: datetime, width: float) -> Iterator[datetime]:
    months = next((step for step in _MONTHS if step * _MONTH >= width), _MONTHS[-1])
    start = (first.year * 12 + first.month - 1) // months
    while True:
        year, month = divmod(start * months, 12)
        if year > _LAST_YEAR:
            yield datetime.max.replace(tzinfo=UTC)
            return
        yield datetime(max(1, year), month + 1, 1, tzinfo=UTC)
        start += 1


def _written(moment: datetime) -> str:
    """Return a time as short as a filter understands it."""
    whole = moment.replace(tzinfo=None).isoformat(timespec="seconds")
    if moment.second or moment.microsecond:
        return f"{whole}Z"
    if moment.hour or moment.minute:
        return f"{whole[:16]}Z"
    return whole[:10] if moment.day > 1 else whole[:7]
