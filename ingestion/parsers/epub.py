"""EPUB: the chapters in reading order."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ragstone.config import LimitSettings
from ragstone.errors import EncryptedInput, MalformedInput
from ragstone.ingestion.parsers.archive import open_zip, read_member
from ragstone.ingestion.parsers.base import TextWriter, check_pages
from ragstone.ingestion.parsers.decode import decode
from ragstone.ingestion.parsers.markup import load_xml
from ragstone.ingestion.parsers.visible import tag_of, write_visible
from ragstone.ingestion.parsers.web import body_of, load_html
from ragstone.schemas.records import Document

if TYPE_CHECKING:
    from zipfile import ZipFile

    from lxml.etree import _Element

MEDIA_TYPE = "application/epub+zip"
_CONTAINER = "META-INF/container.xml"
_RIGHTS = "META-INF/rights.xml"
_DESCRIPTIONS = {
    "creator": "author",
    "date": "created",
    "language": "language",
    "rights": "licence",
    "publisher": "publisher",
    "source": "source",
}


def parse_epub(content: bytes, limits: LimitSettings) -> Document:
    """Read the chapters that the book's spine names; there are no pages in this format."""
    archive = open_zip(content, "EPUB", limits)
    if _RIGHTS in archive.namelist():
        raise EncryptedInput
    package_name = _package_name(archive)
    package = load_xml(read_member(archive, package_name, "EPUB"), "EPUB")
    chapters = _chapters(package, posixpath.dirname(package_name))
    check_pages(len(chapters), "chapters", limits)
    writer = TextWriter(MEDIA_TYPE, limits)
    for name in chapters:
        tree = load_html(decode(read_member(archive, name, "EPUB"))[0])
        if tree is not None:
            write_visible(body_of(tree), writer)
    title, metadata = _describe(package)
    return writer.document(title or writer.first_heading, metadata)


def _package_name(archive: ZipFile) -> str:
    container = load_xml(read_member(archive, _CONTAINER, "EPUB"), "EPUB")
    for element in container.iter():
        if tag_of(element) == "rootfile" and element.get("full-path"):
            return unquote(str(element.get("full-path")))
    raise MalformedInput("EPUB", "its container names no package")


def _chapters(package: _Element, folder: str) -> list[str]:
    """Return the archive names of the spine's documents, in order."""
    manifest: dict[str, str] = {}
    spine: list[str] = []
    for element in package.iter():
        tag = tag_of(element)
        if tag == "item" and "html" in (element.get("media-type") or ""):
            manifest[element.get("id") or ""] = element.get("href") or ""
        elif tag == "itemref":
            spine.append(element.get("idref") or "")
    hrefs = [manifest[name] for name in spine if manifest.get(name)]
    return [posixpath.normpath(posixpath.join(folder, unquote(href))) for href in hrefs]


def _describe(package: _Element) -> tuple[str, dict[str, Any]]:
    title = ""
    metadata: dict[str, Any] = {}
    for element in package.iter():
        tag, text = tag_of(element), (element.text or "").strip()
        if tag == "title" and not title:
            title = text
        elif tag in _DESCRIPTIONS and text:
            metadata.setdefault(_DESCRIPTIONS[tag], text)
    return title, metadata
