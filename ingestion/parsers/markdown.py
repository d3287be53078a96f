"""Markdown: the text is the decoded source; markdown-it finds the blocks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ragstone.config import LimitSettings
from ragstone.ingestion.parsers.base import collapse, source_document
from ragstone.ingestion.parsers.decode import decode, encoding_metadata
from ragstone.ingestion.parsers.plain import paragraphs
from ragstone.schemas.records import Block, BlockKind, Document

if TYPE_CHECKING:
    from markdown_it.token import Token

MEDIA_TYPE = "text/markdown"
_KINDS = {
    "heading_open": BlockKind.HEADING,
    "paragraph_open": BlockKind.PARAGRAPH,
    "bullet_list_open": BlockKind.LIST,
    "ordered_list_open": BlockKind.LIST,
    "table_open": BlockKind.TABLE,
    "fence": BlockKind.CODE,
    "code_block": BlockKind.CODE,
    "html_block": BlockKind.PARAGRAPH,
}
_MAX_NESTING = 100  # quotes and lists in each other; what stands deeper is in no block
# A line of `=` or `-` below a text makes it a heading; below more characters than so it is a rule,
# or an equation that was broken into lines.
_LONGEST_HEADING = 200
_LINE_END = re.compile(r"\r\n|\r|\n")
_FRONT_MATTER = re.compile(r"---[^\S\n]*\r?\n(?P<body>.*?)^---[^\S\n]*$", re.S | re.M)
_FRONT_ENTRY = re.compile(
    r"^(title|author|date|language|lang|licen[cs]e|source|url|canonical_url|copyright)\s*:"
    r"\s*(\S.*)$",
    re.M | re.I,
)
_FRONT_NAMES = {"date": "created", "lang": "language"}


def parse_markdown(content: bytes, limits: LimitSettings) -> Document:
    """Read Markdown (CommonMark with tables); block quotes count as their paragraphs."""
    from markdown_it import MarkdownIt

    text, encoding = decode(content)
    body, front = _front_matter(text)
    starts = [0, *(m.end() for m in _LINE_END.finditer(text)), len(text)]
    starts = starts[sum(1 for start in starts[:-1] if 0 < start <= body) :]  # of the body's lines
    reader = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING}).enable("table")
    tokens = reader.parse(text[body:])
    blocks = [Block(0, len(text[:body].rstrip()), BlockKind.CODE)] if body else []
    title = front.pop("title", "")
    until = 0  # line at which the open list or table ends: its inner blocks are part of it
    for index, token in enumerate(tokens):
        kind = _kind_of(token, tokens[index + 1 : index + 2])
        if kind is None or token.map is None or token.map[0] < until:
            continue
        if kind in (BlockKind.LIST, BlockKind.TABLE):
            until = token.map[1]
        if kind is BlockKind.HEADING and not title:
            title = tokens[index + 1].content
        blocks += _block(text, starts, token, kind)
    if not blocks:  # nested beyond reason: still text
        blocks = list(paragraphs(text, 0, len(text), BlockKind.PARAGRAPH))
    metadata = {**front, **encoding_metadata(encoding)}
    return source_document(text, blocks, MEDIA_TYPE, limits, title=title, metadata=metadata)


def _kind_of(token: Token, following: list[Token]) -> BlockKind | None:
    underlined = token.type == "heading_open" and token.markup in {"=", "-"}
    if underlined and len(following[0].content) > _LONGEST_HEADING:
        return BlockKind.PARAGRAPH
    return _KINDS.get(token.type)


def _block(text: str, starts: list[int], token: Token, kind: BlockKind) -> list[Block]:
    first, last = token.map or (0, 0)
    start, end = starts[first], starts[min(last, len(starts) - 1)]
    piece = text[start:end]
    if not collapse(piece):
        return []
    end = start + len(piece.rstrip())
    if kind is not BlockKind.CODE:
        start += len(piece) - len(piece.lstrip())
    return [Block(start, end, kind, int(token.tag[1]) if kind is BlockKind.HEADING else 0)]


def _front_matter(text: str) -> tuple[int, dict[str, str]]:
    """Return where the text behind a YAML head begins, and what the head says of it."""
    match = _FRONT_MATTER.match(text)
    if not match:
        return 0, {}
    end = _LINE_END.search(text, match.end())
    entries = {
        _FRONT_NAMES.get(key.lower(), key.lower()): value.strip().strip("\"'")
        for key, value in _FRONT_ENTRY.findall(match["body"])
    }
    return (end.end() if end else len(text)), entries
