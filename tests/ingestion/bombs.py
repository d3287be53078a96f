"""Bombs: small files that ask for much, or lead their reader in circles.

Each is a name, the name of the file, what makes it, and the outcomes that are right. "read" is a
document; all others are codes of errors. The time limit is never among them: what is known here is
refused by its parser.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .hostile import WORDS, docx, epub, pdf, pptx, recording, stream, xlsx, zipped

READ, MALFORMED, LIMIT = "read", "malformed_input", "limit_exceeded"
DIED = "parser_died"  # right only where a library ends the process when memory runs out
EMPTY, UNSUPPORTED, NOT_TEXT, OCR = "empty_input", "unsupported_format", "not_text", "needs_ocr"
MEG = 2**20
LONG = 60_000  # enough for what costs the square of it to be seen
CANARY = "the canary of the coal mine sings"
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


@dataclass(frozen=True, slots=True)
class Bomb:
    """One hostile file."""

    what: str
    name: str
    make: Callable[[], bytes]
    outcomes: frozenset[str]
    heavy: bool = False  # takes long, even when it is refused


def bomb(
    what: str,
    name: str,
    make: Callable[[], bytes] | bytes | str,
    *outcomes: str,
    heavy: bool = False,
) -> Bomb:
    """Return a bomb; bytes and text stand for themselves."""
    given = make.encode() if isinstance(make, str) else make
    maker = given if callable(given) else lambda: given
    return Bomb(what, name, maker, frozenset(outcomes), heavy)


def changed(content: bytes, members: dict[str, str | bytes]) -> bytes:
    """Return a zip file with some members replaced or added."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    return zipped({**kept, **members})


# ---------------------------------------------------------------- text and markup

LAUGHS = '<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a0 "ha">' + "".join(
    f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)
)
LAUGHS += "]>"
QUADRATIC = f'<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a "{"a" * 100_000}">]><z>'
QUADRATIC += "&a;" * 20_000 + "</z>"


def outside(path: Path, root: str = "<z>&x;</z>") -> str:
    """Return XML that asks for the file at `path`."""
    return f'<?xml version="1.0"?><!DOCTYPE z [<!ENTITY x SYSTEM "{path.as_uri()}">]>{root}'


def _attributes(number: int) -> bytes:
    return b"<p " + b" ".join(b"a%d=1" % n for n in range(number)) + b">x"


TEXT = [
    bomb("spaces in one line", "a.txt", b"a" + b" " * LONG + b"b", READ),
    bomb("blank lines", "a.txt", b"a" + b"\n \t" * LONG + b"b", READ),
    bomb("one word", "a.txt", b"x" * LONG, READ),
    bomb("longer than allowed", "a.txt", lambda: b"word " * (2 * MEG), LIMIT),
    bomb("control characters", "a.txt", lambda: b"\x01\x02" * (16 * MEG), NOT_TEXT),
    bomb("zeros", "a.log", lambda: bytes(32 * MEG), NOT_TEXT, UNSUPPORTED),
    bomb("random bytes", "a.txt", lambda: zlib.compress(bytes(range(256)) * 99, 0), NOT_TEXT,
         UNSUPPORTED, READ),
    bomb("combining marks", "a.txt", ("e" + "\u0301" * LONG), READ),
    bomb("rules", "a.rst", b"=" * LONG + b"\n" + b"=" * LONG, READ),
    bomb("rules with spaces", "a.rst", (b"a\n===" + b" " * 50_000 + b"x\n") * 20, READ),
    bomb("stars", "a.org", b"*" * LONG + b" a", READ),
    bomb("subsections", "a.tex", b"\\" + b"sub" * LONG + b"section{a}", READ),
    bomb("brackets", "a.md", b"[" * 20_000, READ),
    bomb("images and brackets", "a.md", b"![[" * 8_000 + b"](", READ),
    bomb("quotes in quotes", "a.md", b">" * 50_000 + b" a", READ),
    bomb("lists in lists", "a.md", b"".join(b" " * n + b"* a\n" for n in range(1_500)), READ),
    bomb("emphasis", "a.md", b"*a **b _c __d " * 5_000, READ),
    bomb("backticks", "a.md", b"".join(b"`" * n + b" " for n in range(1, 1_000)), READ),
    bomb("links", "a.md", b"[a](<b" * 20_000, READ),
    bomb("tables", "a.md", b"|a" * 3_000 + b"\n" + b"|-" * 3_000 + b"\n" + b"|\n" * 3_000, READ),
    bomb("entities", "a.md", b"&" * 200_000, READ),
    bomb("YAML head", "a.md", b"---\ntitle: a" + b" " * LONG + b"b\n---\n", READ),
    bomb("YAML keys", "a.md", b"---\n" + b"title:\n" * 30_000 + b"x\n---\n", READ),
    bomb("tags", "a.srt", b"00:01.000 --> 00:02.000\n" + b"<a" * LONG, READ),
    bomb("voices", "a.vtt", b"00:01.000 --> 00:02.000\n" + b"<v.a a" * LONG, READ),
    bomb("styles", "a.srt", b"00:01.000 --> 00:02.000\n" + b"{\\" * LONG, READ),
    bomb("brackets", "a.py", b"(" * 100_000 + b")" * 100_000, READ),
    bomb("signs", "a.py", b"x = " + b"-" * 100_000 + b"1\n", READ),
    bomb("attributes", "a.py", b"x" + b".x" * 100_000, READ),
    bomb("classes", "a.py", b"".join(b" " * n + b"class A:\n" for n in range(90)) + b" " * 90
         + b"x", READ),
]  # fmt: skip

