"""Paragraphs and headings of a PDF page, from where its lines stand and how high they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from ragstone.ingestion.parsers.base import TextWriter
from ragstone.schemas.records import BlockKind

_HEADING_OVER_BODY = 1.15  # a heading's letters are so much higher than the running text's
_MAX_HEADING = 160  # characters
_WIDE_GAP = 1.3  # of the usual distance of two lines
_INDENT = 0.8  # of the line height: a first line moved in by so much begins a paragraph
_SIZE_STEP = 0.12  # relative change of the height that begins a new block
_LEVELS = (1.7, 1.35)  # height over body from which a heading is of level 1, of level 2
_NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,3}) +[^\W\d_a-z][^.!?]{2,80}")
_BULLET = re.compile(r"^(?:[•▪◦‣●○■–-]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and the box of its first character, in points from the page's lower left.

    All zero when the place is unknown.
    """

    text: str
    left: float
    bottom: float
    right: float
    top: float

    @property
    def height(self) -> float:
        """Height of the font's box, which grows with the font size."""
        return self.top - self.bottom


def body_height(lines: Iterable[Line]) -> float:
    """Return the line height that most characters have, 0 when no place is known."""
    heights: Counter[float] = Counter()
    for line in lines:
        heights[round(line.height, 1)] += len(line.text)
    return heights.most_common(1)[0][0] if heights else 0.0


def write_lines(lines: list[Line], body: float, writer: TextWriter, page: int) -> None:
    """Write one page: a block for each run of lines that stand close together."""
    pitch = _pitch(lines)
    running: list[Line] = []
    for line in lines:
        if running and _begins(running, line, pitch):
            _write(running, body, writer, page)
            running = []
        running.append(line)
    if running:
        _write(running, body, writer, page)


def _pitch(lines: list[Line]) -> float:
    """Return the most usual distance of two lines, of equally usual ones the smallest."""
    gaps = Counter(round(upper.bottom - lower.bottom) for upper, lower in pairwise(lines))
    return float(min((gap for gap in gaps if gap > 1), key=lambda g: (-gaps[g], g), default=0))


def _begins(running: list[Line], line: Line, pitch: float) -> bool:
    """Tell whether `line` begins a new block after the lines of `running`."""
    previous = running[-1]
    if not pitch or not line.height:
        return False
    gap = previous.bottom - line.bottom
    if abs(line.height - previous.height) > _SIZE_STEP * previous.height:
        # Small type on the same line is an index or a footnote mark.
        return abs(gap) > 0.5 * pitch
    if gap > _WIDE_GAP * max(pitch, line.height):
        return True
    if gap < -pitch:  # the next column: the paragraph goes on unless its last sentence ended
        return previous.text.endswith((".", "!", "?", ":"))
    if _BULLET.match(line.text) and gap > 0.5 * pitch:
        return True
    indent = line.left - previous.left
    return indent > _INDENT * line.height and gap > 0.5 * pitch and previous.text.endswith(".")


def _write(lines: list[Line], body: float, writer: TextWriter, page: int) -> None:
    text = "\n".join(line.text for line in lines)
    ratio = max(line.height for line in lines) / body if body else 0.0
    letters = sum(1 for character in text if character.isalpha())
    if ratio >= _HEADING_OVER_BODY and len(text) <= _MAX_HEADING and letters > 2:
        level = next((n for n, least in enumerate(_LEVELS, start=1) if ratio >= least), 3)
        writer.add(" ".join(line.text for line in lines), BlockKind.HEADING, level, page)
    elif len(lines) == 1 and (match := _NUMBERED.fullmatch(text)):
        writer.add(text, BlockKind.HEADING, match[1].count(".") + 1, page)
    else:
        kind = BlockKind.LIST if _BULLET.match(text) else BlockKind.PARAGRAPH
        writer.add(text, kind, 0, page)
