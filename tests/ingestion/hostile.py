"""A good file of every format, and ways to damage it; a format joins by one line in `GOOD`."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any

Make = Callable[[], bytes]
WORDS = "Granite is a hard stone that cools slowly below the ground. Marble takes a polish.\n\n"


# ---------------------------------------------------------------- good files


def saved(document: Any) -> bytes:
    """Return what a document of an Office library writes."""
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def docx() -> bytes:
    """A Word file with a heading, a list and a table."""
    import docx as library

    document = library.Document()
    document.add_heading("Stones", 1)
    document.add_paragraph(WORDS)
    document.add_paragraph("quartz", style="List Bullet")
    document.add_table(2, 2).cell(0, 0).text = "a"
    return saved(document)


def pptx() -> bytes:
    """A slide with a title and a text."""
    from pptx import Presentation

    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text, slide.placeholders[1].text = "Stones", WORDS
    return saved(show)


def xlsx() -> bytes:
    """A sheet of three rows."""
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["stone", "kg"], ["granite", 2.5], ["opal", 1]):
        book.active.append(row)
    return saved(book)


def epub(chapter: str = "<html><body><h1>One</h1><p>Granite.</p></body></html>") -> bytes:
    """A book of one chapter."""
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="b.opf"/>'
            "</rootfiles></container>",
            "b.opf": '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
            "<dc:title>Quarry</dc:title></metadata><manifest><item id='a' href='a.xhtml' "
            "media-type='application/xhtml+xml'/></manifest><spine><itemref idref='a'/></spine>"
            "</package>",
            "a.xhtml": chapter,
        }
    )


def pdf(*objects: str | bytes, trailer: str = "") -> bytes:
    """Return a PDF: the catalog is object 1; without `objects` it has a page of text."""
    given = objects or (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>",
        stream(b"BT /F1 12 Tf 72 700 Td (Granite is hard.) Tj ET"),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    body, offsets = b"%PDF-1.4\n", []
    for number, entry in enumerate(given, start=1):
        offsets.append(len(body))
        data = entry if isinstance(entry, bytes) else entry.encode()
        body += b"%d 0 obj\n%s\nendobj\n" % (number, data)
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    end = f"xref\n0 {len(given) + 1}\n0000000000 65535 f \n{table}trailer\n<< /Size "
    end += f"{len(given) + 1} /Root 1 0 R {trailer} >>\nstartxref\n{len(body)}\n%%EOF"
    return body + end.encode()


def stream(data: bytes, more: str = "") -> bytes:
    """Return a PDF stream object."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), more.encode(), data)


def eml() -> bytes:
    """A message with two bodies and an attachment."""
    message = EmailMessage()
    message["Subject"], message["From"] = "Grüße", "Ann <ann@example.com>"
    message["Date"] = "Tue, 02 Jan 2024 03:04:05 +0100"
    message.set_content(WORDS)
    message.add_alternative(f"<p>{WORDS}</p>", subtype="html")
    message.add_attachment(b"\0\1", maintype="image", subtype="png", filename="stone.png")
    return bytes(message)


def parquet() -> bytes:
    """A table of two columns."""
    import pyarrow as pa
    from pyarrow import parquet as library

    target = io.BytesIO()
    table = pa.table({"stone": ["granite", "opal", None], "kg": [2.5, 1.0, 0.1]})
    library.write_table(table, target)
    return target.getvalue()


def picture(kind: str) -> bytes:
    """A small picture with some structure, in a format that Pillow writes."""
    from PIL import Image

    image = Image.linear_gradient("L").resize((48, 32)).convert("RGB")
    target = io.BytesIO()
    image.save(target, kind)
    return target.getvalue()


def recording(kind: str, subtype: str) -> bytes:
    """Two seconds of a rising tone, in a format that libsndfile writes."""
    import numpy as np
    import soundfile

    times = np.arange(32_000) / 16_000
    target = io.BytesIO()
    samples = 0.3 * np.sin(2 * np.pi * (200 + 100 * times) * times)
    soundfile.write(target, samples, 16_000, format=kind, subtype=subtype)
    return target.getvalue()