MARKUP = [
    bomb("laughs", "a.xml", LAUGHS + "<z>&a9;</z>", MALFORMED, EMPTY),
    bomb("laughs in an attribute", "a.xml", LAUGHS + '<z t="&a9;">x</z>', MALFORMED, READ),
    bomb("quadratic entities", "a.xml", QUADRATIC, MALFORMED, EMPTY),
    bomb("deep", "a.xml", b"<a>" * 100_000 + b"x" + b"</a>" * 100_000, MALFORMED),
    bomb("255 deep", "a.xml", b"<a>" * 250 + b"x" + b"</a>" * 250, READ),
    bomb("attributes", "a.xml", b"<z " + b" ".join(b"a%d='x'" % n for n in range(100_000))
         + b">x</z>", READ, MALFORMED),
    bomb("siblings", "a.xml", b"<z>" + b"<p>a</p>" * 20_000 + b"</z>", READ),
    bomb("one long text", "a.xml", lambda: b"<z>" + b"a " * (12 * MEG) + b"</z>", READ,
         MALFORMED),
    bomb("parameter entities", "a.xml", b'<!DOCTYPE z [<!ENTITY % a "<!ENTITY &#37; b \'x\'>">'
         b"%a;%b;%a;]><z>x</z>", READ, MALFORMED),
    bomb("entity that holds itself", "a.xml", b'<!DOCTYPE z [<!ENTITY a "&b;"><!ENTITY b "&a;">'
         b"]><z>&a;</z>", MALFORMED, EMPTY),
    bomb("deep", "a.html", b"<div>" * 100_000 + b"x", READ, MALFORMED),
    bomb("deep inline", "a.html", b"<b>" * 100_000 + b"x", READ, MALFORMED),
    bomb("deep lists", "a.html", b"<ul><li>a" * 20_000, READ, MALFORMED),
    bomb("deep tables", "a.html", b"<table><tr><td>a" * 20_000, READ, MALFORMED),
    bomb("tables side by side in tables", "a.html", (b"<table><tr><td>a" * 40
         + b"</td></tr></table>" * 40) * 100, READ),
    bomb("deep with furniture", "a.html", b"<nav>x</nav>" + b"<div><p>a " * 5_000, READ,
         MALFORMED),
    bomb("comments", "a.html", b"<!---->" * 580 + b"x", READ, EMPTY),
    bomb("open comments", "a", b"<!--" * 60_000, READ, EMPTY),
    bomb("attributes", "a.html", b"<p " + b"a='" * 300_000 + b">x", READ, EMPTY),
    bomb("many attributes", "a.html", _attributes(8_000), READ),
    # libxml2 compares each with all before it.
    bomb("too many attributes", "a.html", _attributes(200_000), "parser_timeout", heavy=True),
    bomb("paragraphs", "a.html", b"<nav>x</nav>" + b"<p>Granite is hard, and it is grey." * 8_000,
         READ),
    bomb("open tags", "a.html", b"<" * LONG, READ, EMPTY),
    bomb("style", "a.html", b"<p style='" + b"display " * 100_000 + b"'>x", READ),
    bomb("JSON-LD", "a.html", b"<script type='application/ld+json'>" + b"[" * 100_000
         + b"</script><p>x", READ),
    bomb("declarations", "a.html", b"<?xml " * 100_000 + b"<html><p>x", READ, EMPTY),
    bomb("character references", "a.html", b"<p>" + b"&#1114111;&#55296;&#0;" * 50_000, READ,
         EMPTY),
]  # fmt: skip


