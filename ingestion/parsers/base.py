"""What every parser shares: the seam itself, the text writer and the wrapping of library errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ragstone.config import LimitSettings
from ragstone.errors import LimitExceeded, MalformedInput
from ragstone.schemas.records import Block, BlockKind, Document, Time

_SPACE = re.compile(r"[ \t\r\n\f\v\u00a0]+")
# NUL, lone surrogates and the two noncharacters that PDF writers leave behind: no UTF-8 storage
# or search index takes all of them.
_FORBIDDEN = re.compile("[\x00\ud800-\udfff\ufffe\uffff]")
_REASON_LENGTH = 200


class Parser(Protocol):
    """Turns the bytes of one format into a document."""

    def __call__(self, content: bytes, limits: LimitSettings) -> Document:
        """Return the document, or raise a `Rejected` that says why there is none."""
        ...


def collapse(text: str) -> str:
    """Return `text` with each run of white space as one space, none at its ends."""
    return _SPACE.sub(" ", text).strip()


def clean(text: str) -> str:
    """Return `text`, equally long, with code points that cannot be stored as U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", text)


@contextmanager
def malformed(media: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turn a library's own exceptions into `MalformedInput`, with the first line as reason."""
    try:
        yield
    except kinds as error:
        lines = str(error).strip().splitlines()
        reason = lines[0][:_REASON_LENGTH] if lines else type(error).__name__
        raise MalformedInput(media, clean(reason)) from error


def check_pages(pages: int, what: str, limits: LimitSettings) -> None:
    """Raise `LimitExceeded` when a document has more pages, slides or sheets than allowed."""
    if pages > limits.pages:
        counted = f"The number of {what}"
        raise LimitExceeded(counted, pages, limits.pages, "limits.pages")


def check_characters(count: int, limits: LimitSettings) -> None:
    """Raise `LimitExceeded` when a document's text is longer than allowed."""
    if count > limits.characters:
        raise LimitExceeded(
            "The number of characters", count, limits.characters, "limits.characters"
        )


def without_empty(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the entries that say something, with storable text."""
    kept = {}
    for key, value in metadata.items():
        entry = _storable(value)
        if entry is not None and entry != "" and entry != []:
            kept[clean(key)] = entry
    return kept


def _storable(value: Any) -> Any:
    """Return `value` with all text in it storable."""
    if isinstance(value, str):
        return clean(value).strip()
    if isinstance(value, dict):
        return {clean(str(key)): _storable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(entry) for entry in value]
    return value


def source_document(
    text: str,
    blocks: Iterable[Block],
    media_type: str,
    limits: LimitSettings,
    *,
    title: str = "",
    metadata: dict[str, Any] | None = None,
) -> Document:
    """Return a document whose text is the decoded source itself, so that offsets are exact."""
    check_characters(len(text), limits)
    return Document(
        text=clean(text),
        blocks=tuple(blocks),
        media_type=media_type,
        title=clean(collapse(title)),
        metadata=without_empty(metadata or {}),
    )


class TextWriter:
    """Writes a document's text block by block, within the character limit.

    Blocks are set apart by one blank line unless `add` is told otherwise; text that is only white
    space makes no block.
    """

    def __init__(self, media_type: str, limits: LimitSettings) -> None:
        self._media_type = media_type
        self._limits = limits
        self._pieces: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0
        self.first_heading = ""  # a title for documents that have no other

    @property
    def empty(self) -> bool:
        """True while nothing has been written."""
        return not self._blocks

    def add(
        self,
        text: str,
        kind: BlockKind = BlockKind.PARAGRAPH,
        level: int = 0,
        page: int | None = None,
        time: Time | None = None,
        joint: str = "\n\n",
    ) -> int:
        """Write one block after `joint`, and return where it begins.

        `level` counts headings from 1, `page` pages from 1.
        """
        text = clean(text).strip()
        if not text:
            return self._length
        if self._pieces:
            self._pieces.append(joint)
            self._length += len(joint)
        start, self._length = self._length, self._length + len(text)
        check_characters(self._length, self._limits)
        self._pieces.append(text)
        if kind is BlockKind.HEADING and not self.first_heading:
            self.first_heading = text
        self._blocks.append(Block(start, self._length, kind, level, page, time))
        return start

    def document(self, title: str = "", metadata: dict[str, Any] | None = None) -> Document:
        """Return what has been written."""
        return Document(
            text="".join(self._pieces),
            blocks=tuple(self._blocks),
            media_type=self._media_type,
            title=clean(collapse(title)),
            metadata=without_empty(metadata or {}),
        )
