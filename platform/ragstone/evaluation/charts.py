"""Charts as SVG, drawn with nothing but text: lines, points, or both, on plain or log axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 360, 240  # of a chart, in pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 28, 36  # around what is drawn
_TICKS = 4  # of an axis, about
_POINTS = 400  # of a line, at most
_COLOURS = ("#3366cc", "#dc3912", "#109618", "#990099", "#ff9900", "#0099c6", "#b82e2e", "#66aa00")

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together.

    Parameters
    ----------
    marked
        Draw each point, with the name beside the last one; else a line alone.
    dashed
        Draw the line so.
    """

    name: str
    points: Sequence[Point]
    marked: bool = False
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class _Axis:
    """Places of an axis; `begin` and `end` are pixels."""

    low: float
    high: float
    begin: float
    end: float
    log: bool

    @classmethod
    def of(cls, values: Sequence[float], begin: float, end: float, *, log: bool) -> _Axis:
        low, high = (math.log10(x) if log else x for x in (min(values), max(values)))
        spare = 0.05 * (high - low) or 0.5
        return cls(low - spare, high + spare, begin, end, log)

    def place(self, value: float) -> float:
        shown = math.log10(value) if self.log else value
        return self.begin + (shown - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Return round values within: of a log axis powers of ten, or 1, 2 and 5 of each.

        Where a log axis has no two of them, it is as short as a plain one.
        """
        if not self.log:
            return _even(self.low, self.high)
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        parts = (1,) if self.high - self.low > 2 else (1, 2, 5)
        found = [part * 10.0**power for power in powers for part in parts]
        within = [value for value in found if self.low <= math.log10(value) <= self.high]
        return within if len(within) > 1 else _even(10.0**self.low, 10.0**self.high)


def chart(
    title: str, series: Sequence[Series], across: str, up: str, *, log: tuple[bool, bool]
) -> str:
    """Return a chart as SVG; empty where there is no point.

    Parameters
    ----------
    across, up
        What the axes show.
    log
        Of both axes; what is not above 0 is left out then.
    """
    kept = [(number, one, _shown(one.points, log)) for number, one in enumerate(series)]
    kept = [(number, one, points) for number, one, points in kept if points]
    if not kept:
        return ""
    every = [point for _, _, points in kept for point in points]
    x = _Axis.of([at for at, _ in every], _LEFT, _WIDTH - _RIGHT, log=log[0])
    y = _Axis.of([at for _, at in every], _HEIGHT - _BOTTOM, _TOP, log=log[1])
    parts = [*_frame(title, across, up), *_grid(x, y)]
    for number, one, points in kept:
        places = [(x.place(at), y.place(value)) for at, value in points]
        parts += _drawn(one, places, _COLOURS[number % len(_COLOURS)])
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="10">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _shown(points: Sequence[Point], log: tuple[bool, bool]) -> list[Point]:
    """Return the points that can be drawn, evenly thinned, the last one among them."""
    fine = [
        point
        for point in points
        if all(math.isfinite(v) and (v > 0 or not lg) for v, lg in zip(point, log, strict=True))
    ]
    count = min(_POINTS, len(fine))
    return [fine[(number + 1) * len(fine) // count - 1] for number in range(count)]


def _frame(title: str, across: str, up: str) -> list[str]:
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    return [
        f'<text x="{_LEFT}" y="16" font-size="12" font-weight="bold">{escape(title)}</text>',
        f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{escape(across)}</text>",
        f'<text transform="translate(10 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(up)}</text>",
    ]


def _grid(x: _Axis, y: _Axis) -> list[str]:
    parts = []
    bottom = _HEIGHT - _BOTTOM
    for value in x.ticks():
        at = x.place(value)
        parts.append(_line(at, bottom, at, _TOP))
        parts.append(f'<text x="{at:.1f}" y="{bottom + 13}" text-anchor="middle">{value:,g}</text>')
    for value in y.ticks():
        at = y.place(value)
        parts.append(_line(_LEFT, at, _WIDTH - _RIGHT, at))
        parts.append(f'<text x="{_LEFT - 4}" y="{at + 3:.1f}" text-anchor="end">{value:,g}</text>')
    return parts


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" '
        'stroke="#ddd" stroke-width="1"/>'
    )


def _drawn(series: Series, places: Sequence[Point], colour: str) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dashes = ' stroke-dasharray="4 3"' if series.dashed else ""
    parts = [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.3"{dashes}/>'
    ]
    if series.marked:
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        x, y = places[-1]
        right = x > _WIDTH * 0.7  # there is no room on that side
        parts.append(
            f'<text x="{x - 5 if right else x + 5:.1f}" y="{y - 4:.1f}" fill="{colour}" '
            f'text-anchor="{"end" if right else "start"}">{escape(series.name)}</text>'
        )
    return parts


def _even(low: float, high: float) -> list[float]:
    """Return round values from `low` to `high`, at even steps."""
    step = _round_step((high - low) / _TICKS)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _round_step(least: float) -> float:
    """Return the least of 1, 2 and 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(part * power for part in (1, 2, 5, 10) if part * power >= least * (1 - 1e-9))
