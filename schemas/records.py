"""The records that travel through the platform, on one screen, without behaviour.

`Raw` comes from a source, a parser makes it a `Document`, the chunker cuts it into `Chunk`s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ragstone.errors import Rejected


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
    """One source object before parsing: `path` or `content` holds the bytes, or none does."""

    source: str  # unique in the dataset: absolute path, path#row, archive!member, or URL
    name: str  # what people and judged queries call it: path below the root, or the row's id
    path: Path | None = None
    content: bytes | None = None
    columns: RowColumns | None = None  # set for a row of a table: `content` is its JSON
    metadata: dict[str, Any] = field(default_factory=dict)
    caption: str = ""  # what is written beside an image or a recording
    problem: Rejected | None = None  # why its bytes cannot be had


Time = tuple[int, int]  # milliseconds from the beginning: the first, and that after the last


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of `Document.text`, as code points `[start, end)`; blocks do not overlap."""

    start: int
    end: int
    kind: BlockKind = BlockKind.PARAGRAPH
    level: int = 0  # of a heading: 1 is the highest
    page: int | None = None  # counted from 1: page, slide or sheet
    time: Time | None = None  # when it is said, in a recording or a film


@dataclass(frozen=True, slots=True)
class Payload:
    """What an encoder sees of an image, or of one window of a recording.

    `data` is uint8 of shape (height, width, 3), RGB, no side longer than 512; or int16 of shape
    (samples,), one channel at 16 kHz, whose `time` in the recording is given.
    """

    modality: Modality
    data: NDArray[np.uint8] | NDArray[np.int16]
    time: Time | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """What near-duplicates of an item are found by; only `algorithm` can read `value`."""

    kind: str  # payload, text, image, audio
    algorithm: str  # with all its parameters: other ones are never compared
    value: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """The text of an image or a recording from `start` on stands in it, not beside it."""

    start: int
    by: str  # fingerprint of what read or heard it


@dataclass(frozen=True, slots=True)
class Document:
    """What a parser took out of one source object."""

    text: str
    blocks: tuple[Block, ...]
    media_type: str
    title: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    modality: Modality = Modality.TEXT
    payloads: tuple[Payload, ...] = ()  # of an image one, of a recording its windows in order
    signatures: tuple[Signature, ...] = ()
    found: Found | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """The retrievable unit: `text == document.text[start:end]`."""

    start: int
    end: int
    text: str  # of an image its caption, of a window of a recording none
    context: str  # title and heading path, embedded and indexed together with the text
    page: int | None
    tokens: int  # of context and text together, special tokens included
    modality: Modality = Modality.TEXT
    payload: Payload | None = None  # embedded by the encoder of its modality
    time: Time | None = None
