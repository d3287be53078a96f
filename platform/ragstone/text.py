"""Sentences and words of a text, as code point spans; times and columns as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragstone.schemas.api import FusionChoice

Span = tuple[int, int]

# A sentence ends at . ! ? … or their wide forms, with closing quotes or brackets, before white
# space; or at a blank line. Wide stops need no space behind them.
_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|[。！？]+[」』”’）]*|\n\s*\n")
_ABBREVIATIONS = frozenset(
    "al approx ca cf ch co corp dept dr ed eds e.g eq eqs etc fig figs i.e inc jr ltd mr mrs ms "
    "mt no nos op p pp prof ref refs resp sec sr st vol vs u.s u.k u.n a.m p.m ph.d".split()
)
_STOPS = " \t\n?!.…？！。"
_LAST_WORD = re.compile(r"[^\s(\[\"'“‘]+$")
WORD = re.compile(r"\w+", re.UNICODE)
_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # around words


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> Iterator[Span]:
    """Yield `(start, end)` of each sentence in `text[start:end]`, without surrounding space.

    Abbreviations, initials and decimal numbers do not end a sentence, nor does a stop before a
    lower-case word.
    """
    end = len(text) if end is None else end
    begin = start
    for match in _END.finditer(text, start, end):
        if match.group().isspace() or match.group()[0] in "。！？" or _ends(text, match, begin):
            yield from _trimmed(text, begin, match.end())
            begin = match.end()
    yield from _trimmed(text, begin, end)


def find_words(wanted: str, text: str) -> Span | None:
    """Return where the words of `wanted` stand in `text`, whole and one after the other.

    Case, and the spaces and marks between words, do not matter.
    """
    words = WORD.findall(wanted)
    if not words:
        return None
    start, end = ("" if _NO_SPACES.match(c) else r"\b" for c in (words[0][0], words[-1][-1]))
    pattern = r"\W+".join(map(re.escape, words))
    found = re.search(f"{start}{pattern}{end}", text, re.IGNORECASE)
    return found.span() if found else None


def embed_text(context: str, text: str) -> str:
    """Return what is embedded and indexed of a chunk: its context, then its text."""
    return f"{context}\n{text}" if context else text


def _ends(text: str, match: re.Match[str], begin: int) -> bool:
    if match.group()[0] != "." or match.group().startswith(".."):
        return not _next_is_lower(text, match.end())
    word = _LAST_WORD.search(text, begin, match.start())
    if word:
        bare = word.group()
        if bare.lower() in _ABBREVIATIONS or (len(bare) == 1 and bare.isupper()):
            return False
    return not _next_is_lower(text, match.end())


def _next_is_lower(text: str, position: int) -> bool:
    rest = text[position : position + 20].lstrip()
    return bool(rest) and rest[0].islower()


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end


def without_stops(text: str) -> str:
    """Return a query without the marks at its end, unless it is nothing else.

    An encoder has a vector for a question mark too, which says nothing of what is asked.
    """
    return text.rstrip(_STOPS) or text


def fusion_words(choice: FusionChoice) -> str:
    """Say how the arms of a search are fused, and who reads the best candidates again."""
    words = "reciprocal rank"
    if choice.method == "minmax":
        words = f"min-max, vector weight {choice.vector_weight:g}"
    if choice.reranker:
        words += f", reranked by {choice.reranker}, weight {choice.rerank_weight:g}"
    return words


def heard(from_ms: int, to_ms: int | None) -> str:
    """Return when something is heard in a recording, as `0:08 to 0:18`; in whole seconds."""
    begin, end = (_clock(moment // 1_000) for moment in (from_ms, to_ms or from_ms))
    return begin if begin == end else f"{begin} to {end}"


def _clock(seconds: int) -> str:
    minutes, hours = seconds // 60 % 60, seconds // 3_600
    whole = f"{hours}:{minutes:02}" if hours else str(minutes)
    return f"{whole}:{seconds % 60:02}"


def text_columns(text: str | Sequence[str]) -> tuple[str, ...]:
    """Return the columns that are named with commas between them, or the template that it is."""
    if not isinstance(text, str):
        return tuple(text)
    if "{" in text:
        return (text,)
    return tuple(name.strip() for name in text.split(",") if name.strip())
