"""The visible text of a markup tree (HTML, or trafilatura's own element names) as blocks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ragstone.ingestion.parsers.base import TextWriter
from ragstone.schemas.records import BlockKind

if TYPE_CHECKING:
    from lxml.etree import _Element

# <head> is not among them: trafilatura calls its headings so. Callers start at <body>.
_HIDDEN = frozenset(
    "script style noscript template title meta link base iframe object embed svg canvas audio "
    "video map datalist graphic".split()
)
_LISTS = frozenset({"ul", "ol", "dl", "list", "menu", "dir"})
_ITEMS = frozenset({"li", "dt", "dd", "item"})
_ROWS = frozenset({"tr", "row"})
_CELLS = frozenset({"td", "th", "cell"})
_BREAKS = frozenset({"br", "lb", "hr"})
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big button cite data del dfn em font hi i img input ins kbd label "
    "mark math nobr output q ref rp rt ruby s samp select small span strike strong sub sup time "
    "tt u var wbr option o o:p mi mo mn mrow msup msub".split()
)
_HEADING = re.compile(r"h([1-6])")
_NOT_DISPLAYED = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_LINES = re.compile(r" *\n\s*")


def write_visible(root: _Element, writer: TextWriter, page: int | None = None) -> None:
    """Write the blocks below `root` in document order.

    Headings, lists (a line per item), tables (a line per row, cells set apart by " | ") and
    preformatted text are blocks of their kind; all other block elements are paragraphs. Tables
    that only arrange the page, known by the blocks inside their cells, count as their contents.
    """
    walker = _Walker(writer, page)
    walker.enter(root)
    walker.flush()


def tag_of(element: _Element) -> str:
    """Return the element's name without namespace, lower-cased; empty for comments."""
    tag: object = element.tag  # a function, of comments and processing instructions
    return tag.rsplit("}", 1)[-1].lower() if isinstance(tag, str) else ""


def hidden(element: _Element) -> bool:
    """Tell whether a browser shows nothing of the element."""
    if tag_of(element) in _HIDDEN or element.get("hidden") is not None:
        return True
    return bool(_NOT_DISPLAYED.search(element.get("style") or ""))


def inline_text(element: _Element) -> str:
    """Return the element's visible text, white space collapsed, line breaks kept."""
    pieces: list[str] = []
    _gather(element, pieces)
    return _tidy(pieces)


class _Walker:
    """Collects running text until a block element ends the paragraph."""

    def __init__(self, writer: TextWriter, page: int | None) -> None:
        self._writer = writer
        self._page = page
        self._running: list[str] = []

    def flush(self) -> None:
        """Write the running text as a paragraph."""
        text = _tidy(self._running)
        self._running.clear()
        self._writer.add(text, page=self._page)

    def enter(self, element: _Element) -> None:
        """Write the element, whatever it is, without its tail."""
        tag = tag_of(element)
        if not tag or hidden(element):
            return
        if tag in _BREAKS:
            self._running.append("\n")
        elif tag in _INLINE and not _holds_blocks(element):
            _gather(element, self._running)
        elif tag in _INLINE:
            self._children(element)
        else:
            self.flush()
            self._block(element, tag)
            self.flush()

    def _block(self, element: _Element, tag: str) -> None:
        level = _level(element, tag)
        if level:
            self._writer.add(inline_text(element), BlockKind.HEADING, level, self._page)
        elif tag in _LISTS:
            self._writer.add("\n".join(_items(element, 0)), BlockKind.LIST, 0, self._page)
        elif tag == "table" and not _arranges(element):
            self._writer.add("\n".join(_rows(element)), BlockKind.TABLE, 0, self._page)
        elif tag == "pre" or (tag == "code" and "\n" in _verbatim(element).strip()):
            self._writer.add(_verbatim(element), BlockKind.CODE, 0, self._page)
        else:
            self._children(element)

    def _children(self, element: _Element) -> None:
        self._running.append(_spaced(element.text))
        for child in element:
            self.enter(child)
            self._running.append(_spaced(child.tail))


def _level(element: _Element, tag: str) -> int:
    if tag == "head":  # trafilatura's heading
        tag = element.get("rend") or "h2"
    match = _HEADING.fullmatch(tag)
    return int(match[1]) if match else 0


def _holds_blocks(element: _Element) -> bool:
    return any(tag_of(e) not in _INLINE | _BREAKS | {""} for e in element.iterdescendants())


def _arranges(table: _Element) -> bool:
    """Tell whether a table lays out the page instead of holding data."""
    tags = {tag_of(e) for e in table.iterdescendants()}
    return bool(tags & {"table", "h1", "h2", "h3", "form", "article", "section"})


def _items(element: _Element, depth: int) -> list[str]:
    """Return the lines of a list; nested lists are indented by two spaces for each depth."""
    lines: list[str] = []
    running: list[str] = [_spaced(element.text)]
    mark = "  " * depth

    def flush() -> None:
        text = _tidy(running)
        running.clear()
        if text:
            lines.append(mark + text.replace("\n", "\n" + mark))

    for child in element:
        tag = tag_of(child)
        if hidden(child):
            pass
        elif tag in _LISTS:
            flush()
            lines.extend(_items(child, depth + 1))
        elif tag in _ITEMS or (tag not in _INLINE | _BREAKS and tag):
            flush()
            lines.extend(_rows(child) if tag == "table" else _items(child, depth))
        elif tag:
            _gather_with(child, running)
        running.append(_spaced(child.tail))
    flush()
    return lines


def _rows(table: _Element) -> list[str]:
    lines = []
    for element in table.iterdescendants():
        tag = tag_of(element)
        if tag in _ROWS:
            cells = [_LINES.sub(" ", inline_text(c)) for c in element if tag_of(c) in _CELLS]
            if any(cells):
                lines.append(" | ".join(cells))
        elif tag == "caption":
            lines.insert(0, inline_text(element))
    return lines


def _gather_with(element: _Element, pieces: list[str]) -> None:
    pieces.append("\n") if tag_of(element) in _BREAKS else _gather(element, pieces)


def _gather(element: _Element, pieces: list[str]) -> None:
    """Append the visible text below `element`; blocks inside stand on lines of their own."""
    pieces.append(_spaced(element.text))
    for child in element:
        tag = tag_of(child)
        if tag in _BREAKS:
            pieces.append("\n")
        elif tag and not hidden(child):
            block = tag not in _INLINE and tag != "code"
            pieces.append("\n" if block else "")
            _gather(child, pieces)
            pieces.append("\n" if block else "")
        pieces.append(_spaced(child.tail))


def _verbatim(element: _Element) -> str:
    for child in element.iter("br", "lb"):
        child.tail = "\n" + (child.tail or "")
    return "".join(str(text) for text in element.itertext()).strip("\r\n")


def _spaced(text: str | None) -> str:
    """Return text with its line ends as spaces: in markup only elements break lines."""
    return re.sub(r"[\s\u00a0]+", " ", text) if text else ""


def _tidy(pieces: list[str]) -> str:
    text = re.sub(r" {2,}", " ", "".join(pieces))
    return _LINES.sub("\n", text).strip()
