"""PowerPoint (.pptx): a page for each slide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ragstone.config import LimitSettings
from ragstone.ingestion.parsers.archive import ZIP_ERRORS, open_office
from ragstone.ingestion.parsers.base import TextWriter, check_pages, collapse, malformed
from ragstone.ingestion.parsers.office import chart_lines, describe
from ragstone.schemas.records import BlockKind, Document

if TYPE_CHECKING:
    from pptx.shapes.base import BaseShape
    from pptx.slide import Slide
    from pptx.text.text import TextFrame

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"


def parse_pptx(content: bytes, limits: LimitSettings) -> Document:
    """Read slides in order: title as heading, text frames, tables, charts, then the notes."""
    from lxml import etree
    from pptx import Presentation
    from pptx.exc import PythonPptxError

    file = open_office(content, "PowerPoint", limits)
    errors = (
        PythonPptxError, *ZIP_ERRORS, etree.XMLSyntaxError,
        KeyError, ValueError, AttributeError, TypeError, IndexError,
    )  # fmt: skip
    with malformed("PowerPoint", *errors):
        presentation = Presentation(file)
        slides = presentation.slides
        check_pages(len(slides), "slides", limits)
        writer = TextWriter(MEDIA_TYPE, limits)
        for page, slide in enumerate(slides, start=1):
            _write_slide(slide, writer, page)
        title, metadata = describe(presentation.core_properties)
        metadata["pages"] = len(slides)
    return writer.document(title or writer.first_heading, metadata)


def _write_slide(slide: Slide, writer: TextWriter, page: int) -> None:
    title = slide.shapes.title
    if title is not None and title.has_text_frame:
        writer.add(collapse(title.text_frame.text), BlockKind.HEADING, 1, page)
    skip = title.shape_id if title is not None else None
    _write_shapes((s for s in slide.shapes if s.shape_id != skip), writer, page)
    if slide.has_notes_slide:
        frame = slide.notes_slide.notes_text_frame
        if frame is not None:
            writer.add(_lines(frame), page=page)


def _write_shapes(shapes: Iterable[BaseShape], writer: TextWriter, page: int) -> None:
    for shape in shapes:
        members: Any = getattr(shape, "shapes", None)
        if members is not None:
            _write_shapes(members, writer, page)
        elif getattr(shape, "has_table", False):
            _write_table(shape, writer, page)
        elif getattr(shape, "has_chart", False):
            # python-pptx knows only some kinds of charts: read what they all have in common.
            lines = chart_lines(shape.chart_part._element)  # type: ignore[attr-defined]
            writer.add("\n".join(lines), BlockKind.TABLE, 0, page)
        elif shape.has_text_frame:
            frame: TextFrame = shape.text_frame  # type: ignore[attr-defined]
            listed = sum(1 for p in frame.paragraphs if p.text.strip()) > 1
            kind = BlockKind.LIST if listed else BlockKind.PARAGRAPH
            writer.add(_lines(frame), kind, 0, page)


def _lines(frame: TextFrame) -> str:
    lines = ((p.level, p.text.replace("\v", "\n").strip()) for p in frame.paragraphs)
    return "\n".join("  " * level + text for level, text in lines if text)


def _write_table(shape: Any, writer: TextWriter, page: int) -> None:
    rows = []
    for row in shape.table.rows:
        cells = [collapse(cell.text) if not cell.is_spanned else "" for cell in row.cells]
        if any(cells):
            rows.append(" | ".join(cells))
    writer.add("\n".join(rows), BlockKind.TABLE, 0, page)