def zipped(members: dict[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip file."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def tarred() -> bytes:
    """A tar file with two members."""
    import tarfile

    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name in ("a.txt", "b/c.md"):
            member = tarfile.TarInfo(name)
            member.size = len(WORDS)
            archive.addfile(member, io.BytesIO(WORDS.encode()))
    return target.getvalue()


# A file that can be read, by ending. Each parser stands here at least once; endings that no parser
# takes (in an installation without an optional library) must be refused instead.
GOOD: dict[str, Make] = {
    ".txt": lambda: WORDS.encode() * 3,
    ".rst": lambda: b"Stones\n======\n\nGranite\n-------\n\n" + WORDS.encode(),
    ".org": lambda: b"* Stones\n** Granite\n" + WORDS.encode(),
    ".adoc": lambda: b"= Stones\n\n== Granite\n\n" + WORDS.encode(),
    ".tex": lambda: b"\\section{Stones}\n\n\\subsection{Granite}\n" + WORDS.encode(),
    ".md": lambda: (
        b"---\ntitle: S\n---\n# Stones\n\n* a\n* b\n\n> q\n\n| a | b |\n|---|---|\n|1|2|"
    ),
    ".srt": lambda: b"1\n00:00:01,000 --> 00:00:02,000\n<i>Granite</i>\n\n2\n00:00:03,000 --> x\nb",
    ".py": lambda: b'"""Stones."""\n\nclass Stone:\n    def weigh(self):\n        return 1\n',
    ".log": lambda: b"2024-01-02 granite cooled\n2024-01-03 marble polished\n",
    ".html": lambda: (
        b"<html lang=en><head><title>Stones</title></head><body><nav>x</nav><article>"
        b"<h1>Granite</h1><p>" + WORDS.encode() * 5 + b"</p><ul><li>a<li>b</ul></article></body>"
    ),
    ".xml": lambda: b'<?xml version="1.0"?><book><sec><title>S</title><p>Hard.</p></sec></book>',
    ".pdf": pdf,
    ".docx": docx,
    ".pptx": pptx,
    ".xlsx": xlsx,
    ".epub": epub,
    ".eml": eml,
    ".json": lambda: b'{"stone": {"name": "granite", "kg": [1, 2.5]}, "hard": true}',
    ".jsonl": lambda: b'{"stone": "granite"}\n{"stone": "opal"}\n',
    ".csv": lambda: b'stone,kg\ngranite,2.5\n"opal, milky",1\n',
    ".parquet": parquet,
    ".txt.gz": lambda: gzip.compress(WORDS.encode()),
    ".png": lambda: picture("PNG"),
    ".jpg": lambda: picture("JPEG"),
    ".webp": lambda: picture("WEBP"),
    ".gif": lambda: picture("GIF"),
    ".tiff": lambda: picture("TIFF"),
    ".bmp": lambda: picture("BMP"),
    ".wav": lambda: recording("WAV", "PCM_16"),
    ".flac": lambda: recording("FLAC", "PCM_16"),
    ".ogg": lambda: recording("OGG", "VORBIS"),
    ".opus": lambda: recording("OGG", "OPUS"),
    ".mp3": lambda: recording("MP3", "MPEG_LAYER_III"),
    # Taken apart by a source, not by a parser.
    ".zip": lambda: zipped({"a.txt": WORDS, "b/c.md": "# Stones"}),
    ".tar": tarred,
}


# ---------------------------------------------------------------- damage


def damaged(content: bytes, rng: random.Random, number: int) -> Iterator[tuple[str, bytes]]:
    """Yield `number` damaged versions of `content` with what was done to them."""
    for turn in range(number):
        name, change = _DAMAGES[turn % len(_DAMAGES)]
        yield f"{name} {turn}", change(bytearray(content), rng)


def _cut(data: bytearray, rng: random.Random) -> bytes:
    return bytes(data[: rng.randrange(1, len(data))])


def _flip_bits(data: bytearray, rng: random.Random) -> bytes:
    for _ in range(1 + len(data) // 200):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _flip_one(data: bytearray, rng: random.Random) -> bytes:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _zero(data: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.randrange(1, 64))
    data[start:end] = bytes(end - start)
    return bytes(data)


def _largest(data: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(max(1, len(data) - 8))
    data[start : start + 4] = rng.choice([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0"])
    return bytes(data)


def _repeat(data: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    piece = data[start : start + rng.randrange(1, 200)]
    return bytes(data[:start] + piece * rng.randrange(2, 500) + data[start:])


def _drop(data: bytearray, rng: random.Random) -> bytes:
    start = rng.randrange(len(data))
    del data[start : start + rng.randrange(1, 100)]
    return bytes(data)


_DAMAGES: tuple[tuple[str, Callable[[bytearray, random.Random], bytes]], ...] = (
    ("cut", _cut),
    ("bits", _flip_bits),
    ("one bit", _flip_one),
    ("zeros", _zero),
    ("largest numbers", _largest),
    ("repeated", _repeat),
    ("dropped", _drop),
)


def repacked(content: bytes, rng: random.Random) -> bytes:
    """Return a zip file one of whose members is damaged, with right checksums.

    Plain damage of a zip file never gets beyond its checksums.
    """
    members: dict[str, bytes | str] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if archive.getinfo(name).file_size]
        for name in archive.namelist():
            members[name] = archive.read(name)
    victim = rng.choice([name for name in names if name.endswith(("xml", "rels", "opf"))])
    data = members[victim]
    assert isinstance(data, bytes)
    members[victim] = next(damaged(data, rng, 1))[1] if rng.random() < 0.2 else _swap(data, rng)
    return zipped(members)


_TOKENS = (
    b"<", b">", b"&#1;", b"&x;", b"</w:p>", b'="', b"-1", b"99999999999999999999", b"1e999",
    b"NaN", b"\xff", b"/", b"true", b"xmlns:w=\"u\"", b"<![CDATA[", b"",
)  # fmt: skip


def _swap(data: bytes, rng: random.Random) -> bytes:
    """Replace an attribute's value, a number or a place between tags."""
    start = rng.randrange(len(data))
    quote = data.find(b'"', start)
    if rng.random() < 0.6 and quote >= 0:
        end = data.find(b'"', quote + 1)
        return data[: quote + 1] + rng.choice(_TOKENS).replace(b'"', b"") + data[max(end, quote) :]
    return data[:start] + rng.choice(_TOKENS) + data[start + rng.randrange(4) :]
