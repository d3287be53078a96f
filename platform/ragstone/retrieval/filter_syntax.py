"""The language of filters: an expression to the tree of its conditions.

    year>=2020                          FIELD OPERATOR VALUE, the value up to the end
    year>=2020 and not (lang=de or lang=fr)
    label in (cat, dog, "sea lion")     label not in (…)
    author exists, author missing
    title="war and peace=love"          a value in quotes is taken as it stands

`not` binds closest, then `and`, then `or`, in letters of any size. A value without quotes goes on
to the end, to an `and` or `or` that a whole condition follows, or to the end of the brackets that
it stands in: `title=Stone and Sand` is one condition.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ragstone.errors import InvalidFilter

_MOST_CONDITIONS = 200
_DEEPEST = 16  # brackets in brackets
_FLAGS = re.IGNORECASE | re.DOTALL
_FIELD = r"[^\s<>=!~(][^\s<>=!~]*"
_OPERATOR = r">=|<=|!=|=|>|<|~"
_LIST = r"(?:not\s+)?in\s*\("
_NAMED = re.compile(_FIELD, _FLAGS)
_COMPARED = re.compile(rf"\s*({_OPERATOR})\s*", _FLAGS)
_LISTED = re.compile(rf"\s+({_LIST})", _FLAGS)
_PRESENT = re.compile(r"\s+(exists|missing)(?=\s*(?:\)|$)|\s+(?:and|or)\b)", _FLAGS)
_NEGATED = re.compile(rf"not(?=\()|not\s+(?!{_OPERATOR})", _FLAGS)
_JOINED = re.compile(r"\s*\b(and|or)\b\s*", _FLAGS)
_QUOTED = re.compile(r"\"([^\"]*)\"|'([^']*)'", _FLAGS)
_ENTRY = re.compile(r"[^,()]+", _FLAGS)
_SPACE = re.compile(r"\s*")
# An `and` or `or` within a value joins conditions only where one follows.
_NEXT = re.compile(
    rf"\s+(?:and|or)(?:\s+|(?=\())(?:not(?:\s+|(?=\()))*(?:\(\s*(?:not(?:\s+|(?=\()))*)*"
    rf"(?![\"']){_FIELD}(?:\s*(?:{_OPERATOR})\s*[^\s)]|\s+{_LIST}|{_PRESENT.pattern})",
    _FLAGS,
)


@dataclass(frozen=True, slots=True)
class Condition:
    """`field operator value`; of the operators `exists` and `missing` the value is empty."""

    field: str
    operator: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Negation:
    """What must not hold."""

    of: Node


@dataclass(frozen=True, slots=True)
class Every:
    """What must all hold."""

    of: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Of what one must hold."""

    of: tuple[Node, ...]


Node: TypeAlias = Condition | Negation | Every | Either


def parse(expression: str) -> Node:
    """Read a filter.

    Raises
    ------
    InvalidFilter
        It is none; the message says where.
    """
    return _Parser(expression).whole()


def conditions(node: Node) -> list[Condition]:
    """Return the conditions in a filter, in order."""
    if isinstance(node, Condition):
        return [node]
    parts = (node.of,) if isinstance(node, Negation) else node.of
    return [condition for part in parts for condition in conditions(part)]


class _Parser:
    def __init__(self, expression: str) -> None:
        self._text = expression
        self._place = 0
        self._open: list[int] = []  # where brackets begin that are not closed yet
        self._conditions = 0

    def whole(self) -> Node:
        root = self._either()
        if self._place < len(self._text):
            raise self._wrong("expected and, or, or the end")
        return root

    def _either(self) -> Node:
        return _several(Either, self._parts("or", lambda: _several(Every, self._every())))

    def _every(self) -> list[Node]:
        return self._parts("and", self._one)

    def _parts(self, word: str, read: Callable[[], Node]) -> list[Node]:
        parts = [read()]
        while (joined := self._match(_JOINED, take=False)) and joined[1].lower() == word:
            self._place = joined.end()
            parts.append(read())
        self._match(_SPACE)
        return parts

    def _one(self) -> Node:
        self._match(_SPACE)
        if len(self._open) > _DEEPEST:
            raise self._wrong("has too many brackets in each other")
        if self._match(_NEGATED):
            self._open.append(-1)  # so that a row of them ends as well
            node = Negation(self._one())
            self._open.pop()
            return node
        if self._text.startswith("(", self._place):
            return self._bracket()
        self._conditions += 1
        if self._conditions > _MOST_CONDITIONS:
            raise self._wrong("has too many conditions")
        return self._condition()

    def _bracket(self) -> Node:
        self._open.append(self._place)
        self._place += 1
        inner = self._either()
        if not self._text.startswith(")", self._place):
            self._place = self._open[-1]
            raise self._wrong("has a bracket that is not closed")
        self._place += 1
        self._open.pop()
        return inner

    def _condition(self) -> Node:
        named = self._match(_NAMED)
        if named is None:
            raise self._wrong("has no field")
        field = named.group()
        if compared := self._match(_COMPARED):
            return Condition(field, compared[1], self._value())
        if listed := self._match(_LISTED):
            entries = self._entries(field)
            return Negation(entries) if listed[1].lower().startswith("not") else entries
        if present := self._match(_PRESENT):
            return Condition(field, present[1].lower())
        raise self._wrong("has no operator and value where one should be")

    def _value(self) -> str:
        begin = self._place
        if (quoted := self._match(_QUOTED)) and self._ends():
            return _unquoted(quoted)
        self._place, inner = begin, 0  # brackets that the value itself opens
        while inner or not self._ends():
            if self._place == len(self._text):
                break
            inner += {"(": 1, ")": -1 if inner else 0}.get(self._text[self._place], 0)
            self._place += 1
        value = self._text[begin : self._place].strip()
        if not value:
            raise self._wrong("has no value")
        return value

    def _ends(self) -> bool:
        """Tell whether a value that goes to here is at its end."""
        rest = _SPACE.match(self._text, self._place)
        assert rest is not None
        if rest.end() == len(self._text) or _NEXT.match(self._text, self._place):
            return True
        bracketed = any(place >= 0 for place in self._open)
        return bracketed and self._text[rest.end()] == ")"

    def _entries(self, field: str) -> Node:
        """Return the condition that `field` is one of what stands between the brackets."""
        found: list[Node] = []
        while True:
            self._match(_SPACE)
            quoted = self._match(_QUOTED)
            entry = quoted or self._match(_ENTRY)
            value = _unquoted(quoted) if quoted else entry.group().strip() if entry else ""
            if not (value or quoted):
                raise self._wrong("has a list with an empty place")
            found.append(Condition(field, "=", value))
            self._match(_SPACE)
            mark = self._text[self._place : self._place + 1]
            if mark not in {",", ")"}:
                raise self._wrong("has a list that goes on without a comma or bracket")
            if len(found) > _MOST_CONDITIONS:
                raise self._wrong("has a list that is too long")
            self._place += 1
            if mark == ")":
                return _several(Either, found)

    def _match(self, pattern: re.Pattern[str], *, take: bool = True) -> re.Match[str] | None:
        match = pattern.match(self._text, self._place)
        if match and take:
            self._place = match.end()
        return match

    def _wrong(self, problem: str) -> InvalidFilter:
        return InvalidFilter(self._text, problem, self._place + 1)


def _several(kind: type[Every | Either], parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def _unquoted(match: re.Match[str]) -> str:
    return match[1] if match[1] is not None else match[2]
