"""What no model of a workspace is asked for: words and patterns of its owner."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ragstone.errors import InvalidConfig, RefusedSample

if TYPE_CHECKING:
    from ragstone.config import ModelSettings

_PATTERN = "re:"  # what an entry begins with that is a regular expression


def check_asked(
    settings: ModelSettings, root: Path, prompt: str, conditions: Mapping[str, str]
) -> None:
    """Raise when a prompt, or a condition, holds what the settings refuse.

    Words are found whole, whatever their case and width; `re:` begins a regular expression. It
    looks at what is written, and knows no other word for it.

    Parameters
    ----------
    root
        The workspace: a file of entries lies there.

    Raises
    ------
    RefusedSample
        With the entry that was found.
    InvalidConfig
        The file cannot be read, or an expression is none.
    """
    asked = {"prompt": prompt, **conditions}
    told = {name: _plain(value) for name, value in asked.items() if value}
    for entry in _entries(settings, root):
        expression = _expression(entry)
        for name, value in told.items():
            if expression.search(value):
                raise RefusedSample(name, entry)


def _entries(settings: ModelSettings, root: Path) -> Iterator[str]:
    yield from settings.refused
    if not settings.refused_file:
        return
    path = root / settings.refused_file
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig("models.refused_file", [f"{path}: {error}"]) from error
    yield from (line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _expression(entry: str) -> re.Pattern[str]:
    if not entry.startswith(_PATTERN):
        words = r"\s+".join(map(re.escape, _plain(entry).split()))
        return re.compile(rf"(?<!\w){words}(?!\w)")
    try:
        return re.compile(entry.removeprefix(_PATTERN), re.IGNORECASE)
    except re.error as error:
        raise InvalidConfig("models.refused", [f"{entry}: {error}"]) from error


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
