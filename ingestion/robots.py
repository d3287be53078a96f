"""robots.txt by RFC 9309: the longest rule that matches wins, `*` and `$` mean what they say.

The standard library's parser takes the first rule that matches and knows neither `*` nor `$`, so
it fetches pages that their owner has closed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

_MAX_BYTES = 500 * 2**10  # that much has to be read; the rest need not be
_TOKEN = re.compile(r"[A-Za-z_-]+")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_KEPT = "%!$&'()*+,/:;=?@[]"  # beside the unreserved ones: what stays as it is in a path


@dataclass(frozen=True, slots=True)
class Rule:
    """One line: whether paths like `pattern` may be fetched."""

    pattern: str  # percent-encoded in the one way
    allow: bool

    def matches(self, path: str) -> bool:
        """Tell whether the pattern covers the beginning of `path`, or all of it when it ends in $.

        Each piece between stars is looked for once, from left to right, so no pattern takes
        longer than its length times that of the path.
        """
        anchored = self.pattern.endswith("$")
        first, *others = self.pattern.removesuffix("$").split("*")
        if not path.startswith(first):
            return False
        if anchored and not others:
            return path == first
        last = others.pop() if anchored else ""
        place = len(first)
        for piece in others:
            place = path.find(piece, place)
            if place < 0:
                return False
            place += len(piece)
        return not last or (path.endswith(last) and len(path) - len(last) >= place)


@dataclass(frozen=True, slots=True)
class Robots:
    """What a site asks of one robot."""

    rules: tuple[Rule, ...] = ()
    delay: float = 0.0  # seconds between two requests
    sitemaps: tuple[str, ...] = ()

    def allows(self, path: str) -> bool:
        """Tell whether `path`, with its query, may be fetched; a tie goes to the permission."""
        path = _normal(path)
        found = [rule for rule in self.rules if rule.matches(path)]
        return max(((len(r.pattern), r.allow) for r in found), default=(0, True))[1]


def parse_robots(content: bytes, agent: str) -> Robots:
    """Read a robots.txt for the robot `agent`.

    Parameters
    ----------
    content
        The bytes; lines that mean nothing are passed over.
    agent
        Its User-Agent header; the name is what stands before the first character that is no
        letter, `-` or `_`.
    """
    name = _token(agent)
    mine: list[tuple[str, str]] = []
    everyones: list[tuple[str, str]] = []
    sitemaps: list[str] = []
    named = False
    agents: list[str] = []
    in_rules = False
    for field, value in _lines(content):
        if field == "sitemap":
            sitemaps.append(value)
        elif field == "user-agent":
            agents = [] if in_rules else agents
            agents.append("*" if value == "*" else _token(value))
            in_rules = False
            named = named or bool(name and name == agents[-1])
        elif field in ("allow", "disallow", "crawl-delay"):
            in_rules = True
            if name and name in agents:
                mine.append((field, value))
            if "*" in agents:
                everyones.append((field, value))
    return _robots(mine if named else everyones, sitemaps)


def _robots(lines: list[tuple[str, str]], sitemaps: list[str]) -> Robots:
    rules = (
        Rule(_normal(value), field == "allow")
        for field, value in lines
        if field != "crawl-delay" and value
    )
    delays = (_seconds(value) for field, value in lines if field == "crawl-delay")
    return Robots(tuple(dict.fromkeys(rules)), max(delays, default=0.0), tuple(sitemaps))


def _lines(content: bytes) -> Iterator[tuple[str, str]]:
    text = content[:_MAX_BYTES].decode("utf-8-sig", errors="replace")
    for line in re.split(r"[\r\n]+", text):
        field, colon, value = line.partition("#")[0].partition(":")
        if colon:
            yield field.strip().lower(), value.strip()


def _token(agent: str) -> str:
    match = _TOKEN.match(agent)
    return match[0].lower() if match else ""


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        return 0.0
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0


def _normal(path: str) -> str:
    """Return `path` percent-encoded in the one way, so that all ways to write it are alike."""
    return _ESCAPE.sub(_escape, quote(path, safe=_KEPT))


def _escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character in _UNRESERVED else match[0].upper()
