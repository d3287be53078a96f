"""The query language: what a person typed, read as words or as a query with operators.

    "lime mortar"     these words, one after the other
    -cement, NOT cement
    a AND b, a OR b, (a OR b) AND c
    title:granite, title:"building stone"
    mort*             words that begin so
    granit~, granit~2 words that differ in one letter, or two

Whatever is no such query is read as plain words: nothing that can be typed is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from ragstone.schemas.api import Reading
from ragstone.storage.analysis import IN_ENGLISH

_MOST_WORDS = 32  # of a query with operators; what is longer was copied from a text
_DEEPEST = 8  # brackets in brackets
_QUOTES = str.maketrans("“”„«»", '"' * 5)
_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<phrase>"[^"]*")(?=[\s)]|$)
    | (?P<open>\()
    | (?P<close>\))(?=[\s)]|$)
    | (?P<without>-)(?=["(]|title:["\w]|[^\W\d_]\w)
    | (?P<title>title:)(?=["\w])
    | (?P<word>[^\s"()]+)(?=[\s)]|$)
    """,
    re.VERBOSE,
)
_OPERATORS = {"AND", "OR", "NOT"}
_MARKS = re.compile(r"""["“”„«»*~]|(?<!\S)-|title:|\b(?:AND|OR|NOT)\b""")  # of all operators
_PREFIX = re.compile(r"(\w{2,})\*")
_FUZZY = re.compile(r"(\w{3,})~([12]?)")
_SENTENCE = re.compile(r"[?!]|[.…](?=\s|$)")  # its end
_ASKED_AT_THE_END = re.compile(r"[?!][\"”»)]*\s*$")
_QUESTION = re.compile(r"\s*(?:who|whom|whose|what|when|where|which|why|how)\b", re.IGNORECASE)
_GRAMMAR = 4  # words such as "the" and "of": who writes operators leaves them out


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it was typed, without its marks."""

    text: str
    title: bool = False  # in title and headings alone
    prefix: bool = False
    letters: int = 0  # that may differ

    @property
    def open(self) -> bool:
        """True for a word that stands for others as well."""
        return self.prefix or bool(self.letters)

    @property
    def bare(self) -> bool:
        """True for a word that asks for nothing more than to be found."""
        return not (self.title or self.open)


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that stand one after the other."""

    text: str
    title: bool = False


@dataclass(frozen=True, slots=True)
class Without:
    """What must not be found."""

    of: Node


@dataclass(frozen=True, slots=True)
class Every:
    """Parts that must all be found."""

    of: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Parts of which one must be found."""

    of: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """Parts without an operator between them: what is demanded, and what counts for the rank."""

    of: tuple[Node, ...]


Node: TypeAlias = Word | Phrase | Without | Every | Either | Series


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as it was read."""

    text: str  # as it was typed
    reading: Reading
    root: Series

    @property
    def plain(self) -> str:
        """What is looked for, without operators and without what must not be found."""
        return (
            self.text if self.reading == "words" else " ".join(n.text for n in _leaves(self.root))
        )

    @property
    def spelled(self) -> str:
        """As `plain`, without words whose spelling is left open."""
        whole = (n for n in _leaves(self.root) if not (isinstance(n, Word) and n.open))
        return " ".join(n.text for n in whole)


class _Unreadable(Exception):
    """It is no query with operators."""


def parse(query: str) -> Asked:
    """Read `query`: with operators when it is well-formed, else as the words it has."""
    words = Asked(query, "words", Series((Word(query),)))
    if not _MARKS.search(query) or _is_prose(query):
        return words
    try:
        tokens = list(_tokens(query.translate(_QUOTES)))
        root = _Parser(tokens).whole() if _has_operators(tokens) else None
    except _Unreadable:
        return words
    asked = Asked(query, "query", root) if root else words
    return asked if asked.plain.strip() else words


def _is_prose(query: str) -> bool:
    if len(query.split(maxsplit=_MOST_WORDS)) > _MOST_WORDS:
        return True
    if _QUESTION.match(query) or _ASKED_AT_THE_END.search(query):
        return True
    outside = re.sub(r'"[^"]*"', "", query.translate(_QUOTES))
    grammar = sum(IN_ENGLISH.is_stop_word(word) for word in re.findall("[a-z]+", outside))
    return grammar >= _GRAMMAR or bool(_SENTENCE.search(outside))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # a group of _TOKEN, or an operator
    text: str


def _tokens(query: str) -> Iterator[_Token]:
    """Yield the tokens; each begins a word, or stands behind a mark that does."""
    place, begins = 0, True
    operators = set() if query.isupper() else _OPERATORS  # AND is a word in "STAND AND DELIVER"
    while place < len(query):
        match = _TOKEN.match(query, place)
        if match is None:
            raise _Unreadable
        kind, text = str(match.lastgroup), match.group()
        if not (begins or kind in {"space", "close"}):
            raise _Unreadable
        if kind != "space":
            yield _Token(text if text in operators else kind, text)
        begins = kind in {"space", "open", "without", "title"}
        place = match.end()


def _has_operators(tokens: list[_Token]) -> bool:
    return any(
        token.kind not in {"word", "open", "close"}
        or (token.kind == "word" and _word(token.text).open)
        for token in tokens
    )


class _Parser:
    """NOT before AND before OR before what has no operator between."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    def whole(self) -> Series:
        root = self._series()
        if self._place < len(self._tokens):
            raise _Unreadable
        return root

    @property
    def _next(self) -> str:
        return self._tokens[self._place].kind if self._place < len(self._tokens) else ""

    def _take(self) -> str:
        if not self._next:
            raise _Unreadable
        self._place += 1
        return self._tokens[self._place - 1].text

    def _series(self) -> Series:
        parts = [self._either()]
        while self._next not in {"", "close"}:
            parts.append(self._either())
        return Series(tuple(parts))

    def _either(self) -> Node:
        parts = [self._every()]
        while self._next == "OR":
            self._take()
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _every(self) -> Node:
        parts = [self._one()]
        while self._next == "AND":
            self._take()
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _one(self) -> Node:
        kind, text = self._next, self._take()
        if kind in {"NOT", "without"}:
            return self._nested(self._without)
        if kind == "open":
            return self._nested(self._bracket)
        if kind == "title":
            return self._titled()
        if kind == "phrase":
            return Phrase(text.strip('"'))
        if kind == "word":
            return _word(text)
        raise _Unreadable

    def _nested(self, read: Callable[[], Node]) -> Node:
        if self._depth >= _DEEPEST:
            raise _Unreadable
        self._depth += 1
        found = read()
        self._depth -= 1
        return found

    def _without(self) -> Node:
        return Without(self._one())

    def _bracket(self) -> Node:
        inner = self._series()
        if self._next != "close":
            raise _Unreadable
        self._take()
        return inner

    def _titled(self) -> Node:
        kind, text = self._next, self._take()
        if kind == "phrase":
            return Phrase(text.strip('"'), title=True)
        if kind == "word":
            return replace(_word(text), title=True)
        raise _Unreadable


def _word(text: str) -> Word:
    if match := _PREFIX.fullmatch(text):
        return Word(match[1], prefix=True)
    if match := _FUZZY.fullmatch(text):
        return Word(match[1], letters=int(match[2] or 1))
    return Word(text)


def _leaves(node: Node) -> Iterator[Word | Phrase]:
    """Yield the words and phrases that are looked for, in order."""
    if isinstance(node, Word | Phrase):
        yield node
    elif not isinstance(node, Without):
        for part in node.of:
            yield from _leaves(part)
