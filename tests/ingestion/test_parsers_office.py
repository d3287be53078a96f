"""PDF, Word, PowerPoint, Excel, EPUB and e-mail: documents made here, read back."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import docx
import openpyxl
import pytest
from docx.oxml import parse_xml as word_xml
from openpyxl.chart import BarChart
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ragstone.config import LimitSettings
from ragstone.errors import (
    EmptyInput,
    EncryptedInput,
    LimitExceeded,
    MalformedInput,
    NeedsOcr,
    UnsupportedFormat,
)
from ragstone.ingestion.parsers import parse
from ragstone.schemas.records import BlockKind, Document, Raw

LIMITS = LimitSettings()
HEADING, PARAGRAPH, TABLE, LIST = (
    BlockKind.HEADING,
    BlockKind.PARAGRAPH,
    BlockKind.TABLE,
    BlockKind.LIST,
)
_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def read(name: str, content: bytes, limits: LimitSettings = LIMITS) -> Document:
    return parse(Raw(source=f"/x/{name}", name=name), content, limits)


def shown(document: Document) -> list[tuple[BlockKind, int, str]]:
    return [(b.kind, b.level, document.text[b.start : b.end]) for b in document.blocks]


def saved(document: Any) -> bytes:
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def zipped(members: dict[str, bytes | str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def rezipped(content: bytes, change: dict[str, tuple[str, str]]) -> bytes:
    """Return a zip file with text replaced in some members, or in all under "*"."""
    members: dict[str, bytes | str] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            old, new = change.get(name, change.get("*", ("", "")))
            data = archive.read(name)
            members[name] = data.replace(old.encode(), new.encode()) if old else data
    return zipped(members)


def pdf(pages: list[list[tuple[int, int, str]]], extra: str = "") -> bytes:
    """Return a PDF of lines given as (font size, height on the page, text)."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>")
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for number, lines in enumerate(pages):
        shown = "\n".join(f"BT /F1 {s} Tf 72 {y} Td ({t}) Tj ET" for s, y, t in lines)
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * number} 0 R >>"
        )
        objects.append(f"<< /Length {len(shown)} >>\nstream\n{shown}\nendstream")
    objects.append("<< /Title (On Stones) /Author (A. Mason) /CreationDate (D:20240102030405Z) >>")
    body, offsets = "%PDF-1.4\n", []
    for number, entry in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{entry}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    return (
        f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R "
        f"/Info {size - 1} 0 R {extra} >>\nstartxref\n{len(body)}\n%%EOF"
    ).encode("latin-1")


LINES = [
    (24, 720, "Granite"),
    (10, 690, "It is a hard stone that cools"),
    (10, 678, "slowly below the ground."),
    (10, 650, "A second paragraph."),
]


def test_pdf_pages_headings_paragraphs_and_metadata() -> None:
    document = read("a.pdf", pdf([LINES, [(10, 700, "Page two.")]]))
    assert [(b.kind, b.page) for b in document.blocks] == [
        (HEADING, 1),
        (PARAGRAPH, 1),
        (PARAGRAPH, 1),
        (PARAGRAPH, 2),
    ]
    assert document.text == (
        "Granite\n\nIt is a hard stone that cools\nslowly below the ground.\n\n"
        "A second paragraph.\n\nPage two."
    )
    assert document.title == "On Stones"
    assert document.metadata == {"pages": 2, "author": "A. Mason", "created": "2024-01-02T03:04:05"}


def test_pdf_is_known_by_its_bytes_whatever_its_name() -> None:
    assert read("a.txt", pdf([LINES])).media_type == "application/pdf"
    assert read("noending", pdf([LINES])).media_type == "application/pdf"


def test_pdf_refusals() -> None:
    with pytest.raises(NeedsOcr, match="2 page"):
        read("a.pdf", pdf([[], []]))
    with pytest.raises(MalformedInput, match="PDF"):
        read("a.pdf", b"%PDF-1.4\nnothing more")
    with pytest.raises(LimitExceeded, match="pages is 2"):
        read("a.pdf", pdf([LINES, LINES]), LimitSettings(pages=1))
    locked = "/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <" + "ab" * 32 + "> /U <"
    locked += "cd" * 32 + "> >> /ID [<00> <00>]"
    with pytest.raises(EncryptedInput):
        read("a.pdf", pdf([LINES], locked))


def word() -> Any:
    document = docx.Document()
    document.core_properties.author = "A. Mason"
    document.core_properties.created = datetime(2024, 1, 2, tzinfo=UTC)
    document.add_heading("Stones", 0)
    document.add_heading("Granite", 2)
    document.add_paragraph("Hard.\nSecond line.")
    for name in ("quartz", "mica"):
        document.add_paragraph(name, style="List Bullet")
    table = document.add_table(2, 2)
    for cell, text in zip((c for r in table.rows for c in r.cells), "abcd", strict=True):
        cell.text = text
    table.cell(1, 1).add_table(1, 1).cell(0, 0).text = "nested"
    return document


