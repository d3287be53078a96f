"""What a web page says of itself: its meta elements, its JSON-LD and its links."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ragstone.ingestion.parsers.base import collapse

if TYPE_CHECKING:
    from lxml.html import HtmlElement

# Names of meta elements, the best first; all lower-cased.
_META = {
    "author": ("author", "article:author", "dc.creator", "dcterms.creator", "citation_author"),
    "created": (
        "article:published_time", "datepublished", "date", "dc.date", "dcterms.created",
        "citation_publication_date",
    ),
    "licence": ("license", "dcterms.license", "dc.rights", "dcterms.rights", "copyright"),
    "source_url": ("og:url", "citation_public_url"),
}  # fmt: skip
_LINKS = {"licence": "license", "source_url": "canonical"}  # key: the link's relation
_LINKED_DATA = {"author": "author", "created": "datePublished", "licence": "license"}
_MAX_BLOCKS = 10
_MAX_DATA = 200_000  # characters of a JSON-LD block
_MAX_VALUE = 1_000  # characters


def describe_page(tree: HtmlElement) -> dict[str, Any]:
    """Return language, author, created, licence and source_url, those that the page names.

    Of several places the first counts: a link for the licence and the address, then the meta
    elements, then JSON-LD. Values are as they stand, not checked.
    """
    language = tree.get("lang") or tree.get("xml:lang")
    found: dict[str, Any] = {"language": language} if language else {}
    metas = _metas(tree)
    for key, names in _META.items():
        values = [metas[name] for name in names if name in metas]
        linked = _link(tree, _LINKS[key]) if key in _LINKS else ""
        if linked or values:
            found[key] = linked or values[0]
    for entry in _linked_data(tree):
        for key, name in _LINKED_DATA.items():
            value = _plain(entry.get(name))
            if value and key not in found:
                found[key] = value
    return found


def _metas(tree: HtmlElement) -> dict[str, str]:
    """Return the contents of the meta elements by name, the first of equal names."""
    found: dict[str, str] = {}
    for element in tree.iter("meta"):
        name = element.get("name") or element.get("property") or element.get("itemprop") or ""
        content = collapse(element.get("content") or "")[:_MAX_VALUE]
        if name and content:
            found.setdefault(name.strip().lower(), content)
    return found


def _link(tree: HtmlElement, relation: str) -> str:
    for element in tree.iter("link", "a"):
        if relation in (element.get("rel") or "").lower().split():
            return collapse(element.get("href") or "")[:_MAX_VALUE]
    return ""


def _linked_data(tree: HtmlElement) -> Iterator[dict[str, Any]]:
    """Yield the objects of the page's JSON-LD blocks; a broken block is none."""
    scripts = (s for s in tree.iter("script") if s.get("type") == "application/ld+json")
    for _, script in zip(range(_MAX_BLOCKS), scripts, strict=False):
        text = (script.text or "")[: _MAX_DATA + 1]
        try:
            value = json.loads(text) if len(text) <= _MAX_DATA else None
        except (ValueError, RecursionError):
            continue
        yield from _objects(value)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, dict):
            yield entry
            graph = entry.get("@graph")
            yield from (e for e in (graph if isinstance(graph, list) else ()) if type(e) is dict)


def _plain(value: Any) -> str | list[str]:
    """Return the name or the address that a value of JSON-LD stands for; several as a list."""
    if isinstance(value, dict):
        value = value.get("name") or value.get("url") or value.get("@id")
    if isinstance(value, list):
        names = [name for name in map(_plain, value[:_MAX_BLOCKS]) if isinstance(name, str)]
        return [name for name in names if name]
    return collapse(value)[:_MAX_VALUE] if isinstance(value, str) else ""
