"""The files of the demonstration: a small library on building stones, one file per format."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path

from ragstone.cli import demo_texts as texts

CHANGED = "granite.txt"  # the file that the demonstration edits


def write_files(folder: Path) -> list[str]:
    """Write one file per format, and one that is broken, into `folder`; return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    files = sample_files()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return list(files)


def sample_files() -> dict[str, bytes]:
    """Return one file per format, and one that is broken, by their names."""
    return {
        CHANGED: texts.GRANITE.encode(),
        "limestone.md": texts.LIMESTONE.encode(),
        "marble.html": texts.MARBLE.encode(),
        "frost-test.pdf": pdf_bytes(texts.FROST_TEST),
        "sandstone.docx": _docx(),
        "quarrying.pptx": _pptx(),
        "strength.xlsx": _xlsx(),
        "mortar.epub": _epub(),
        "slate-roof.eml": _email(),
        "cathedrals.csv": texts.CATHEDRALS.encode(),
        "notes.jsonl": "".join(json.dumps(note) + "\n" for note in texts.NOTES).encode(),
        "broken.pdf": pdf_bytes(texts.FROST_TEST)[:120],
    }


def change_file(folder: Path) -> str:
    """Add a paragraph to one of the files and return its name."""
    path = folder / CHANGED
    path.write_text(texts.GRANITE + texts.GRANITE_MORE, encoding="utf-8")
    return path.name


def pdf_bytes(pages: Sequence[Sequence[str]]) -> bytes:
    """Return a PDF with the lines of each page, set in Helvetica; Latin-1 text only.

    Objects 1 to 3 are catalog, page tree and font; then come a page and its content, in turn.
    """
    numbers = [4 + 2 * index for index in range(len(pages))]
    kids = " ".join(f"{number} 0 R" for number in numbers)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, lines in zip(numbers, pages, strict=True):
        shown = "\n".join(f"({_escaped(line)}) Tj T*" for line in lines)
        content = f"BT /F1 11 Tf 16 TL 60 780 Td\n{shown}\nET".encode("latin-1")
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {number + 1} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode(),
            b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        ]
    return _assembled(objects)


def _escaped(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _assembled(objects: Sequence[bytes]) -> bytes:
    """Number the objects, and write the table of where each begins."""
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for place in places:
        out += b"%010d 00000 n \n" % place
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        table,
    )
    return bytes(out)


def _docx() -> bytes:
    from docx import Document

    document = Document()
    for heading, paragraph in texts.SANDSTONE:
        document.add_heading(heading, level=1)
        document.add_paragraph(paragraph)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _pptx() -> bytes:
    from pptx import Presentation

    deck = Presentation()
    for title, body in texts.QUARRYING:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        for shape, text in zip(slide.placeholders, (title, body), strict=False):
            shape.text_frame.text = text
    buffer = io.BytesIO()
    deck.save(buffer)
    return buffer.getvalue()


def _xlsx() -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.create_sheet("Compressive strength", 0)
    for row in texts.STRENGTH:
        sheet.append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _epub() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as book:
        book.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        book.writestr("META-INF/container.xml", texts.EPUB_CONTAINER)
        book.writestr("book.opf", texts.EPUB_PACKAGE)
        book.writestr("mortar.xhtml", texts.EPUB_CHAPTER)
    return buffer.getvalue()


def _email() -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = "roofer@example.org", "architect@example.org"
    message["Subject"] = "The slate roof of the old school"
    message["Date"] = "Mon, 04 May 2026 09:30:00 +0000"
    message.set_content(texts.SLATE)
    return message.as_bytes()
