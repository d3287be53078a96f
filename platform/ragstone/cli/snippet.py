"""The stretch of a hit's text that shows best why it was found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ragstone.cli.output import styled
from ragstone.schemas.api import Highlight, Hit

if TYPE_CHECKING:
    from rich.text import Text

WIDTH = 320  # characters
_SPACE = re.compile(r"\s+")
_MARK = "bold yellow"


def snippet(hit: Hit, width: int = WIDTH) -> Text:
    """Return about `width` characters of the hit's text around its matched words, marked."""
    marks = sorted(hit.highlights, key=lambda mark: mark.start)
    start, end = window(hit.text, marks, width)
    line = styled("…" if start > 0 else "")
    place = start
    for mark in marks:
        if mark.start < place or mark.end > end:
            continue
        line += styled(_SPACE.sub(" ", hit.text[place : mark.start]))
        line += styled(_SPACE.sub(" ", hit.text[mark.start : mark.end]), _MARK)
        place = mark.end
    line += styled(_SPACE.sub(" ", hit.text[place:end]))
    return line + styled("…" if end < len(hit.text) else "")


def window(text: str, marks: list[Highlight], width: int) -> tuple[int, int]:
    """Return `(start, end)` of the `width` characters with the most marks, cut between words.

    `marks` are sorted by their start. The earliest of equally good places wins.
    """
    if len(text) <= width:
        return 0, len(text)
    best = max(
        marks, key=lambda mark: (_count(marks, mark.start, width), -mark.start), default=None
    )
    begin = best.start if best else 0
    begin = min(max(0, begin - width // 6), len(text) - width)
    return _word_start(text, begin), _word_end(text, begin + width)


def _count(marks: list[Highlight], start: int, width: int) -> int:
    # The window begins a sixth of its width before the first mark.
    return sum(1 for mark in marks if start <= mark.start and mark.end <= start + width * 5 // 6)


def _word_start(text: str, place: int) -> int:
    if place <= 0 or text[place - 1].isspace():
        return max(place, 0)
    space = _SPACE.search(text, place, place + 30)
    return space.end() if space else place


def _word_end(text: str, place: int) -> int:
    if place >= len(text) or text[place].isspace():
        return min(place, len(text))
    cut = max(text.rfind(" ", place - 30, place), text.rfind("\n", place - 30, place))
    return cut if cut > 0 else place
