"""From a generator's text to its claims: one sentence each, with the passages it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ragstone.text import sentence_spans

_MARKERS = re.compile(r"[ \t]*(?:\[\s*\d+(?:\s*[,;]\s*\d+)*\s*\][ \t]*)+")
_NUMBER = re.compile(r"\d+")
_BULLET = re.compile(r"^\s*(?:[-*•‣]|\d{1,3}[.)]|#{1,6})\s+")
_CLOSED = re.compile(r"[.!?…。！？:;][\"'”’)\]]*$")


@dataclass(frozen=True, slots=True)
class RawClaim:
    """A sentence as the generator wrote it, without markers, and the passages they named."""

    text: str
    cited: tuple[int, ...]


def split_claims(text: str, passages: int) -> list[RawClaim]:
    """Split a generator's answer into sentences; each line of a list stands alone.

    A marker belongs to the sentence it stands in or behind: `It rains. [2]` and `It rains [2].`
    both cite passage 2. Brackets whose numbers go beyond `passages` are text, as in `[1998]`.
    """
    return [claim for line in text.splitlines() for claim in _line(line, passages)]


class ClaimReader:
    """Splits a text that is still being written: a claim comes as soon as nothing can change it.

    All that `feed` and `rest` return is what `split_claims` returns of the whole text.
    """

    def __init__(self, passages: int) -> None:
        self._passages = passages
        self._line = ""  # that has no end yet
        self._given = 0  # claims of it

    def feed(self, piece: str) -> list[RawClaim]:
        """Take the next piece of the text, and return the claims that are complete now."""
        # The mark behind it makes what follows the last line break, even if empty, the last line.
        *whole, last = f"{self._line}{piece}|".splitlines()
        complete: list[RawClaim] = []
        for line in whole:
            complete += self._further(line)
        self._line = last[:-1]
        claims = list(_line(self._line, self._passages))
        # The last one may go on; if it begins with a bracket, it may be a marker of the one before.
        if len(claims) - 1 > self._given and not claims[-1].text.startswith("["):
            complete += claims[self._given : -1]
            self._given = len(claims) - 1
        return complete

    def rest(self) -> list[RawClaim]:
        """Return the claims that are left when the text has ended."""
        line, self._line = self._line, ""
        return self._further(line)

    def _further(self, line: str) -> list[RawClaim]:
        given, self._given = self._given, 0
        return list(_line(line, self._passages))[given:]


def _line(line: str, passages: int) -> Iterator[RawClaim]:
    """Cut at markers that follow a full stop, then into sentences."""
    line = _BULLET.sub("", line)
    begin = 0
    for match in _markers(line, passages):
        before = line[begin : match.start()]
        if _CLOSED.search(before):
            yield from _segment(line[begin : match.end()], passages)
            begin = match.end()
    yield from _segment(line[begin:], passages)


def _markers(text: str, passages: int) -> Iterator[re.Match[str]]:
    for match in _MARKERS.finditer(text):
        if all(1 <= int(number) <= passages for number in _NUMBER.findall(match.group())):
            yield match


def _segment(text: str, passages: int) -> Iterator[RawClaim]:
    clean, marks = _without_markers(text, passages)
    spans = list(sentence_spans(clean))
    for index, (start, end) in enumerate(spans):
        upto = spans[index + 1][0] if index + 1 < len(spans) else len(clean) + 1
        cited = tuple(dict.fromkeys(n for at, n in marks if start <= at < upto))
        yield RawClaim(" ".join(clean[start:end].split()), cited)


def _without_markers(text: str, passages: int) -> tuple[str, list[tuple[int, int]]]:
    """Return the text without markers, and (place in it, passage number) of each."""
    parts: list[str] = []
    marks: list[tuple[int, int]] = []
    length = begin = 0
    for match in _markers(text, passages):
        before = text[begin : match.start()]
        rest = text[match.end() : match.end() + 1]
        gap = " " if rest and (rest.isalnum() or rest in "\"“'(") else ""
        length += len(before)
        marks += [(length, int(n)) for n in _NUMBER.findall(match.group())]
        parts += [before, gap]
        length += len(gap)
        begin = match.end()
    return "".join([*parts, text[begin:]]), marks
