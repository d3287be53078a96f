"""XML of any vocabulary: its visible text, titles of sections as headings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragstone.config import LimitSettings
from ragstone.ingestion.parsers.base import TextWriter, collapse, malformed
from ragstone.ingestion.parsers.visible import tag_of
from ragstone.schemas.records import BlockKind, Document

if TYPE_CHECKING:
    from lxml.etree import _Element

MEDIA_TYPE = "application/xml"
_TITLES = frozenset({"title", "article-title", "heading", "head"})
_SECTIONS = frozenset({"sec", "section", "chapter", "part", "appendix", "sect1", "sect2", "sect3"})
_MAX_HEADING = 200  # characters; a longer "title" is a paragraph


def parse_xml(content: bytes, limits: LimitSettings) -> Document:
    """Read XML: an element with text of its own is a paragraph with all it holds.

    Entities are not resolved and nothing is fetched, so an entity bomb stays small; nesting
    deeper than 256 is refused by libxml2.
    """
    root = load_xml(content, "XML")
    writer = TextWriter(MEDIA_TYPE, limits)
    _write(root, writer, 0)
    return writer.document(writer.first_heading)


def load_xml(content: bytes, media: str) -> _Element:
    """Return the root of an XML file read without entities, DTD or network.

    Raises
    ------
    MalformedInput
        It is not well-formed, or nested too deeply.
    """
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    with malformed(media, etree.XMLSyntaxError, ValueError):
        return etree.fromstring(content.lstrip(), parser)


def _write(element: _Element, writer: TextWriter, depth: int) -> None:
    tag = tag_of(element)
    if tag in _SECTIONS:
        depth += 1
    if not _has_own_text(element):
        for child in element:
            _write(child, writer, depth)
        return
    text = collapse("".join(t for t in element.itertext() if isinstance(t, str)))
    if tag in _TITLES and len(text) <= _MAX_HEADING:
        writer.add(text, BlockKind.HEADING, max(depth, 1))
    else:
        writer.add(text)


def _has_own_text(element: _Element) -> bool:
    if (element.text or "").strip():
        return True
    return any((child.tail or "").strip() for child in element)
