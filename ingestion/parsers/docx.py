"""Word (.docx): headings, paragraphs, lists and tables in document order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ragstone.config import LimitSettings
from ragstone.errors import UnsupportedFormat
from ragstone.ingestion.parsers.archive import ZIP_ERRORS, open_office
from ragstone.ingestion.parsers.base import TextWriter, collapse, malformed
from ragstone.ingestion.parsers.docx_text import (
    blocks,
    boxes,
    chart_ids,
    child,
    paragraph_text,
    rows,
    value_of,
)
from ragstone.ingestion.parsers.markup import load_xml
from ragstone.ingestion.parsers.office import chart_lines, describe
from ragstone.ingestion.parsers.visible import tag_of
from ragstone.schemas.records import BlockKind, Document

if TYPE_CHECKING:
    from lxml.etree import _Element

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MAX_HEADING = 300  # characters; longer text in a heading style is a paragraph
_BODY_LEVEL = 9  # the outline level that means "no heading", counted from 0
_NOTES = ("footnotes", "endnotes")


def parse_docx(content: bytes, limits: LimitSettings) -> Document:
    """Read the body with its text boxes, content controls and inserted text, then the notes.

    Deleted text of tracked changes, comments, page headers and footers are left out.
    """
    from docx import Document as open_docx
    from docx.opc.exceptions import OpcError
    from lxml import etree

    file = open_office(content, "Word", limits)
    errors = (
        OpcError, *ZIP_ERRORS, etree.XMLSyntaxError,
        KeyError, ValueError, AttributeError, TypeError, IndexError,
    )  # fmt: skip
    with malformed("Word", *errors):
        try:
            document = open_docx(file)
        except ValueError as error:
            if "content type" in str(error):
                raise UnsupportedFormat("A Word template or a Word file with macros") from error
            raise
        writer = TextWriter(MEDIA_TYPE, limits)
        body = _Body(_styles(document), _charts(document), writer)
        body.write(document.element.body)
        for note in _notes(document):
            body.write(note)
        title, metadata = describe(document.core_properties)
    return writer.document(title or writer.first_heading, metadata)


class _Body:
    """Writes blocks; neighbouring list items become one block."""

    def __init__(
        self, styles: dict[str, tuple[int, bool]], charts: dict[str, str], writer: TextWriter
    ) -> None:
        self._styles = styles
        self._charts = charts
        self._writer = writer
        self._items: list[str] = []

    def write(self, container: _Element) -> None:
        """Write all that stands directly or in wrappers below `container`."""
        for element in blocks(container):
            if tag_of(element) == "tbl":
                self._table(element)
            else:
                self._paragraph(element)
        self._end_list()

    def _paragraph(self, element: _Element) -> None:
        text = paragraph_text(element)
        level, listed = self._place(element)
        if text.strip():
            if listed and not level:
                self._items.append(text)
            else:
                self._end_list()
                heading = level and len(text) <= _MAX_HEADING
                kind = BlockKind.HEADING if heading else BlockKind.PARAGRAPH
                self._writer.add(collapse(text) if heading else text, kind, level if heading else 0)
        for box in boxes(element):
            self._end_list()
            self.write(box)
        for name in chart_ids(element) if self._charts else ():
            self._end_list()
            self._writer.add(self._charts.get(name, ""), BlockKind.TABLE)

    def _table(self, element: _Element) -> None:
        self._end_list()
        lines = [[" ".join(map(collapse, cell)) for cell in row] for row in rows(element)]
        if len(lines) == 1 and len(lines[0]) == 1:
            # A frame around text, not a table.
            for cell in element.iter("{*}tc"):
                self.write(cell)
                return
        text = "\n".join(" | ".join(cells) for cells in lines if any(cells))
        self._writer.add(text, BlockKind.TABLE)

    def _end_list(self) -> None:
        self._writer.add("\n".join(self._items), BlockKind.LIST)
        self._items.clear()

    def _place(self, element: _Element) -> tuple[int, bool]:
        """Return the paragraph's heading level (0: none) and whether it is a list item."""
        properties = child(element, "pPr")
        if properties is None:
            return 0, False
        level, listed = self._styles.get(value_of(properties, "pStyle"), (0, False))
        outline = value_of(properties, "outlineLvl")
        if outline.isdigit():
            level = _level(outline)
        numbering = child(properties, "numPr")
        if numbering is not None:
            listed = value_of(numbering, "numId") != "0"
        return level, listed


def _level(outline: str) -> int:
    number = int(outline)
    return number + 1 if number < _BODY_LEVEL else 0


def _styles(document: Any) -> dict[str, tuple[int, bool]]:
    """Return heading level and "is a list" of each paragraph style, inherited ones included."""
    found: dict[str, tuple[int, bool]] = {}
    elements = {style.style_id: style.element for style in document.styles}
    for name in elements:
        found[name] = _style(name, elements, 0)
    return found


def _style(name: str, elements: dict[str, Any], depth: int) -> tuple[int, bool]:
    element = elements.get(name)
    if element is None or depth > 20:  # styles may be based on each other in a ring
        return 0, False
    if value_of(element, "name").lower() == "title":
        return 1, False
    level, listed = _style(value_of(element, "basedOn"), elements, depth + 1)
    properties = child(element, "pPr")
    if properties is not None:
        outline = value_of(properties, "outlineLvl")
        level = _level(outline) if outline.isdigit() else level
        listed = listed or child(properties, "numPr") is not None
    return level, listed


def _notes(document: Any) -> Iterator[_Element]:
    for relation in document.part.rels.values():
        if not relation.is_external and relation.reltype.rsplit("/", 1)[-1] in _NOTES:
            root = load_xml(relation.target_part.blob, "Word")
            yield from root.iter("{*}footnote", "{*}endnote")


def _charts(document: Any) -> dict[str, str]:
    """Return the text of each chart by the id under which a drawing names it."""
    found = {}
    for name, relation in document.part.rels.items():
        if not relation.is_external and relation.reltype.endswith("/chart"):
            lines = chart_lines(load_xml(relation.target_part.blob, "Word"))
            found[name] = "\n".join(lines)
    return found
