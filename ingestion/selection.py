"""Which files of a place are read: globs, hidden files, symbolic links."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from ragstone.errors import InvalidArgument
from ragstone.ingestion.options import SourceOptions

# `..` is not hidden but refused. `__MACOSX` is what archives made on a Mac hide in plain sight.
_HIDDEN = re.compile(r"(?:^|/)(?:\.(?!\.?(?:/|$))|__MACOSX(?:/|$))")
Own = Callable[[Sequence[Path]], AbstractSet[Path]]  # of the entries of a folder


@dataclass(frozen=True, slots=True)
class Globs:
    """Patterns as in a .gitignore file, without its `!`.

    `*` and `?` stay within one name, `**` spans folders. A pattern without a slash matches a name
    at any depth, one with a slash the path from the root. What matches a folder matches all below
    it; a slash at the end matches folders alone.
    """

    patterns: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def match(self, path: str) -> bool:
        """Tell whether `path`, relative and with `/`, or a folder above it, fits a pattern."""
        return any(_compiled(pattern).fullmatch(path) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is read below a root."""

    include: Globs = field(default_factory=lambda: Globs(()))
    exclude: Globs = field(default_factory=lambda: Globs(()))
    follow: bool = False
    hidden: bool = False

    @classmethod
    def of(cls, options: SourceOptions) -> Selection:
        """Return the selection that `options` ask for.

        Raises
        ------
        InvalidArgument
            A pattern is empty, or begins with `!`.
        """
        for name in ("include", "exclude"):
            for pattern in getattr(options, name):
                _check(name, pattern)
        include, exclude = Globs(options.include), Globs(options.exclude)
        return cls(include, exclude, options.follow, options.hidden)

    def shuts_out(self, path: str) -> bool:
        """Tell whether nothing at or below `path` is read; that of a folder ends with `/`."""
        if not self.hidden and _HIDDEN.search(path):
            return True
        return self.exclude.match(path)

    def takes(self, path: str) -> bool:
        """Tell whether the file at `path` is read."""
        return not self.shuts_out(path) and (not self.include or self.include.match(path))


def walk(folder: Path, selection: Selection, own: Own) -> Iterator[Path]:
    """Yield the files below `folder` that are not shut out, sorted by name level by level.

    Each folder is entered once, so that links cannot lead round in circles. Globs to include are
    not asked yet. `own` tells of what a workspace keeps there, which is left out.
    """
    pending = [folder]
    seen = {folder}
    while pending:
        current = pending.pop()
        try:
            entries = sorted(current.iterdir(), reverse=True) if current.is_dir() else None
        except OSError:
            entries = None  # what cannot be listed is an object, to be rejected as unreadable
        if entries is None:
            yield current
            continue
        left_out = own(entries)
        pending.extend(
            entry
            for entry in entries
            if entry not in left_out and _wanted(entry, folder, seen, selection)
        )


def _wanted(entry: Path, root: Path, seen: set[Path], selection: Selection) -> bool:
    """Tell whether to go on with an entry; each folder is entered once, under one name."""
    try:
        folder = entry.is_dir()
        if selection.shuts_out(f"{entry.relative_to(root).as_posix()}{'/' * folder}"):
            return False
        real = entry.resolve()
        if entry.is_symlink() and not selection.follow and not real.is_relative_to(root):
            return False
        if folder:
            if real in seen:
                return False
            seen.add(real)
        elif selection.follow and not real.exists():
            return False  # a link to nothing
    except RuntimeError:
        return False  # a link that leads round in a circle
    except OSError as error:
        return error.errno != errno.ELOOP  # what may not be looked at is to be rejected
    return True


def _check(name: str, pattern: str) -> None:
    try:
        _compiled(pattern)
        fine = bool(pattern.strip("/ ")) and not pattern.startswith("!")
    except re.error:  # a set such as [z-a]
        fine = False
    if not fine:
        expected = "a glob such as '*.md' or 'drafts/**' ('!' is not known here)"
        raise InvalidArgument(name, pattern, expected)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    body = pattern.rstrip("/")
    anchored = "/" in body
    body = body.removeprefix("/")
    start = "" if anchored else "(?:.*/)?"
    end = "/.*" if pattern.endswith("/") else "(?:/.*)?"
    return re.compile(start + _translated(body) + end, re.DOTALL)


_SIGNS = re.compile(r"(?:(?<=/)|^)\*\*/|/\*\*$|\*+|\?|\[[!^]?\]?[^\]/]*\]|.", re.DOTALL)


def _translated(glob: str) -> str:
    """Return `glob` as a regular expression."""
    pieces = []
    for sign in _SIGNS.findall(glob):
        if sign == "**/":
            piece = "(?:.*/)?"
        elif sign == "/**":
            piece = "/.*"
        elif sign.startswith("*"):
            piece = ".*" if glob == "**" else "[^/]*"
        elif sign == "?":
            piece = "[^/]"
        elif len(sign) > 1:
            piece = _set(sign[1:-1])
        else:
            piece = re.escape(sign)
        pieces.append(piece)
    return "".join(pieces)


def _set(characters: str) -> str:
    """Return the inside of `[…]` as a regular expression that never matches a slash."""
    negated = characters[:1] in ("!", "^")
    inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", characters[negated:])
    return f"(?!/)[{'^' if negated else ''}{inside}]"
