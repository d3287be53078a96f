"""Walking WordprocessingML: what python-docx leaves out (nested content, boxes, math, changes)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ragstone.ingestion.parsers.visible import tag_of

if TYPE_CHECKING:
    from lxml.etree import _Element

# Wrappers around paragraphs and tables: content controls, custom XML, tracked insertions.
_WRAPPERS = frozenset({"sdt", "sdtcontent", "customxml", "ins", "moveto", "smarttag"})
# Deleted text, field codes, phonetic guides, and the second copy of a drawing for old programs.
_LEFT_OUT = frozenset(
    {"del", "movefrom", "instrtext", "deltext", "rt", "fallback", "txbxcontent", "ppr", "rpr"}
)
_SPECIAL = {"tab": "\t", "br": "\n", "cr": "\n", "nobreakhyphen": "-", "ptab": "\t"}


def child(element: _Element, name: str) -> _Element | None:
    """Return the first child of this local name."""
    return next((c for c in element if tag_of(c) == name.lower()), None)


def value_of(element: _Element, name: str) -> str:
    """Return the `val` attribute of the first child of this local name, else ""."""
    found = child(element, name)
    if found is None:
        return ""
    return next((str(v) for k, v in found.attrib.items() if str(k).endswith("}val")), "")


def blocks(container: _Element) -> Iterator[_Element]:
    """Yield the paragraphs and tables of a container in order, looking into wrappers."""
    for element in container:
        tag = tag_of(element)
        if tag in ("p", "tbl"):
            yield element
        elif tag in _WRAPPERS:
            yield from blocks(element)


def paragraph_text(element: _Element) -> str:
    """Return the visible text of a paragraph, text boxes apart."""
    pieces: list[str] = []
    _gather(element, pieces)
    return "".join(pieces).strip()


def boxes(paragraph: _Element) -> Iterator[_Element]:
    """Yield the text boxes anchored in a paragraph, each once."""
    for element in paragraph:
        yield from _boxes(element)


def chart_ids(paragraph: _Element) -> Iterator[str]:
    """Yield the relation ids of the charts drawn in a paragraph."""
    for chart in paragraph.iter("{*}chart"):
        yield from (str(value) for key, value in chart.attrib.items() if str(key).endswith("}id"))


def rows(table: _Element) -> Iterator[list[list[str]]]:
    """Yield the rows of a table as cells, each a list of its paragraphs' text.

    A cell that a merged cell above covers is empty.
    """
    for row in _inside(table, "tr"):
        yield [_cell(cell) for cell in _inside(row, "tc")]


def _inside(element: _Element, name: str) -> Iterator[_Element]:
    for inner in element:
        tag = tag_of(inner)
        if tag == name:
            yield inner
        elif tag in _WRAPPERS:
            yield from _inside(inner, name)


def _cell(cell: _Element) -> list[str]:
    properties = child(cell, "tcPr")
    merged = child(properties, "vMerge") if properties is not None else None
    if merged is not None and value_of(properties, "vMerge") != "restart":  # type: ignore[arg-type]
        return []
    texts: list[str] = []
    for element in blocks(cell):
        if tag_of(element) == "tbl":
            texts.extend(text for row in rows(element) for inner in row for text in inner)
        else:
            texts.append(paragraph_text(element))
            for box in boxes(element):
                texts.extend(paragraph_text(p) for p in blocks(box) if tag_of(p) == "p")
    return [text for text in texts if text]


def _gather(element: _Element, pieces: list[str]) -> None:
    for inner in element:
        tag = tag_of(inner)
        if tag == "t":
            pieces.append(inner.text or "")
        elif tag in _SPECIAL:
            pieces.append(_SPECIAL[tag])
        elif tag and tag not in _LEFT_OUT:
            _gather(inner, pieces)


def _boxes(element: _Element) -> Iterator[_Element]:
    tag = tag_of(element)
    if tag == "txbxcontent":
        yield element
    elif tag and tag != "fallback" and tag not in ("del", "movefrom"):
        for inner in element:
            yield from _boxes(inner)