def test_word_blocks_in_document_order() -> None:
    document = read("a.docx", saved(word()))
    assert shown(document) == [
        (HEADING, 1, "Stones"),
        (HEADING, 2, "Granite"),
        (PARAGRAPH, 0, "Hard.\nSecond line."),
        (LIST, 0, "quartz\nmica"),
        (TABLE, 0, "a | b\nc | d nested"),
    ]
    assert document.title == "Stones"
    assert document.metadata["author"] == "A. Mason"
    assert document.metadata["created"].startswith("2024-01-02")


def test_word_content_that_python_docx_passes_over() -> None:
    document = docx.Document()
    body = document.element.body
    for position, inner in enumerate(
        (
            "<w:sdt {n}><w:sdtContent><w:p><w:r>"
            "<w:t>in a control</w:t></w:r></w:p></w:sdtContent></w:sdt>",
            "<w:p {n}><w:hyperlink><w:r><w:t>a link</w:t></w:r></w:hyperlink></w:p>",
            "<w:p {n}><w:ins><w:r><w:t>new</w:t></w:r></w:ins>"
            "<w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>",
            "<w:p {n}><w:r><w:t>outer</w:t></w:r><w:r><w:pict><w:txbxContent><w:p><w:r>"
            "<w:t>boxed</w:t></w:r></w:p></w:txbxContent></w:pict></w:r></w:p>",
        )
    ):
        body.insert(position, word_xml(inner.format(n=_WORD)))
    texts = [text for *_, text in shown(read("a.docx", saved(document)))]
    assert texts == ["in a control", "a link", "new", "outer", "boxed"]


def test_word_of_the_strict_flavour() -> None:
    strict = rezipped(
        saved(word()),
        {
            "*": (
                "http://schemas.openxmlformats.org/wordprocessingml/2006/",
                "http://purl.oclc.org/ooxml/wordprocessingml/",
            )
        },
    )
    assert read("a.docx", strict).title == "Stones"


def test_word_with_macros_is_refused_by_name() -> None:
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    macros = "application/vnd.ms-word.document.macroEnabled.main+xml"
    content = rezipped(saved(word()), {"[Content_Types].xml": (main, macros)})
    with pytest.raises(UnsupportedFormat, match="macros"):
        read("a.docm", content)


def slides() -> Any:
    show = Presentation()
    first = show.slides.add_slide(show.slide_layouts[1])
    first.shapes.title.text = "Stones"
    first.placeholders[1].text = "granite\nmarble"
    first.notes_slide.notes_text_frame.text = "Say hello."
    second = show.slides.add_slide(show.slide_layouts[5])
    second.shapes.title.text = "Weights"
    box = (Inches(1), Inches(2), Inches(4), Inches(1))
    table = second.shapes.add_table(1, 2, *box).table
    table.cell(0, 0).text, table.cell(0, 1).text = "a", "b"
    group = second.shapes.add_group_shape()
    group.shapes.add_textbox(*box).text_frame.text = "grouped"
    data = CategoryChartData()
    data.categories = ["x", "y"]
    data.add_series("kg", (1.5, 2))
    second.shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, *box, data)
    return show


def test_powerpoint_slides_are_pages() -> None:
    document = read("a.pptx", saved(slides()))
    assert [(b.kind, document.text[b.start : b.end], b.page) for b in document.blocks] == [
        (HEADING, "Stones", 1),
        (LIST, "granite\nmarble", 1),
        (PARAGRAPH, "Say hello.", 1),
        (HEADING, "Weights", 2),
        (TABLE, "a | b", 2),
        (PARAGRAPH, "grouped", 2),
        (TABLE, "| kg\nx | 1.5\ny | 2", 2),
    ]
    assert document.title == "Stones"
    assert document.metadata["pages"] == 2
    with pytest.raises(LimitExceeded, match="slides"):
        read("a.pptx", saved(slides()), LimitSettings(pages=1))


def book() -> Any:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Weights"
    for row in (["stone", "kg", "day"], ["granite", 2.0, datetime(2024, 1, 2)], ["opal", 0.5]):
        sheet.append(row)
    sheet["B6"] = "far below"
    workbook.create_sheet("Empty")
    workbook.create_chartsheet("Chart").add_chart(BarChart())
    return workbook


def test_excel_sheets_are_pages_and_header_rows_headings() -> None:
    document = read("a.xlsx", saved(book()))
    assert shown(document) == [
        (HEADING, 1, "Weights"),
        (HEADING, 2, "stone | kg | day"),
        (TABLE, 0, "granite | 2 | 2024-01-02\nopal | 0.5"),
        (TABLE, 0, "far below"),
    ]
    assert {block.page for block in document.blocks} == {1}
    assert document.metadata["sheets"] == ["Weights", "Empty"]
    assert document.title == ""


