"""Sitemaps: which pages a site names, by the protocol of sitemaps.org."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragstone.config import LimitSettings
from ragstone.errors import MalformedInput
from ragstone.ingestion.parsers.archive import gunzip
from ragstone.ingestion.parsers.base import clean, malformed

if TYPE_CHECKING:
    from lxml.etree import _Element

_GZIP = b"\x1f\x8b"
_TAGS = ("{*}url", "{*}sitemap", "{*}urlset", "{*}sitemapindex")
_ENTRIES = {"url": False, "sitemap": True}


@dataclass(frozen=True, slots=True)
class Entry:
    """An address in a sitemap, just as it stands there."""

    url: str
    is_sitemap: bool


def entries(content: bytes, limits: LimitSettings) -> Iterator[Entry]:
    """Yield what a sitemap or sitemap index names, in its order, while it is read.

    XML or one address a line, as it is or packed by gzip. Entities are not resolved, no DTD is
    loaded and nothing is fetched.

    Raises
    ------
    MalformedInput
        It is no sitemap, or breaks off; what came before has been yielded.
    LimitExceeded
        It unpacks to too much.
    """
    if content.startswith(_GZIP):
        content = gunzip(content, limits)
    content = content.lstrip()
    if content.startswith(b"<") or content[:4].strip(b"\xef\xbb\xbf\xfe\xff\x00").startswith(b"<"):
        yield from _xml(content)
    else:
        yield from _lines(content)


def _lines(content: bytes) -> Iterator[Entry]:
    text = content.decode("utf-8-sig", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or not all(line.lower().startswith(("http://", "https://")) for line in lines):
        raise MalformedInput("sitemap", "it is neither XML nor a list of addresses")
    for line in lines:
        yield Entry(clean(line), is_sitemap=False)


def _xml(content: bytes) -> Iterator[Entry]:
    from lxml import etree

    steps = etree.iterparse(
        io.BytesIO(content),
        events=("end",),
        tag=_TAGS,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    root = ""
    with malformed("sitemap", etree.XMLSyntaxError, ValueError):
        for _, element in steps:
            root = etree.QName(element).localname
            if root in _ENTRIES:
                location = (element.findtext("{*}loc") or "").strip()
                if location:
                    yield Entry(clean(location), _ENTRIES[root])
                _forget(element)
    if root not in ("urlset", "sitemapindex"):
        raise MalformedInput("sitemap", "its outermost element is neither urlset nor sitemapindex")


def _forget(element: _Element) -> None:
    """Free an element and those before it: a sitemap may have 50,000."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]
