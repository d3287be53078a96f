"""Plain text, source code and light markup: the text is the decoded source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from ragstone.config import LimitSettings
from ragstone.ingestion.parsers.base import collapse, source_document
from ragstone.ingestion.parsers.decode import decode, encoding_metadata
from ragstone.schemas.records import Block, BlockKind, Document

# Begins at a line's end: tried at each of a million blanks in a row, it would never come to an end.
_BLANK = re.compile(r"\n(?:[^\S\n]*+\n)++")
_RULE_CHARACTERS = "=-~^\"'`#*+.:_"  # usual underlines of reStructuredText, most usual first
_RST_HEADING = re.compile(
    r"^(?P<text>\S[^\n]*)\n(?P<rule>([" + re.escape(_RULE_CHARACTERS) + r"])\3{2,})[^\S\n]*$", re.M
)
# Each pattern finds a heading's `text`; `mark` shows its level.
_ORG_HEADING = re.compile(r"^(?P<mark>\*+) +(?P<text>\S[^\n]*)$", re.M)
_ASCIIDOC_HEADING = re.compile(r"^(?P<mark>={1,6}) +(?P<text>\S[^\n]*)$", re.M)
_TEX_HEADING = re.compile(
    r"^\\(?P<mark>(?:sub)*)(?:section|chapter|part)\*?\{(?P<text>[^{}\n]+)\}", re.M
)
_SPDX = re.compile(r"SPDX-License-Identifier:[ \t]*([\w.+-]+(?: (?:AND|OR|WITH) [\w.+-]+)*)")
_SPDX_WITHIN = 4_000  # characters

Heading = tuple[int, int, int]  # start, end, level


def parse_plain(content: bytes, limits: LimitSettings) -> Document:
    """Read text whose paragraphs are set apart by blank lines."""
    return _parse(content, "text/plain", [], BlockKind.PARAGRAPH, limits)


def parse_code(content: bytes, limits: LimitSettings) -> Document:
    """Read source code, settings and logs: cut at blank lines, else at line ends."""
    return _parse(content, "text/plain", [], BlockKind.CODE, limits)


def parse_rst(content: bytes, limits: LimitSettings) -> Document:
    """Read reStructuredText; underlined lines are headings, levels in order of appearance."""
    text, encoding = decode(content)
    rules: dict[str, int] = {}
    headings = []
    for match in _RST_HEADING.finditer(text):
        if len(match["rule"]) >= len(match["text"].rstrip()):
            level = rules.setdefault(match["rule"][0], len(rules) + 1)
            headings.append((*match.span(), level))
    return _document(text, encoding, "text/x-rst", headings, BlockKind.PARAGRAPH, limits)


def parse_org(content: bytes, limits: LimitSettings) -> Document:
    """Read an Org file; starred lines are headings."""
    return _parse(content, "text/org", [_ORG_HEADING], BlockKind.PARAGRAPH, limits)


def parse_asciidoc(content: bytes, limits: LimitSettings) -> Document:
    """Read AsciiDoc; lines that begin with `=` are headings."""
    return _parse(content, "text/asciidoc", [_ASCIIDOC_HEADING], BlockKind.PARAGRAPH, limits)


def parse_tex(content: bytes, limits: LimitSettings) -> Document:
    """Read TeX source; sectioning commands are headings."""
    return _parse(content, "text/x-tex", [_TEX_HEADING], BlockKind.PARAGRAPH, limits)


def paragraphs(text: str, start: int, end: int, kind: BlockKind) -> Iterator[Block]:
    """Yield a block for each stretch of `text[start:end]` between blank lines."""
    position = start
    for match in _BLANK.finditer(text, start, end):
        yield from _block(text, position, match.start(), kind)
        position = match.end()
    yield from _block(text, position, end, kind)


def _parse(
    content: bytes,
    media_type: str,
    patterns: list[re.Pattern[str]],
    kind: BlockKind,
    limits: LimitSettings,
) -> Document:
    text, encoding = decode(content)
    headings = [
        (*match.span(), _level(match["mark"]))
        for pattern in patterns
        for match in pattern.finditer(text)
    ]
    return _document(text, encoding, media_type, headings, kind, limits)


def _level(mark: str) -> int:
    """Return the level that a heading's mark shows: its length, of TeX the number of "sub"s."""
    return len(mark) // 3 + 1 if not mark or mark.startswith("sub") else len(mark)


def _document(
    text: str,
    encoding: str,
    media_type: str,
    headings: list[Heading],
    kind: BlockKind,
    limits: LimitSettings,
) -> Document:
    blocks: list[Block] = list(paragraphs(text, 0, headings[0][0] if headings else len(text), kind))
    for (start, end, level), (following, _, _) in pairwise([*headings, (len(text), 0, 0)]):
        blocks.append(Block(start, end, BlockKind.HEADING, level))
        blocks.extend(paragraphs(text, end, following, kind))
    return source_document(
        text,
        blocks,
        media_type,
        limits,
        title=_title(text, headings),
        metadata={
            **encoding_metadata(encoding),
            **(licence_metadata(text) if kind is BlockKind.CODE else {}),
        },
    )


def licence_metadata(text: str) -> dict[str, str]:
    """Return the SPDX licence that the head of a source file names."""
    match = _SPDX.search(text, 0, _SPDX_WITHIN)
    return {"licence": match[1]} if match else {}


def _title(text: str, headings: list[Heading]) -> str:
    if not headings:
        return ""
    first = text[headings[0][0] : headings[0][1]].splitlines()[0]
    match = _TEX_HEADING.match(first)
    return collapse(match["text"] if match else first.lstrip("=* "))


def _block(text: str, start: int, end: int, kind: BlockKind) -> Iterator[Block]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield Block(start, end, kind)
