"""Pages of PDFs as pictures, with a quote marked where it stands on the page."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragstone.errors import InvalidArgument, MalformedInput
from ragstone.ingestion.engines import ProcessEngine

if TYPE_CHECKING:
    from PIL import Image
    from pypdfium2 import PdfDocument, PdfPage

    from ragstone.config import LimitSettings

MEDIA_TYPE = "application/pdf"
_SIDE = 1_400  # pixels of the longer side: print of 8 points can be read
_QUALITY = 80
_MARK = (230, 159, 0, 90)  # the amber that passages have on the pages, see through
_LONGEST = 2_000  # characters of a quote that are looked for
_WORD = re.compile(r"\w+")

Box = tuple[float, float, float, float]  # left, bottom, right, top, in points


@dataclass(frozen=True, slots=True)
class _Task:
    content: bytes
    page: int
    quote: str


def page_picture(content: bytes, page: int, quote: str, limits: LimitSettings) -> bytes:
    """Return a page of a PDF as WebP; where `quote` stands on it, it is marked.

    Drawn in a process of its own, within the limits on time and memory: PDFium takes one call at a
    time, and the file may be made to break it.

    Parameters
    ----------
    page
        From 1.

    Raises
    ------
    InvalidArgument
        The document has no such page.
    Rejected
        It cannot be drawn.
    """
    engine = ProcessEngine(1, limits.seconds, limits.memory_mb)
    try:
        ((_, drawn),) = engine.map(_drawn, [_Task(content, page, quote)])
    finally:
        engine.close()
    if isinstance(drawn, Exception):
        raise drawn
    if isinstance(drawn, int):
        raise InvalidArgument("page", page, f"a page from 1 to {drawn}")
    return drawn


def _drawn(task: _Task) -> bytes | int | MalformedInput:
    """Return the picture, or how many pages there are when it has no such page."""
    import pypdfium2 as pdfium

    try:
        pdf = pdfium.PdfDocument(task.content)
        try:
            return _picture(pdf, task)
        finally:
            pdf.close()
    except pdfium.PdfiumError as error:
        return MalformedInput("PDF", str(error))


def _picture(pdf: PdfDocument, task: _Task) -> bytes | int:
    if not 1 <= task.page <= len(pdf):
        return len(pdf)
    page = pdf[task.page - 1]
    width, height = page.get_size()
    scale = _SIDE / max(width, height, 1)
    bitmap = page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False)
    image = bitmap.to_pil().convert("RGB")
    boxes = _places(page, task.quote)
    # Pages that are turned, or whose corner is not at 0, are shown without marks.
    if boxes and not page.get_rotation() and page.get_mediabox()[:2] == (0, 0):
        image = _marked(
            image, [(x0, height - y1, x1, height - y0) for x0, y0, x1, y1 in boxes], scale
        )
    written = io.BytesIO()
    image.save(written, "WEBP", quality=_QUALITY, method=4)
    return written.getvalue()


def _places(page: PdfPage, quote: str) -> list[Box]:
    """Return where the words of `quote` stand on the page, a box for each line."""
    words = _WORD.findall(quote[:_LONGEST])
    text_page = page.get_textpage()
    try:
        text = text_page.get_text_range()
        # PDFium counts UTF-16 units; where that makes a difference, places cannot be asked for.
        if not words or text_page.count_chars() != len(text):
            return []
        pattern = r"(?:\W|_)+".join(map(_parted, words))
        found = re.search(pattern, text)
        if found is None:
            return []
        count = text_page.count_rects(found.start(), found.end() - found.start())
        return [text_page.get_rect(place) for place in range(count)]
    finally:
        text_page.close()


def _parted(word: str) -> str:
    """Return a pattern for a word that a hyphen may part at the end of a line."""
    return r"(?:\ufffe[\r\n]*)?".join(map(re.escape, word))


def _marked(image: Image.Image, boxes: list[Box], scale: float) -> Image.Image:
    from PIL import Image, ImageDraw

    layer = Image.new("RGBA", image.size)
    draw = ImageDraw.Draw(layer)
    for box in boxes:
        left, top, right, bottom = (scale * side for side in box)
        draw.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=_MARK)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")
