"""Shingles of a text: its runs of five words, each a number, so that sets of them can be compared.

A word is a run of letters, marks and digits; case, punctuation and white space do not count. In
scripts that set no spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) each
character is a word, so their shingles are runs of five characters.

The numbers are the same on every machine. A word's is its UTF-8 bytes as a polynomial modulo 2^64,
a shingle's is a sum of those of its words times odd constants; both are mixed (Steele et al. 2014,
"Fast splittable pseudorandom number generators"). That spreads texts well and resists nobody who
wants two shingles to meet: what duplicates an attacker can make so, he can make by copying.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

WIDTH = 5  # words in a shingle

_SPACE = 32
_BLOCK = 1 << 16  # bytes whose words are hashed at once; bounds what a long text costs
_BASE = 0x9E3779B97F4A7C15
_PLACES = np.array(
    [_BASE, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F],
    np.uint64,
)  # one for each word of a shingle
_MIXER = np.uint64(0xBF58476D1CE4E5B9)
_HIGH, _LOW = np.uint64(32), np.uint64(29)

# ASCII, as bytes: lower case; what belongs to no word becomes a space. Other bytes stay.
_FOLDED = bytes(
    (ord(chr(byte).lower()) if chr(byte).isalnum() else _SPACE) if byte < 128 else byte
    for byte in range(256)
)
# Han, kana, bopomofo, Thai, Lao, Burmese, Khmer, and what belongs to them elsewhere.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u3005-\u3007\u3040-\u30ff"
    "\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff"
    "\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)


def shingles(text: str) -> NDArray[np.uint64]:
    """Return the shingles of `text`, distinct and ascending, uint64 of shape (n,).

    A text of one to four words is one shingle; one without a word has none.
    """
    words = _word_numbers(_folded(text))
    if len(words) >= WIDTH:
        # `correlate` is the sum over a sliding window; it wraps, as unsigned numbers do
        numbers = _mixed(np.correlate(words, _PLACES, "valid"))
    elif len(words):
        short = np.dot(words, _PLACES[: len(words)]) + np.uint64(len(words))
        numbers = _mixed(np.array([short], np.uint64))
    else:
        return words
    numbers.sort()
    distinct = np.empty(len(numbers), np.bool_)
    distinct[0] = True
    np.not_equal(numbers[1:], numbers[:-1], out=distinct[1:])
    return numbers[distinct]


def shared(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> int:
    """Return how many shingles two sets, as of `shingles`, have in common."""
    both = np.concatenate((first, second))
    both.sort(kind="stable")  # which merges what is sorted already
    return int(np.count_nonzero(both[1:] == both[:-1]))


def _folded(text: str) -> bytes:
    """Return `text` in UTF-8, lower case, with a space for what belongs to no word."""
    if text.isascii():
        return text.encode("ascii").translate(_FOLDED)
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    spaced = _UNSPACED.sub(r" \g<0> ", _other_separators().sub(" ", folded))
    return spaced.encode("utf-8", "surrogatepass").translate(_FOLDED)


@cache
def _other_separators() -> re.Pattern[str]:
    r"""Return what matches all but ASCII, letters, digits and marks.

    Python's `\w` leaves out marks, and without them words of Indian scripts fall into pieces.
    """
    marks = "".join(c for c in map(chr, range(0x300, 0x10000)) if unicodedata.category(c)[0] == "M")
    return re.compile(rf"[^\x00-\x7f\w{marks}]+")


def _word_numbers(folded: bytes) -> NDArray[np.uint64]:
    """Return a number for each word of `folded`, in order."""
    if len(folded) <= _BLOCK:
        return _block_numbers(folded)
    blocks, start = [], 0
    while start < len(folded):
        end = folded.find(b" ", start + _BLOCK)
        end = len(folded) if end < 0 else end
        blocks.append(_block_numbers(folded[start:end]))
        start = end
    return np.concatenate(blocks)


def _block_numbers(folded: bytes) -> NDArray[np.uint64]:
    size = len(folded)
    power, inverse = _powers(_BLOCK if size <= _BLOCK else 1 << size.bit_length())
    letters = np.frombuffer(folded, np.uint8)
    inside = np.zeros(size + 2, np.bool_)  # a word, with what is before and behind the text
    np.not_equal(letters, _SPACE, out=inside[1:-1])
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[::2], edges[1::2]
    sums = np.zeros(size + 1, np.uint64)
    np.cumsum(letters * power[:size], out=sums[1:])
    numbers: NDArray[np.uint64] = sums[ends]
    numbers -= sums[starts]
    numbers *= inverse[starts]  # wherever it stands, a word has the same number
    return _mixed(numbers)


@cache
def _powers(count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the powers of the base and of its inverse, modulo 2^64, from 0 to `count` - 1."""
    tables = []
    for base in (_BASE, pow(_BASE, -1, 2**64)):
        table = np.full(count, base, np.uint64)
        table[0] = 1
        tables.append(np.multiply.accumulate(table))
    return tables[0], tables[1]


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread what distinguishes `numbers` over all of their bits, in place."""
    numbers ^= numbers >> _HIGH
    numbers *= _MIXER
    numbers ^= numbers >> _LOW
    return numbers
