"""Cutting a stretch that is too long for one chunk at the best places it has."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from ragstone.ingestion.outline import Unit
from ragstone.ingestion.tokens import TokenMap
from ragstone.schemas.records import BlockKind
from ragstone.text import Span, sentence_spans

_LINE = re.compile(r"[^\n]+")
# In these a line is a whole; in running text a sentence is.
_BY_LINES = frozenset({BlockKind.LIST, BlockKind.TABLE, BlockKind.CODE})
_JOINER = "\u200d"
_Splitter = Callable[[str, int, int], Iterator[Span]]


def split_unit(text: str, unit: Unit, tokens: TokenMap, budget: int) -> Iterator[Unit]:
    """Yield `unit`, or the pieces of it that each cost `budget` tokens at most.

    Lists, tables and code fall into lines first, other text into sentences; then the other way
    round, then words, then characters.
    """
    if tokens.count(unit.start, unit.end) <= budget:
        yield unit
        return
    levels = [_lines, sentence_spans] if unit.kind in _BY_LINES else [sentence_spans, _lines]
    for start, end in _split(text, (unit.start, unit.end), tokens, budget, levels):
        yield Unit(start, end, unit.kind, unit.page, unit.heading)


def trimmed(text: str, start: int, end: int) -> Span:
    """Return the span without white space at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _split(
    text: str, span: Span, tokens: TokenMap, budget: int, levels: Sequence[_Splitter]
) -> Iterator[Span]:
    if tokens.count(*span) <= budget:
        yield span
    elif levels:
        for piece in levels[0](text, *span):
            yield from _split(text, piece, tokens, budget, levels[1:])
    else:
        yield from _words(text, span, tokens, budget)


def _lines(text: str, start: int, end: int) -> Iterator[Span]:
    for match in _LINE.finditer(text, start, end):
        first, last = trimmed(text, *match.span())
        if first < last:
            yield first, last


def _words(text: str, span: Span, tokens: TokenMap, budget: int) -> Iterator[Span]:
    """Fill pieces to the budget and cut them at white space, or between two characters."""
    start, end = span
    while start < end:
        cut = tokens.reach(start, end, budget)
        if cut < end:
            cut = _at_space(text, start, cut)
        piece = trimmed(text, start, cut)
        if piece[0] < piece[1]:
            yield piece
        start = cut


def _at_space(text: str, start: int, cut: int) -> int:
    """Return the last white space in the second half of the piece, else a whole character."""
    for position in range(cut, (start + cut) // 2, -1):
        if text[position].isspace() or text[position - 1].isspace():
            return position
    # Accents and joined emoji belong to the character before them.
    position = cut
    while position > start + 1 and (
        unicodedata.combining(text[position])
        or _JOINER in (text[position], text[position - 1])
        or unicodedata.category(text[position]) == "Mn"
    ):
        position -= 1
    return position if position > start + 1 else cut
