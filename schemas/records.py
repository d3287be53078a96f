"""The records that travel through the platform, on one screen, without behaviour.

`Raw` comes from a source, a parser makes it a `Document`, the chunker cuts it into `Chunk`s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Modality(StrEnum):
    """What an item is to its reader."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    TABLE = "table"


class BlockKind(StrEnum):
    """What a stretch of a document is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class RowColumns:
    """Which columns of a table row are its text, in order, and which one is its name."""

    text: tuple[str, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """One source object before parsing: either `path` or `content` holds the bytes."""

    source: str  # unique in the dataset: absolute path, or path#row
    name: str  # what people and judged queries call it: path below the root, or the row's id
    path: Path | None = None
    content: bytes | None = None
    columns: RowColumns | None = None  # set for a row of a table: `content` is its JSON
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of `Document.text`, as code points `[start, end)`; blocks do not overlap."""

    start: int
    end: int
    kind: BlockKind = BlockKind.PARAGRAPH
    level: int = 0  # of a heading: 1 is the highest
    page: int | None = None  # counted from 1: page, slide or sheet


@dataclass(frozen=True, slots=True)
class Document:
    """What a parser took out of one source object."""

    text: str
    blocks: tuple[Block, ...]
    media_type: str
    title: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    modality: Modality = Modality.TEXT


@dataclass(frozen=True, slots=True)
class Chunk:
    """The retrievable unit: `text == document.text[start:end]`."""

    start: int
    end: int
    text: str
    context: str  # title and heading path, embedded and indexed together with the text
    page: int | None
    tokens: int  # of context and text together, special tokens included
