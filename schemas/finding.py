"""What a search adds to its hits: the text around them, and what they were likened to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A chunk that stands beside another one in the same item."""

    chunk_id: str
    text: str
    heading: str
    page: int | None
    start: int  # of the text in the item's text, in code points
    end: int
    from_ms: int | None = None  # milliseconds of the recording in which it is heard
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Likeness:
    """What hits resemble, and the words that were looked for beside its vectors."""

    id: str  # of the item, or of the chunk
    kind: str  # item, chunk
    terms: list[str]  # as the keyword index has them, the most telling first
