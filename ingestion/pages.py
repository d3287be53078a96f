"""What was fetched as a raw object: its name with an ending, its bytes with their encoding."""

from __future__ import annotations

import codecs
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ragstone.errors import Rejected
from ragstone.ingestion.parsers import PARSERS
from ragstone.ingestion.parsers.base import clean
from ragstone.schemas.records import Raw

if TYPE_CHECKING:
    from ragstone.ingestion.fetching import Fetched

# In the metadata of a raw object that stands for a list that could not be had, or not whole: what
# it would have named is unknown, so nothing of its place may be taken for gone. A folder, archive
# or table that could not be read needs no such mark: what it hides lies below its own name.
LISTING = "listing"

_HEAD = 1024  # bytes in which a page has to say what its encoding is
_DECLARED = re.compile(rb"(?:charset|encoding)\s*=", re.IGNORECASE)
_TEXTUAL = re.compile(r"text/|application/(?:.*\+)?(?:xml|json)$|application/javascript$")
_OFFICE = "application/vnd.openxmlformats-officedocument"

# Endings of each media type; the first is given to a name that has none of them.
_ENDINGS: dict[str, tuple[str, ...]] = {
    "text/html": (".html", ".htm", ".xhtml"),
    "application/xhtml+xml": (".xhtml", ".html", ".htm"),
    "text/markdown": (".md", ".markdown"),
    "text/csv": (".csv",),
    "text/tab-separated-values": (".tsv",),
    "text/xml": (".xml", ".nxml"),
    "text/vtt": (".vtt",),
    "application/xml": (".xml", ".nxml"),
    "application/json": (".json",),
    "application/ld+json": (".json",),
    "application/x-ndjson": (".jsonl", ".ndjson"),
    "application/jsonl": (".jsonl", ".ndjson"),
    "application/pdf": (".pdf",),
    "application/epub+zip": (".epub",),
    "application/vnd.apache.parquet": (".parquet",),
    f"{_OFFICE}.wordprocessingml.document": (".docx",),
    f"{_OFFICE}.presentationml.presentation": (".pptx",),
    f"{_OFFICE}.spreadsheetml.sheet": (".xlsx",),
    "application/vnd.ms-excel.sheet.macroenabled.12": (".xlsm",),
    "message/rfc822": (".eml",),
    "application/gzip": (".gz",),
    "application/x-gzip": (".gz",),
    "application/zip": (".zip", ".docx", ".pptx", ".xlsx", ".xlsm", ".epub"),
    "application/x-tar": (".tar",),
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg"),
    "image/gif": (".gif",),
    "image/webp": (".webp",),
    "image/tiff": (".tiff", ".tif"),
    "image/bmp": (".bmp",),
    "image/heic": (".heic", ".heif"),
    "image/avif": (".avif",),
    "audio/wav": (".wav",),
    "audio/x-wav": (".wav",),
    "audio/flac": (".flac",),
    "audio/ogg": (".ogg", ".oga", ".opus"),
    "audio/mpeg": (".mp3",),
    "audio/mp4": (".m4a", ".mp4"),
}


def page(url: str, fetched: Fetched) -> Raw:
    """Return what `url` gave as a raw object.

    Its source is the address that was asked; where another one answered, `metadata["url"]` is
    that. When it was fetched is not noted: the same bytes are the same item at any time, and at
    any address.
    """
    metadata = {"content_type": fetched.media_type} if fetched.media_type else {}
    if fetched.url != url:
        metadata["url"] = fetched.url
    return Raw(
        source=url,
        name=page_name(url, fetched.media_type),
        content=_with_encoding(fetched),
        metadata=metadata,
    )


def refused(url: str, problem: Rejected, *, listing: bool = False) -> Raw:
    """Return an address whose bytes could not be had, on its way to quarantine."""
    source = clean(url)
    metadata = {LISTING: True} if listing else {}
    return Raw(source=source, name=source, metadata=metadata, problem=problem)


def page_name(url: str, media_type: str) -> str:
    """Return host and path of `url`, with an ending that parsers know the media type by.

    What the server says counts more than the path: `/index.php` gives a page, not a program.
    """
    parts = urlsplit(url)
    steps = [step for step in unquote(parts.path).split("/") if step.strip(".")]
    if not steps or parts.path.endswith("/"):
        steps.append("index")
    path_ending = PurePosixPath(steps[-1]).suffix.lower()
    name = "/".join((parts.netloc, *steps))
    if parts.query:
        name += f"?{unquote(parts.query)}"
    ending = _ending(path_ending, media_type)
    if not name.lower().endswith(ending):
        name += ending
    return "".join(c if c.isprintable() else "\ufffd" for c in clean(name))


def _ending(path_ending: str, media_type: str) -> str:
    if media_type == "text/plain":  # what servers call all text that they do not know
        return path_ending if path_ending in PARSERS else ".txt"
    endings = _ENDINGS.get(media_type)
    if endings is None or path_ending in endings:
        return path_ending
    return endings[0]


def _with_encoding(fetched: Fetched) -> bytes:
    """Return the bytes, as UTF-8 with its mark where only the server knows their encoding.

    A page in another encoding than UTF-8 that does not say so itself would otherwise be left to a
    guess once its header is gone.
    """
    content, charset = fetched.content, fetched.charset
    if not charset or not _TEXTUAL.match(fetched.media_type) or _DECLARED.search(content[:_HEAD]):
        return content
    if _is_utf8(content) or content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content
    try:
        name = codecs.lookup(charset).name
        # Browsers read Latin-1 as its superset, and so do the servers that claim it.
        text = content.decode("cp1252" if name in ("iso8859-1", "ascii") else name)
    except (LookupError, UnicodeError):
        return content
    return codecs.BOM_UTF8 + text.encode("utf-8", errors="replace")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
