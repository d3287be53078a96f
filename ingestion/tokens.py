"""Counting a document's tokens once, so that any stretch of it is measured by two look-ups."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer

_SPACE = re.compile(r"\s+")
_PIECE = 2_000  # characters handed to the tokenizer at once; it slows down on long strings
_BATCH = 512  # pieces whose tokens stand in memory together
# A passage longer than so many characters per token helps nobody, whatever the tokenizer makes of
# it: WordPiece counts a word of 100,000 letters as one unknown token.
CHARACTERS_PER_TOKEN = 16


def load_tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer of `path` without truncation and padding."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class TokenMap:
    """Where each token of a text begins and ends, in code points.

    The text is tokenised in pieces cut at white space, where tokenizers cut as well; counts may
    be off by a token or two with tokenizers that join a space to the following word.
    """

    def __init__(self, tokenizer: Tokenizer, text: str) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        batch: list[tuple[int, int]] = []
        for span in _pieces(text):
            batch.append(span)
            if len(batch) == _BATCH:
                self._add(tokenizer, text, batch)
                batch = []
        self._add(tokenizer, text, batch)

    def count(self, start: int, end: int) -> int:
        """Return the cost of a stretch in tokens, at least one for every 16 characters."""
        tokens = bisect_left(self._starts, end) - bisect_right(self._ends, start)
        return max(tokens, -(-(end - start) // CHARACTERS_PER_TOKEN))

    def reach(self, start: int, end: int, budget: int) -> int:
        """Return the furthest end up to which the stretch from `start` costs `budget` at most."""
        first = bisect_right(self._ends, start)
        limit = min(end, start + budget * CHARACTERS_PER_TOKEN)
        if first + budget < len(self._starts):
            limit = min(limit, max(self._starts[first + budget], start + 1))
        return limit

    def _add(self, tokenizer: Tokenizer, text: str, batch: list[tuple[int, int]]) -> None:
        pieces = [text[start:end] for start, end in batch]
        encodings = tokenizer.encode_batch(pieces, add_special_tokens=False)
        for (origin, _), encoding in zip(batch, encodings, strict=True):
            for start, end in encoding.offsets:
                self._starts.append(origin + start)
                self._ends.append(origin + end)


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Yield spans of about 2,000 characters that end behind white space, if there is any."""
    start = 0
    while start < len(text):
        gap = _SPACE.search(text, min(start + _PIECE, len(text)))
        end = gap.end() if gap else len(text)
        yield start, end
        start = end
