"""HTML: the article of a web page, or all visible text where there is no article."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from ragstone.config import LimitSettings
from ragstone.errors import MalformedInput
from ragstone.ingestion.parsers.base import TextWriter, collapse, malformed
from ragstone.ingestion.parsers.decode import decode, encoding_metadata
from ragstone.ingestion.parsers.head import describe_page
from ragstone.ingestion.parsers.visible import write_visible
from ragstone.schemas.records import Document

if TYPE_CHECKING:
    from lxml.etree import _Element
    from lxml.html import HtmlElement

MEDIA_TYPE = "text/html"
_CHARSET = re.compile(
    rb"<(?:meta\b[^>]{0,200}?charset|\?xml\b[^>]{0,200}?encoding)\s*=\s*[\"']?([\w.:-]+)", re.I
)
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*>")
_DECLARED_WITHIN = 2048
# Signs that a page has more on it than its text. A page without any is shown whole.
_MIN_SHARE = 0.3  # of the text in paragraphs; an article that has less may be the wrong one
# trafilatura asks a second extractor; that one's time is the square of the number of paragraphs.
_PARAGRAPHS = ("p", "div", "li", "td", "dd", "br")
_MANY_PARAGRAPHS = 4_000
_FURNITURE = "//nav|//header|//footer|//aside|//form|//iframe|//*[@role='navigation']"


def parse_html(content: bytes, limits: LimitSettings) -> Document:
    """Read a web page: navigation, advertisements and comments are left out."""
    declared = _CHARSET.search(content[:_DECLARED_WITHIN])
    name = declared[1].decode("ascii", "replace") if declared else ""
    text, encoding = decode(content, name)
    return parse_page(text, limits, encoding_metadata(encoding))


def parse_page(text: str, limits: LimitSettings, metadata: dict[str, Any]) -> Document:
    """Read the HTML `text`; `metadata` wins over what the page says of itself."""
    tree = load_html(text)
    if tree is None:
        return TextWriter(MEDIA_TYPE, limits).document(metadata=metadata)
    title, found = collapse(tree.findtext(".//title") or ""), describe_page(tree)
    writer = TextWriter(MEDIA_TYPE, limits)
    if tree.xpath(_FURNITURE):
        _write_article(tree, writer)
    if writer.empty:
        write_visible(body_of(tree), writer)
    return writer.document(title or writer.first_heading, {**found, **metadata})


def load_html(text: str) -> HtmlElement | None:
    """Return the tree of `text`, None when it holds no element at all.

    Nothing is fetched.

    Raises
    ------
    MalformedInput
        It is nested deeper than 256, or beyond another limit of libxml2.
    """
    from lxml import etree, html

    parser = html.HTMLParser(no_network=True, remove_comments=True, remove_pis=True)
    with malformed("HTML", etree.LxmlError, ValueError, AssertionError):
        body = _DECLARATION.sub("", text, count=1).replace("\x00", "")
        if not body.strip():
            return None
        try:
            tree = html.document_fromstring(body, parser=parser, ensure_head_body=True)
        except etree.ParserError:
            return None  # nothing but declarations and comments
    # libxml2 drops what goes beyond its limits, and the rest of the page, without raising.
    for entry in parser.error_log:
        if entry.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
            raise MalformedInput("HTML", entry.message.partition(", use")[0])
    return tree


def body_of(tree: HtmlElement) -> HtmlElement:
    """Return the <body> of a page, or all of a page that has none (frame sets)."""
    body = tree.find("body")
    return tree if body is None else body


def _write_article(tree: HtmlElement, writer: TextWriter) -> None:
    """Write what trafilatura takes for the article, nothing when it finds none.

    Its precise mode is the better one on most pages and now and then takes the wrong element
    altogether; much running text left outside of it tells.
    """
    article = _article(tree, precise=True)
    running = sum(len(paragraph.text_content()) for paragraph in tree.iter("p"))
    if _length(article) < _MIN_SHARE * running:
        article = max(article, _article(tree, precise=False), key=_length)
    if article is not None:
        write_visible(article, writer)


def _article(tree: HtmlElement, *, precise: bool) -> _Element | None:
    import trafilatura

    found = trafilatura.bare_extraction(
        copy.deepcopy(tree),
        include_comments=False,
        include_tables=True,
        favor_precision=precise,
        fast=sum(1 for _ in tree.iter(*_PARAGRAPHS)) > _MANY_PARAGRAPHS,
        # The duplicate filter remembers earlier pages: results would depend on their order.
        deduplicate=False,
    )
    return None if found is None or isinstance(found, dict) else found.body


def _length(article: _Element | None) -> int:
    return 0 if article is None else sum(map(len, article.itertext()))