def test_an_empty_workbook_is_empty() -> None:
    with pytest.raises(EmptyInput):
        read("a.xlsx", saved(openpyxl.Workbook()))


@pytest.mark.parametrize(("name", "make"), [("a.docx", word), ("a.pptx", slides), ("a.xlsx", book)])
def test_damaged_office_files(name: str, make: Any) -> None:
    content = saved(make())
    with pytest.raises(MalformedInput, match="zip container is damaged"):
        read(name, content[: len(content) // 2])
    with pytest.raises(MalformedInput, match="not a valid"):
        read(name, rezipped(content, {"*": ("</", "<")}))
    with pytest.raises(MalformedInput):
        read(name, b"PK\x03\x04" + b"garbage" * 20)
    with pytest.raises(MalformedInput):
        read(name, zipped({"[Content_Types].xml": "<Types/>"}))
    assert read("wrong.txt", content).text == read(name, content).text


def test_zip_bombs_are_refused_before_unpacking() -> None:
    bomb = zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": b" " * (200 * 2**20)})
    assert len(bomb) < 2**20
    with pytest.raises(LimitExceeded, match="Unpacked over packed size"):
        read("a.docx", bomb)
    with pytest.raises(LimitExceeded, match="unpacked size"):
        read("a.docx", bomb, LimitSettings(bytes=100 * 2**20))


def test_locked_office_files_and_old_ones_are_told_apart() -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    with pytest.raises(EncryptedInput):
        read("a.xlsx", ole + "EncryptedPackage".encode("utf-16-le"))
    for stream, what in (("WordDocument", "Word"), ("Workbook", "Excel"), ("Other", "compound")):
        with pytest.raises(UnsupportedFormat, match=what):
            read("a.docx", ole + stream.encode("utf-16-le"))


CONTAINER = '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
PACKAGE = """<package xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>Quarry</dc:title>
<dc:creator>A. Mason</dc:creator><dc:language>en</dc:language></metadata><manifest>
<item id="b" href="two.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/one%20.xhtml"
media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/><itemref idref="b"/>
</spine></package>"""
EPUB = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OPS/book.opf": PACKAGE,
    "OPS/text/one .xhtml": '<?xml version="1.0"?><html><head><title>x</title></head>'
    "<body><h1>One</h1><p>First.</p></body></html>",
    "OPS/two.xhtml": "<html><body><h2>Two</h2><p>Second.</p></body></html>",
}


def test_epub_chapters_in_reading_order() -> None:
    document = read("a.epub", zipped({**EPUB}))
    assert [text for *_, text in shown(document)] == ["One", "First.", "Two", "Second."]
    assert document.title == "Quarry"
    assert document.metadata == {"author": "A. Mason", "language": "en"}


def test_epub_refusals() -> None:
    for missing in ("META-INF/container.xml", "OPS/book.opf", "OPS/two.xhtml"):
        members = {name: data for name, data in EPUB.items() if name != missing}
        with pytest.raises(MalformedInput, match="missing"):
            read("a.epub", zipped({**members}))
    with pytest.raises(EncryptedInput):
        read("a.epub", zipped({**EPUB, "META-INF/rights.xml": "<rights/>"}))


def mail(body: str = "Hello,\n\nsee below.\n") -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Grüße vom Steinbruch"
    message["From"], message["To"] = "Ann <ann@example.com>", "bob@example.com"
    message["Date"] = "Tue, 02 Jan 2024 03:04:05 +0100"
    message.set_content(body)
    return message


def test_mail_head_is_metadata_and_attachments_are_named() -> None:
    message = mail()
    message.add_alternative("<p>not this one</p>", subtype="html")
    message.add_attachment(b"\0\1", maintype="image", subtype="png", filename="stone.png")
    document = read("a.eml", bytes(message))
    assert document.title == "Grüße vom Steinbruch"
    assert document.text == "Hello,\n\nsee below."
    assert document.metadata == {
        "from": "Ann <ann@example.com>",
        "to": "bob@example.com",
        "created": "2024-01-02T03:04:05+01:00",
        "attachments": ["stone.png"],
    }


def test_mail_with_html_only_and_forwarded_mail() -> None:
    message = EmailMessage()
    message["Subject"] = "Outer"
    message.set_content(
        "<html><body><h1>Head</h1><p>Body &amp; soul</p></body></html>", subtype="html"
    )
    message.add_attachment(mail("Inner text."))
    texts = [text for *_, text in shown(read("a.eml", bytes(message)))]
    assert texts == ["Head", "Body & soul", "Grüße vom Steinbruch", "Inner text."]


def test_mail_in_a_legacy_encoding_and_with_an_unknown_one() -> None:
    head = b"Subject: x\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: text/plain; charset="
    assert read("a.eml", head + b"koi8-r\r\n\r\n" + "Ночь".encode("koi8-r")).text == "Ночь"
    assert read("a.eml", head + b"no-such\r\n\r\nplain").text == "plain"
