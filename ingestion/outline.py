"""The outline of a document: sections with their heading paths, and a chunk's context."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ragstone.schemas.records import Block, BlockKind, Document

_SPACE = re.compile(r"\s+")
# Marks by which light markup makes a line a heading; no part of what it says.
_MARKS = re.compile(r"^(?:#{1,6}|={1,6}|\*+)\s+|\s+#+$")
_UNDERLINE = re.compile(r"\s*\n\s*([=\-~^\"'`#*+.:_])\1+\s*$")


@dataclass(frozen=True, slots=True)
class Unit:
    """A stretch of text that is cut only when it alone is too long."""

    start: int
    end: int
    kind: BlockKind
    page: int | None
    heading: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading, the heading itself first."""

    path: tuple[str, ...]  # headings from the outermost to its own
    units: tuple[Unit, ...]
    lead: int  # headings at its beginning


def sections(document: Document) -> Iterator[Section]:
    """Yield the sections in order.

    A heading directly followed by a deeper one has no text of its own: both begin one section.
    """
    path: list[tuple[int, str]] = []
    units: list[Unit] = []
    for block in document.blocks:
        heading = block.kind is BlockKind.HEADING
        if heading:
            if units and not (units[-1].heading and path and block.level > path[-1][0]):
                yield _section(path, units)
                units = []
            while path and path[-1][0] >= block.level:
                path.pop()
            path.append((block.level, heading_text(document.text[block.start : block.end])))
        units.append(_unit(block, heading))
    if units:
        yield _section(path, units)


def heading_text(source: str) -> str:
    """Return what a heading says, without markup, on one line."""
    return _MARKS.sub("", _SPACE.sub(" ", _UNDERLINE.sub("", source)).strip()).strip()


def context_of(title: str, path: tuple[str, ...], text: str) -> list[str]:
    """Return title and headings for a chunk, without repeats.

    Left out are headings that say the same as the one before, and those with which the text
    itself begins.
    """
    parts: list[str] = []
    for part in (title, *path):
        if part and (not parts or _key(parts[-1]) != _key(part)):
            parts.append(part)
    opening = _key(text[: 2 * sum(map(len, parts)) + 200])
    for begin in range(len(parts)):
        if opening.startswith(_key(" ".join(parts[begin:]))):
            return parts[:begin]
    return parts


def _key(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _unit(block: Block, heading: bool) -> Unit:  # noqa: FBT001
    return Unit(block.start, block.end, block.kind, block.page, heading)


def _section(path: list[tuple[int, str]], units: list[Unit]) -> Section:
    lead = next((i for i, unit in enumerate(units) if not unit.heading), len(units))
    return Section(tuple(text for _, text in path), tuple(units), lead)