# ---------------------------------------------------------------- containers and Office


def _lying_zip() -> bytes:
    """A member that says it unpacks to one byte, and unpacks to 64 MiB."""
    content = bytearray(docx())
    packed = zipped({"word/document.xml": bytes(64 * MEG)})
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        names = {name: archive.read(name) for name in archive.namelist()}
    names["word/document.xml"] = bytes(64 * MEG)
    data = bytearray(zipped(names))
    size = struct.pack("<I", 64 * MEG)
    while size in data:
        position = data.index(size)
        data[position : position + 4] = struct.pack("<I", 1)
    assert packed
    return bytes(data)


def _overlapping() -> bytes:
    """A thousand members that all are the same bytes of the file."""
    data = zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": bytes(MEG)})
    start = data.index(b"PK\x01\x02")
    first = data.index(b"PK\x01\x02", start + 1)
    end = data.index(b"PK\x05\x06")
    entry = data[first:end]
    table = data[start:first] + entry * 1_000
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1_001, 1_001, len(table), start, 0)
    return data[:start] + table + tail


def _many_members() -> bytes:
    return zipped({f"m{n}": "" for n in range(30_000)} | {"word/document.xml": ""}, 0)


def _nested_zip() -> bytes:
    data = WORDS.encode()
    for depth in range(50):
        data = zipped({f"{depth}.zip": data})
    return data


def docx_of(body: str, head: str = "") -> bytes:
    """Return a Word file with this body."""
    return changed(
        docx(),
        {"word/document.xml": f"{head}<w:document {_W}><w:body>{body}</w:body></w:document>"},
    )


def sheet_of(rows: str, head: str = "") -> bytes:
    """Return an Excel file with these rows."""
    sheet = f"{head}<worksheet {_S}><dimension ref='A1:XFD1048576'/><sheetData>{rows}</sheetData>"
    return changed(xlsx(), {"xl/worksheets/sheet1.xml": sheet + "</worksheet>"})


def _cell(where: str, value: str, more: str = "") -> str:
    return f'<row r="{where.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}"><c r="{where}" {more}>' + (
        f"<v>{value}</v></c></row>"
    )


