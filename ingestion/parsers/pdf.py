"""PDF: text with page numbers; paragraphs and headings from the lines' places and sizes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ragstone.config import LimitSettings
from ragstone.errors import EmptyInput, EncryptedInput, MalformedInput, NeedsOcr
from ragstone.ingestion.parsers.base import TextWriter, check_pages, malformed
from ragstone.ingestion.parsers.markup import load_xml
from ragstone.ingestion.parsers.pdf_layout import Line, body_height, write_lines
from ragstone.ingestion.parsers.visible import tag_of
from ragstone.schemas.records import Document

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfTextPage

    from ragstone.encoders.ocr import Pixels, TextReader

MEDIA_TYPE = "application/pdf"
_PASSWORD_ERROR = 4  # FPDF_ERR_PASSWORD
_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?")
_XMP_START, _XMP_END = b"<x:xmpmeta", b"</x:xmpmeta>"
_MAX_XMP = 200_000  # bytes
# The address of a licence says more than a notice; all are kept, the first of each name.
_XMP_NAMES = {"license": "license", "webstatement": "web_statement", "rights": "rights"}
_LINE_END = re.compile(r"\r\n?|\n")
# PDFium writes U+FFFE where a hyphen parts a word at a line's end, and no line break.
_HYPHEN = "\ufffe"
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\u00ad\ufffe]")
_READABLE_DPI = 200  # print of 8 points is 22 pixels high, twice of what tesseract needs


def parse_pdf(content: bytes, limits: LimitSettings, reader: TextReader | None = None) -> Document:
    """Read the text layer page by page; with a `reader` also pages that are pictures.

    The metadata then has `ocr_pages`, their numbers from 1, and `ocr_by`.

    Raises
    ------
    NeedsOcr
        No page has text, and there is no reader.
    EmptyInput
        The reader finds none either.
    EncryptedInput
        It opens only with a password.
    """
    import pypdfium2 as pdfium

    try:
        pdf = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        if error.err_code == _PASSWORD_ERROR:
            raise EncryptedInput from error
        reason = str(error).replace(" (PDFium: Success)", "")  # says so when no page is found
        raise MalformedInput("PDF", reason) from error
    try:
        with malformed("PDF", pdfium.PdfiumError, ValueError):
            check_pages(len(pdf), "pages", limits)
            pages = _read_pages(pdf)
            title, metadata = _describe(pdf)
            metadata.update(_rights(content))
            pictures = _pictures(pdf, pages, limits) if reader else iter(())
            found = {number: reader.read(page).text for number, page in pictures if reader}
    finally:
        pdf.close()
    if not any(pages) and not any(found.values()):
        raise EmptyInput("No text was found on its pages") if reader else NeedsOcr(len(pages))
    writer = TextWriter(MEDIA_TYPE, limits)
    body = body_height(line for page in pages for line in page)
    for number, lines in enumerate(pages, start=1):
        write_lines(lines, body, writer, number)
        for paragraph in found.get(number, "").split("\n\n"):
            writer.add(paragraph, page=number)
    if reader and any(found.values()):
        metadata["ocr_by"] = reader.fingerprint
        metadata["ocr_pages"] = [number for number, text in found.items() if text]
    return writer.document(title or writer.first_heading, metadata)


def _pictures(
    pdf: PdfDocument, pages: list[list[Line]], limits: LimitSettings
) -> Iterator[tuple[int, Pixels]]:
    """Yield the pages without a text layer as uint8 RGB of shape (height, width, 3), numbered.

    They have 200 dots per inch, fewer where a page would have more than `limits.pixels`.
    """
    import numpy as np

    for number, lines in enumerate(pages, start=1):
        if lines:
            continue
        page = pdf[number - 1]
        width, height = page.get_size()
        scale = min(_READABLE_DPI / 72, (limits.pixels / max(width * height, 1)) ** 0.5)
        bitmap = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False)
        rendered = np.array(bitmap.to_pil().convert("RGB"))
        bitmap.close()
        page.close()
        yield number, rendered


def _read_pages(pdf: PdfDocument) -> list[list[Line]]:
    import pypdfium2 as pdfium

    pages: list[list[Line]] = []
    damaged = 0
    for number in range(len(pdf)):
        try:
            page = pdf[number]
        except pdfium.PdfiumError:
            # One damaged page does not take the others with it.
            damaged += 1
            pages.append([])
            continue
        text_page = page.get_textpage()
        pages.append(_lines(text_page))
        text_page.close()
        page.close()
    if damaged and damaged == len(pages):
        raise MalformedInput("PDF", "none of its pages can be read")
    return pages


def _lines(page: PdfTextPage) -> list[Line]:
    text = page.get_text_range()
    # Places can be asked for by character number only while PDFium counts as Python does; it
    # counts UTF-16 units.
    placed = page.count_chars() == len(text)
    lines = []
    start = 0
    for raw in _LINE_END.split(text):
        shown = _UNWANTED.sub("", raw)
        if shown.strip():
            first = start + len(raw) - len(raw.lstrip())
            box = page.get_charbox(first, loose=True) if placed else (0.0, 0.0, 0.0, 0.0)
            lines.append(Line(" ".join(shown.split()), *box))
        start += len(raw) + 2
    return lines


def _describe(pdf: PdfDocument) -> tuple[str, dict[str, Any]]:
    found = pdf.get_metadata_dict(skip_empty=True)
    metadata = {
        "pages": len(pdf),
        "author": found.get("Author"),
        "subject": found.get("Subject"),
        "keywords": found.get("Keywords"),
        "created": _iso_date(found.get("CreationDate", "")),
    }
    title = found.get("Title", "").strip()
    # Word processors store the file's name as title.
    return ("" if re.search(r"\.\w{2,5}$|^(untitled|microsoft word)", title, re.I) else title), (
        metadata
    )


def _rights(content: bytes) -> dict[str, str]:
    """Return what the last XMP packet that is not compressed says of rights."""
    end = content.rfind(_XMP_END)
    start = content.rfind(_XMP_START, max(0, end - _MAX_XMP), end) if end > 0 else -1
    if start < 0:
        return {}
    try:
        packet = load_xml(content[start : end + len(_XMP_END)], "XMP")
    except MalformedInput:
        return {}  # what it says of the document is broken, not the document
    found: dict[str, str] = {}
    for element in packet.iter():
        key = _XMP_NAMES.get(tag_of(element))
        text = "".join(str(t) for t in element.itertext()) if key else ""
        addresses = (str(v) for k, v in element.attrib.items() if str(k).endswith("}resource"))
        value = text.strip() or next(addresses, "")
        if key and value:
            found.setdefault(key, value)
    return found


def _iso_date(value: str) -> str:
    match = _DATE.match(value)
    if not match:
        return ""
    parts = [part for part in match.groups() if part]
    day, clock = "-".join(parts[:3]), ":".join(parts[3:])
    return f"{day}T{clock}" if len(parts) == 6 else day
