"""Parsers: bytes of one format to a document.

To add a format, write one function `(content, limits) -> Document` and enter it in `PARSERS`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from ragstone.config import LimitSettings
from ragstone.errors import EmptyInput, LimitExceeded, NotText, UnsupportedFormat
from ragstone.ingestion.parsers.archive import gunzip
from ragstone.ingestion.parsers.audio import parse_audio
from ragstone.ingestion.parsers.base import Parser, TextWriter
from ragstone.ingestion.parsers.docx import parse_docx
from ragstone.ingestion.parsers.epub import parse_epub
from ragstone.ingestion.parsers.image import PLAIN, ImageOptions, parse_image, text_reader
from ragstone.ingestion.parsers.mail import parse_mail
from ragstone.ingestion.parsers.markdown import parse_markdown
from ragstone.ingestion.parsers.markup import parse_xml
from ragstone.ingestion.parsers.pdf import parse_pdf
from ragstone.ingestion.parsers.plain import (
    parse_asciidoc,
    parse_code,
    parse_org,
    parse_plain,
    parse_rst,
    parse_tex,
)
from ragstone.ingestion.parsers.pptx import parse_pptx
from ragstone.ingestion.parsers.python import parse_python
from ragstone.ingestion.parsers.rows import parse_row
from ragstone.ingestion.parsers.sniff import IMAGES, RECORDINGS, detect
from ragstone.ingestion.parsers.structured import parse_json, parse_json_lines
from ragstone.ingestion.parsers.subtitles import parse_subtitles
from ragstone.ingestion.parsers.tables import parse_csv, parse_parquet
from ragstone.ingestion.parsers.web import parse_html
from ragstone.ingestion.parsers.xlsx import parse_xlsx
from ragstone.schemas.records import Document, Raw

# Part of every item's work key: raise it when any parser gives another output for equal bytes.
REVISION = "3"

PARSERS: dict[str, Parser] = {
    # plain text and light markup
    ".txt": parse_plain,
    ".text": parse_plain,
    ".rst": parse_rst,
    ".org": parse_org,
    ".adoc": parse_asciidoc,
    ".asciidoc": parse_asciidoc,
    ".tex": parse_tex,
    ".md": parse_markdown,
    ".markdown": parse_markdown,
    ".vtt": parse_subtitles,
    ".srt": parse_subtitles,
    # source code, settings and logs
    ".py": parse_python,
    ".pyi": parse_python,
    **dict.fromkeys(
        ".log .yaml .yml .toml .ini .cfg .conf .properties .env .sh .bash .zsh .ps1 .bat .c .h "
        ".cc .cpp .hpp .cs .java .kt .scala .go .rs .swift .js .mjs .jsx .ts .tsx .css .scss .rb "
        ".php .pl .lua .r .jl .sql .m .hs .ml .clj .ex .erl .dart .vue .proto .cmake .mk "
        ".dockerfile .diff .patch".split(),
        parse_code,
    ),
    # markup
    ".html": parse_html,
    ".htm": parse_html,
    ".xhtml": parse_html,
    ".xml": parse_xml,
    ".nxml": parse_xml,
    # office
    ".pdf": parse_pdf,
    ".docx": parse_docx,
    ".pptx": parse_pptx,
    ".xlsx": parse_xlsx,
    ".xlsm": parse_xlsx,
    ".epub": parse_epub,
    ".eml": parse_mail,
    # data
    ".json": parse_json,
    ".jsonl": parse_json_lines,
    ".ndjson": parse_json_lines,
    ".csv": parse_csv,
    ".tsv": parse_csv,
    ".parquet": parse_parquet,
    # images and recordings; of these the bytes tell, not the ending
    **dict.fromkeys(IMAGES, parse_image),
    **dict.fromkeys(RECORDINGS, parse_audio),
}
_ENDINGS = frozenset(PARSERS)
_GZIP = b"\x1f\x8b"


def parse(
    raw: Raw, content: bytes, limits: LimitSettings, images: ImageOptions = PLAIN
) -> Document:
    """Turn the bytes of a source object into a document.

    Parameters
    ----------
    raw
        Where the bytes come from; the ending of `raw.name` is a hint at the format, and
        `raw.columns` says that the bytes are one table row. Its metadata joins the document's.
    content
        The bytes of the source object.
    limits
        What the input may cost; time and memory are watched by the caller.
    images
        What is taken out of images.

    Raises
    ------
    Rejected
        There is no document in the bytes; the subclass and its message say why.
    """
    if not content:
        raise EmptyInput
    if len(content) > limits.bytes:
        raise LimitExceeded("The size in bytes", len(content), limits.bytes, "limits.bytes")
    if raw.columns is not None:
        document = parse_row(content, raw.columns, limits)
    else:
        name = raw.path.name if raw.path else raw.name
        document = _parse_file(name, content, limits, images)
    if document.payloads:
        document = _captioned(document, raw, limits)
    elif not document.text.strip():
        raise EmptyInput("The file holds no text")
    return replace(document, metadata={**document.metadata, **raw.metadata})


def _captioned(document: Document, raw: Raw, limits: LimitSettings) -> Document:
    """Return an image or a recording with what is written beside it, and its name as the title.

    Text that was found in an image comes after it.
    """
    writer = TextWriter(document.media_type, limits)
    for line in raw.caption.splitlines():
        writer.add(line)
    starts = [writer.add(document.text[block.start : block.end]) for block in document.blocks]
    whole = writer.document()
    title = document.title or PurePosixPath(raw.name).stem
    found = document.found and replace(document.found, start=min(starts))
    return replace(document, text=whole.text, blocks=whole.blocks, title=title, found=found)


def _parse_file(name: str, content: bytes, limits: LimitSettings, images: ImageOptions) -> Document:
    if content.startswith(_GZIP):
        content = gunzip(content, limits)
        name = name.removesuffix(".gz")
        if content.startswith(_GZIP):
            raise UnsupportedFormat("A gzip file inside a gzip file")
        if not content:
            raise EmptyInput
    ending = detect(name, content, _ENDINGS)
    if ending in IMAGES:
        return parse_image(content, limits, images)
    if ending == ".pdf" and images.ocr:
        return parse_pdf(content, limits, text_reader(images.ocr, limits.seconds))
    if ending:
        return PARSERS[ending](content, limits)
    try:
        return parse_plain(content, limits)
    except NotText as error:
        suffix = PurePosixPath(name).suffix
        what = f"A {suffix} file" if suffix else "A binary file without an ending"
        raise UnsupportedFormat(what) from error


__all__ = ["PARSERS", "REVISION", "parse"]