def _with_strings(content: bytes, table: str) -> bytes:
    """Return an Excel file with a table of shared strings."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        types = archive.read("[Content_Types].xml").decode()
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    entry = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    types = types.replace("</Types>", entry)
    return changed(content, {"[Content_Types].xml": types, "xl/sharedStrings.xml": table})


def _strings(text: str, times: int) -> bytes:
    """One long shared string, in very many cells."""
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, times))
    table = f'<sst {_S} count="1" uniqueCount="1"><si><t>{text}</t></si></sst>'
    return _with_strings(sheet_of(rows), table)


def _group(depth: int) -> bytes:
    with zipfile.ZipFile(io.BytesIO(pptx())) as archive:
        slide = archive.read("ppt/slides/slide1.xml").decode()
    inner = "<p:grpSp><p:nvGrpSpPr/><p:grpSpPr/>" * depth + "</p:grpSp>" * depth
    return changed(
        pptx(), {"ppt/slides/slide1.xml": slide.replace("</p:spTree>", inner + "</p:spTree>")}
    )


_P = "<w:p><w:r><w:t>x</w:t></w:r></w:p>"
_TBL = "<w:tbl><w:tr><w:tc>"
OFFICE = [
    bomb("zeros", "a.docx", lambda: zipped({"[Content_Types].xml": "<Types/>",
         "word/document.xml": bytes(200 * MEG)}), LIMIT),
    bomb("size that lies", "a.docx", _lying_zip, MALFORMED),
    bomb("members that overlap", "a.docx", _overlapping, LIMIT),
    bomb("too many members", "a.docx", _many_members, LIMIT),
    bomb("zip in zip", "a.docx", _nested_zip, UNSUPPORTED),
    bomb("zip in zip", "a.zip", _nested_zip, UNSUPPORTED, READ),
    bomb("zip in zip, renamed", "a.txt", _nested_zip, UNSUPPORTED),
    bomb("paths that lead out", "a.docx", lambda: zipped({"../../../../tmp/x": "x",
         "/etc/x": "x", "word/document.xml": ""}), MALFORMED),
    bomb("laughs", "a.docx", lambda: docx_of(f"<w:p><w:r><w:t>&a9;</w:t></w:r></w:p>{_P}",
         LAUGHS), READ, MALFORMED),
    bomb("deep", "a.docx", lambda: docx_of("<w:sdt><w:sdtContent>" * 50_000), MALFORMED),
    bomb("deep tables", "a.docx", lambda: docx_of(_TBL * 80 + _P + "</w:tc></w:tr></w:tbl>" * 80),
         READ, MALFORMED),
    bomb("boxes in boxes", "a.docx", lambda: docx_of(
         "<w:p><w:r><w:pict><w:txbxContent>" * 60 + _P
         + "</w:txbxContent></w:pict></w:r></w:p>" * 60), READ, MALFORMED),
    bomb("paragraphs", "a.docx", lambda: docx_of(_P * 20_000), READ),
    bomb("outline level", "a.docx", lambda: docx_of("<w:p><w:pPr><w:outlineLvl w:val='"
         + "9" * 5_000 + "'/></w:pPr><w:r><w:t>x</w:t></w:r></w:p>"), READ, MALFORMED),
    bomb("odd digits", "a.docx", lambda: docx_of("<w:p><w:pPr><w:outlineLvl w:val='²'/></w:pPr>"
         "<w:r><w:t>x</w:t></w:r></w:p>"), READ, MALFORMED),
    bomb("core properties", "a.docx", lambda: changed(docx(), {"docProps/core.xml": LAUGHS
         + "<z>&a9;</z>"}), READ, MALFORMED),
    bomb("groups in groups", "a.pptx", lambda: _group(200), READ, MALFORMED),
    bomb("groups in groups in groups", "a.pptx", lambda: _group(50_000), MALFORMED),
    bomb("declared range", "a.xlsx", lambda: sheet_of(_cell("A1", "1")), READ),
    bomb("last cell", "a.xlsx", lambda: sheet_of(_cell("A1", "1")
         + _cell("XFD1048576", "2")), READ),
    bomb("row beyond all", "a.xlsx", lambda: sheet_of(_cell("A1", "1")
         + _cell("A999999999999", "2")), MALFORMED, LIMIT),
    bomb("negative row", "a.xlsx", lambda: sheet_of('<row r="-5"><c r="A1"><v>1</v></c></row>'),
         READ, MALFORMED, EMPTY),
    bomb("wide rows", "a.xlsx", lambda: sheet_of("".join(
         f'<row r="{n}"><c r="A{n}"><v>1</v></c><c r="ZZZ{n}"><v>1</v></c></row>'
         for n in range(1, 20_000))), LIMIT, MALFORMED),
    bomb("one string in all cells", "a.xlsx", lambda: _strings("granite " * 40_000, 2_000),
         LIMIT),
    bomb("number too large", "a.xlsx", lambda: sheet_of(_cell("A1", "1e999")
         + _cell("A2", "9" * 5000)), READ, MALFORMED),
    bomb("day too far", "a.xlsx", lambda: sheet_of(_cell("A1", "1e300", 't="n" s="1"')
         + _cell("A2", "x", 't="d"')), READ, MALFORMED),
    bomb("shared string that is not there", "a.xlsx", lambda: sheet_of(
         _cell("A1", "999999999", 't="s"')), MALFORMED, READ),
    bomb("laughs", "a.xlsx", lambda: sheet_of(
         '<row r="1"><c r="A1" t="inlineStr"><is><t>&a9;</t></is></c></row>', LAUGHS),
         READ, MALFORMED, EMPTY),
    bomb("laughs in strings", "a.xlsx", lambda: _with_strings(sheet_of(_cell("A1", "0", 't="s"')),
         f"{LAUGHS}<sst {_S}><si><t>&a9;</t></si></sst>"), MALFORMED),
    bomb("deep", "a.xlsx", lambda: sheet_of("<row>" * 50_000), MALFORMED, EMPTY),
    bomb("sheets", "a.xlsx", lambda: changed(xlsx(), {"xl/workbook.xml":
         f"<workbook {_S} xmlns:r='http://schemas.openxmlformats.org/officeDocument/2006/"
         "relationships'><sheets>" + "".join(f"<sheet name='s{n}' sheetId='{n}' r:id='rId1'/>"
         for n in range(6_000)) + "</sheets></workbook>"}), LIMIT),
    bomb("chapter that repeats", "a.epub", lambda: changed(epub(), {"b.opf": "<package><manifest>"
         "<item id='a' href='a.xhtml' media-type='application/xhtml+xml'/></manifest><spine>"
         + "<itemref idref='a'/>" * 4_000 + "</spine></package>"}), READ, LIMIT),
    bomb("chapters without end", "a.epub", lambda: changed(epub(), {"b.opf": "<package><manifest>"
         "<item id='a' href='a.xhtml' media-type='application/xhtml+xml'/></manifest><spine>"
         + "<itemref idref='a'/>" * 100_000 + "</spine></package>"}), LIMIT),
    bomb("deep", "a.epub", lambda: epub("<html><body>" + "<div>" * 50_000 + "x"), READ, MALFORMED),
    bomb("laughs", "a.epub", lambda: changed(epub(), {"b.opf": LAUGHS + "<z>&a9;</z>"}), EMPTY,
         MALFORMED),
    bomb("path that leads out", "a.epub", lambda: changed(epub(), {"META-INF/container.xml":
         "<c><rootfile full-path='../../../../../../etc/passwd'/></c>"}), MALFORMED),
    bomb("zeros", "a.txt.gz", lambda: gzip.compress(bytes(100 * MEG)), LIMIT),
    bomb("gzip in gzip", "a.gz", lambda: gzip.compress(gzip.compress(b"a")), UNSUPPORTED),
    bomb("members in a row", "a.gz", lambda: gzip.compress(b"a") * 20_000, READ),
    bomb("empty members in a row", "a.gz", lambda: gzip.compress(b"") * 20_000, EMPTY),
]  # fmt: skip


# ---------------------------------------------------------------- PDF

_PAGES = "<< /Type /Catalog /Pages 2 0 R >>"
_PAGE = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R {} >>"
_ONE = "<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
_FONT = "/Resources << /Font << /F1 5 0 R >> {} >>"
_HELVETICA = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def _flate(data: bytes, layers: int = 1) -> bytes:
    for _ in range(layers):
        data = zlib.compress(data, 9)
    return stream(data, "/Filter [" + "/FlateDecode " * layers + "]")


def _pdf_page(content: bytes, more: str = "", *objects: str | bytes) -> bytes:
    return pdf(_PAGES, _ONE, _PAGE.format(_FONT.format(more)), content, _HELVETICA, *objects)


def _previous_is_itself() -> bytes:
    data = pdf()
    return pdf(trailer=f"/Prev {data.index(b'xref')}")


PDF = [
    bomb("pages that are not there", "a.pdf", lambda: pdf(_PAGES,
         "<< /Type /Pages /Kids [] /Count 999999999 >>"), LIMIT, MALFORMED, OCR),
    bomb("as many missing pages as allowed", "a.pdf", lambda: pdf(_PAGES,
         "<< /Type /Pages /Kids [] /Count 5000 >>"), MALFORMED, OCR),
    bomb("negative pages", "a.pdf", lambda: pdf(_PAGES,
         "<< /Type /Pages /Kids [3 0 R] /Count -1 >>", _PAGE.format("")), MALFORMED, OCR, READ),
    bomb("page tree in a ring", "a.pdf", lambda: pdf(_PAGES,
         "<< /Type /Pages /Kids [3 0 R] /Count 2 >>",
         "<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 2 /Parent 2 0 R >>"), MALFORMED, OCR),
    bomb("page tree that branches into itself", "a.pdf", lambda: pdf(_PAGES,
         "<< /Type /Pages /Kids [2 0 R 2 0 R 2 0 R] >>"), MALFORMED, OCR),
    bomb("deep page tree", "a.pdf", lambda: pdf(_PAGES, *(
         f"<< /Type /Pages /Kids [{n} 0 R] /Count 1 >>" for n in range(3, 20_003))),
         MALFORMED, OCR),
    bomb("table that is its own predecessor", "a.pdf", _previous_is_itself, READ, MALFORMED),
    bomb("deep arrays", "a.pdf", lambda: _pdf_page(stream(b"[" * 100_000)), MALFORMED, OCR),
    bomb("deep arrays in an object", "a.pdf", lambda: pdf("[" * 100_000), MALFORMED),
    bomb("form that draws itself", "a.pdf", lambda: _pdf_page(stream(b"/X Do /X Do /X Do"),
         "/XObject << /X 6 0 R >>", stream(b"/X Do /X Do /X Do",
         "/Type /XObject /Subtype /Form /BBox [0 0 9 9] "
         "/Resources << /XObject << /X 6 0 R >> >>")), OCR, MALFORMED, DIED, heavy=True),
    bomb("laughing forms", "a.pdf", lambda: _pdf_page(stream(b"/X0 Do"), "/XObject << /X0 6 0 R >>",
         *(stream(f"/X{n + 1} Do ".encode() * 12, "/Type /XObject /Subtype /Form /BBox [0 0 9 9] "
         f"/Resources << /XObject << /X{n + 1} {n + 7} 0 R >> >>") for n in range(9))),
         OCR, MALFORMED, DIED, heavy=True),
    bomb("stream of zeros", "a.pdf", lambda: _pdf_page(_flate(bytes(400 * MEG))), OCR, MALFORMED,
         LIMIT, DIED, heavy=True),
    bomb("stream packed thrice", "a.pdf", lambda: _pdf_page(_flate(bytes(400 * MEG), 3)), OCR,
         MALFORMED, LIMIT, DIED, heavy=True),
    bomb("graphics states", "a.pdf", lambda: _pdf_page(_flate(b"q " * MEG)), OCR, MALFORMED),
    bomb("very much text", "a.pdf", lambda: _pdf_page(_flate(
         b"BT /F1 1 Tf (" + b"granite " * 100_000 + b") Tj ET")), READ, LIMIT),
    bomb("page as large as a country", "a.pdf", lambda: pdf(_PAGES, _ONE,
         "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 1e38 1e38] >>"), OCR, MALFORMED),
    bomb("stream that lies about its length", "a.pdf", lambda: _pdf_page(
         b"<< /Length 99999999999 >>\nstream\nx\nendstream"), OCR, MALFORMED),
    bomb("object numbers", "a.pdf", lambda: pdf(trailer="/Size 2147483647"), READ, MALFORMED),
    bomb("header alone", "a.pdf", b"%PDF-1.7", MALFORMED),
    bomb("header and zeros", "a.pdf", b"%PDF-1.7\n" + bytes(MEG), MALFORMED),
    bomb("picture alone", "a.pdf", lambda: _pdf_page(stream(b"9 0 0 9 0 0 cm /I Do"),
         "/XObject << /I 6 0 R >>", stream(bytes(27), "/Type /XObject /Subtype /Image /Width 3 "
         "/Height 3 /ColorSpace /DeviceRGB /BitsPerComponent 8")), OCR),
    bomb("picture of a billion pixels", "a.pdf", lambda: _pdf_page(stream(b"9 0 0 9 0 0 cm /I Do"),
         "/XObject << /I 6 0 R >>", stream(b"x", "/Type /XObject /Subtype /Image /Width 60000 "
         "/Height 60000 /ColorSpace /DeviceRGB /BitsPerComponent 8")), OCR),
]  # fmt: skip


# ---------------------------------------------------------------- data and mail


def _packed_column() -> bytes:
    """A Parquet file of one kB in which one value is repeated forty million times."""
    import pyarrow as pa
    from pyarrow import parquet

    target = io.BytesIO()
    schema = pa.schema([("stone", pa.dictionary(pa.int32(), pa.string()))])
    with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        indices = pa.array([0], pa.int32()).take(pa.array([0] * MEG, pa.int32()))
        column = pa.DictionaryArray.from_arrays(indices, ["granite " * 100])
        for _ in range(40):
            writer.write_table(pa.table([column], schema=schema), row_group_size=MEG)
    return target.getvalue()


def _packed_value() -> bytes:
    """A Parquet file with one very long value that packs well."""
    import pyarrow as pa
    from pyarrow import parquet

    target = io.BytesIO()
    table = pa.table({"stone": pa.array([b"x" * (300 * MEG)], pa.large_binary())})
    parquet.write_table(table, target, compression="zstd", use_dictionary=False,
                        write_statistics=False)  # fmt: skip
    return target.getvalue()


def _mail_in_mail(depth: int) -> bytes:
    head = "Subject: {}\nContent-Type: message/rfc822\n\n"
    return ("".join(head.format(n) for n in range(depth)) + "Subject: x\n\nGranite.").encode()


def _parts_in_parts(depth: int) -> bytes:
    pieces = [f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(depth)]
    return ("Subject: x\n" + "".join(pieces) + "\nGranite.\n").encode()


def _many_parts(number: int) -> bytes:
    part = b"--b\nContent-Type: text/plain\n\nx\n"
    return b'Subject: x\nContent-Type: multipart/mixed; boundary="b"\n\n' + part * number


def _header(name: str, value: bytes) -> bytes:
    return name.encode() + b": " + value + b"\n\nGranite is hard."


_DEEP = 100_000
DATA = [
    bomb("deep lists", "a.json", b"[" * _DEEP + b"]" * _DEEP, MALFORMED),
    bomb("deep objects", "a.json", b'{"a":' * _DEEP + b"1" + b"}" * _DEEP, MALFORMED),
    bomb("900 deep", "a.json", b'{"a":' * 900 + b"1" + b"}" * 900, READ, MALFORMED),
    bomb("open lists", "a.json", b"[" * (16 * MEG), MALFORMED),
    bomb("long paths", "a.json", lambda: json.dumps(_long_paths()).encode(), READ, LIMIT),
    bomb("long number", "a.json", b"[" + b"9" * MEG + b"]", MALFORMED),
    bomb("number too large", "a.json", b"[1e999, -1e999, NaN]", READ, EMPTY),
    bomb("escapes", "a.json", b'["' + b"\\ud800" * 100_000 + b'"]', READ),
    bomb("numbers", "a.json", b"[" + b"1," * LONG + b"1]", READ),
    bomb("empty lists", "a.json", b"[" + b"[]," * LONG + b"[]]", READ, EMPTY),
    bomb("deep lines", "a.jsonl", b"[" * _DEEP + b"\n" + b"[" * _DEEP, MALFORMED),
    bomb("empty lines", "a.jsonl", b"\n" * MEG + b"1", READ, LIMIT),
    bomb("a field of 100 MB", "a.csv", lambda: b"a,b\n1," + b"x" * (100 * MEG), LIMIT),
    bomb("open quote", "a.csv", lambda: b'a,b\n"' + b"x,y\n" * LONG, READ),
    bomb("quotes", "a.csv", b'"' * LONG, READ, EMPTY, MALFORMED),
    bomb("commas", "a.csv", b"," * MEG, EMPTY, READ),
    bomb("empty rows", "a.csv", b",\n" * LONG, EMPTY, READ),
    bomb("columns", "a.csv", b"a," * LONG + b"\n" + b"1," * LONG, READ),
    bomb("rows of 40 million", "a.parquet", _packed_column, LIMIT),
    bomb("long value", "a.parquet", _packed_value, LIMIT, "parser_died"),
    bomb("no footer", "a.parquet", b"PAR1" + bytes(MEG), MALFORMED),
    bomb("footer too long", "a.parquet", b"PAR1" + bytes(99) + b"\xff\xff\xff\x7fPAR1", MALFORMED),
    bomb("footer of noise", "a.parquet", b"PAR1" + b"\x15\x19\x1c" * 3_000 + b"\x28\x23\0\0PAR1",
         MALFORMED),
    bomb("mail in mail", "a.eml", _mail_in_mail(1_000), READ, MALFORMED, LIMIT),
    bomb("mail in mail, 20 deep", "a.eml", _mail_in_mail(20), READ),
    bomb("mail in mail, 40 deep", "a.eml", _mail_in_mail(40), LIMIT),
    bomb("parts in parts", "a.eml", _parts_in_parts(1_000), READ, MALFORMED, LIMIT, EMPTY),
    bomb("parts in parts, 100,000 deep", "a.eml", _parts_in_parts(100_000), MALFORMED, LIMIT,
         EMPTY),
    bomb("many parts", "a.eml", lambda: _many_parts(2_000), READ),
    bomb("too many parts", "a.eml", lambda: _many_parts(20_000), LIMIT, heavy=True),
    bomb("comments in a header", "a.eml", _header("From", b"(" * 50_000), READ, MALFORMED),
    bomb("quotes in a header", "a.eml", _header("To", b'"' * 100_001), READ, MALFORMED),
    bomb("addresses", "a.eml", _header("To", b"a@b.c, " * 20_000), READ, MALFORMED, LIMIT),
    bomb("groups", "a.eml", _header("Cc", b"a:" * 50_000), READ, MALFORMED),
    bomb("encoded words", "a.eml", _header("Subject", b"=?utf-8?q?a?= " * 20_000), READ,
         MALFORMED, LIMIT),
    bomb("open encoded words", "a.eml", _header("Subject", b"=?utf-8?q?" * 20_000), READ,
         MALFORMED, LIMIT),
    bomb("continued parameters", "a.eml", _header("Content-Type", b"text/plain; "
         + b"; ".join(b"x*%d=a" % n for n in range(20_000))), READ, MALFORMED, LIMIT),
    bomb("date", "a.eml", _header("Date", b"Tue, 99 Jan 999999999999 99:99:99 +999999"), READ,
         MALFORMED),
    bomb("encoding", "a.eml", b"Content-Type: text/plain; charset=unicode_escape\n\n\\N{x}", READ,
         MALFORMED, NOT_TEXT),
    bomb("encoding that unpacks", "a.eml", b"Content-Type: text/plain; charset=zlib_codec\n"
         b"Content-Transfer-Encoding: base64\n\n" + b"eJztwTEBAAAAwqD1T20ND6AAAAAAAA", READ,
         MALFORMED, NOT_TEXT, EMPTY),
    bomb("encoding that is slow", "a.eml", b"Content-Type: text/plain; charset=punycode\n"
         b"Content-Transfer-Encoding: 8bit\n\n" + b"\xff" + b"a" * 100_000, READ, MALFORMED,
         NOT_TEXT, EMPTY),
    bomb("header without end", "a.eml", b"Subject: " + b"a\n " * LONG + b"\n\nx", READ, MALFORMED,
         LIMIT),
]  # fmt: skip


def _long_paths() -> object:
    """A value whose lines, each with its path, are quadratic in its size."""
    value: object = [{"x": n} for n in range(5_000)]
    for _ in range(90):
        value = {"k" * 1_000: value}
    return value


# ---------------------------------------------------------------- images and recordings


def _png(width: int, height: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _tiff(width: int, height: int, tags: int = 0) -> bytes:
    """A TIFF whose single strip is far too short; its directory may point at itself."""
    entries = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, 16),
        *((40_000 + n, 4, 0x3FFFFFFF, 8) for n in range(tags)),
    ]  # fmt: skip
    body = struct.pack("<H", len(entries))
    body += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 24) + bytes(16) + body + struct.pack("<I", 24)


def _wav(frames: int, rate: int = 16_000, channels: int = 1, size: int = 0xFFFFFFF0) -> bytes:
    """A WAV file whose header promises up to 4 GB, with `frames` frames in it."""
    bits = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2 % 2**32,
                       channels * 2 % 2**16, 16)  # fmt: skip
    head = b"WAVEfmt " + struct.pack("<I", 16) + bits + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", 0xFFFFFFF0) + head + b"\1\0" * (frames * channels)


_ANY = (READ, MALFORMED, LIMIT, UNSUPPORTED, EMPTY)
MEDIA = [
    bomb("a billion pixels", "a.png", lambda: _png(60_000, 60_000, b"x"), LIMIT, MALFORMED,
         UNSUPPORTED),
    bomb("250 million pixels, all there", "a.png", lambda: _png(16_000, 16_000,
         bytes(16_000 * 48_001)), LIMIT, MALFORMED, UNSUPPORTED, heavy=True),
    bomb("no pixels", "a.png", lambda: _png(0, 0, b""), MALFORMED, UNSUPPORTED),
    bomb("pixels that are missing", "a.png", lambda: _png(500, 500, b"x"), MALFORMED, UNSUPPORTED,
         READ),
    bomb("a billion pixels", "a.tiff", lambda: _tiff(60_000, 60_000), LIMIT, MALFORMED,
         UNSUPPORTED),
    bomb("directory that is its own successor", "a.tiff", lambda: _tiff(4, 4), *_ANY),
    bomb("tags without end", "a.tiff", lambda: _tiff(4, 4, 60), *_ANY),
    bomb("a billion pixels", "a.gif", b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0"
         b"\2\2L\1\0;", LIMIT, MALFORMED, UNSUPPORTED),
    bomb("a billion pixels", "a.bmp", b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 60_000,
         60_000, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(99), LIMIT, MALFORMED, UNSUPPORTED),
    bomb("negative height", "a.bmp", b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 4,
         -(2**31), 1, 24, 0, 0, 0, 0, 0, 0) + bytes(99), LIMIT, MALFORMED, UNSUPPORTED),
    bomb("header that promises 4 GB", "a.wav", lambda: _wav(16_000), *_ANY),
    bomb("four billion samples a second", "a.wav", lambda: _wav(1_000, 0xFFFFFFFF), *_ANY),
    bomb("no samples a second", "a.wav", lambda: _wav(1_000, 0), *_ANY),
    bomb("one sample a second", "a.wav", lambda: _wav(100_000, 1), *_ANY),
    bomb("a thousand channels", "a.wav", lambda: _wav(100, 16_000, 1_000), *_ANY),
    bomb("no channel", "a.wav", lambda: _wav(100, 16_000, 0), *_ANY),
    bomb("no sample", "a.wav", lambda: _wav(0, size=0), *_ANY),
    bomb("hours of silence", "a.flac", lambda: _silence("FLAC"), *_ANY),
    bomb("cut in its header", "a.flac", lambda: recording("FLAC", "PCM_16")[:40], *_ANY),
]  # fmt: skip


def _silence(kind: str) -> bytes:
    """Eight hours of nothing in a few kB."""
    import numpy as np
    import soundfile

    target = io.BytesIO()
    with soundfile.SoundFile(target, "w", 8_000, 1, format=kind, subtype="PCM_16") as file:
        for _ in range(48):
            file.write(np.zeros(8_000 * 600, np.int16))
    return target.getvalue()


BOMBS = [*TEXT, *MARKUP, *OFFICE, *PDF, *DATA, *MEDIA]
