"""Two states of an item side by side: which fields differ, and which lines of the text.

What one comparison costs, and how much of it is shown, is bounded whatever the items hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

from ragstone.schemas.api import FieldChange, TextChange, TextHunk

# Comparing lines takes quadratic time at worst; these bound what one item can cost and fill.
_CHARACTERS = 2_000_000  # of each text
_LINES = 1_000  # of each text, between the lines that both begin and end with
_SHOWN_LINES = 120
_SHOWN_WIDTH = 300  # characters of a line or a value
_LEAD = 100  # characters shown before the first difference in a long line
_CONTEXT = 2  # lines

_FIELDS = ("name", "title", "media_type", "modality", "size", "chunks")

Opcode = tuple[str, int, int, int, int]  # as difflib gives them


def field_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[FieldChange]:
    """Return which fields of two items differ; metadata by key, dots for what is nested.

    Parameters
    ----------
    old, new
        Values of the fields by name, and `metadata` as JSON.
    """
    left = {name: old[name] for name in _FIELDS} | _flat(json.loads(old["metadata"]))
    right = {name: new[name] for name in _FIELDS} | _flat(json.loads(new["metadata"]))
    names = [*_FIELDS, *sorted((left.keys() | right.keys()) - set(_FIELDS))]
    changed = [(name, left.get(name), right.get(name)) for name in names]
    return [
        FieldChange(name, *_short_values(before, after))
        for name, before, after in changed
        if _json(before) != _json(after)
    ]


def _flat(metadata: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = [("metadata", metadata)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{path}.{key}", inner) for key, inner in value.items()]
        else:
            flat[path] = value
    return flat


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _short_values(old: Any, new: Any) -> tuple[Any, Any]:
    """Return both values; a long one as the piece of its text around the first difference."""
    texts = [value if isinstance(value, str) else _json(value) for value in (old, new)]
    at = _shared_start(*texts)
    pieces = [_piece(text, at) for text in texts]
    shortened = [p if p != t else v for p, t, v in zip(pieces, texts, (old, new), strict=True)]
    return shortened[0], shortened[1]


def _shared_start(one: str, other: str) -> int:
    """Return how many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


def _piece(line: str, at: int) -> str:
    """Return `line`, or when it is long the piece of it around place `at`."""
    if len(line) <= _SHOWN_WIDTH:
        return line
    start = max(0, min(at - _LEAD, len(line) - _SHOWN_WIDTH))
    end = start + _SHOWN_WIDTH
    return ("…" if start else "") + line[start:end] + ("…" if end < len(line) else "")


# ---------------------------------------------------------------- texts


def text_change(old: str, new: str) -> TextChange | None:
    """Compare two texts line by line; None when they are equal."""
    if old == new:
        return None
    cut = max(len(old), len(new)) > _CHARACTERS
    left, right = old[:_CHARACTERS].split("\n"), new[:_CHARACTERS].split("\n")
    first, last = _shared_ends(left, right)
    skip, keep = max(0, first - _CONTEXT), max(0, last - _CONTEXT)
    left, right = left[skip : len(left) - keep], right[skip : len(right) - keep]
    cut = cut or max(len(left), len(right)) > _LINES
    left, right = left[:_LINES], right[:_LINES]
    hunks: list[TextHunk] = []
    room = _SHOWN_LINES
    for group in SequenceMatcher(None, left, right).get_grouped_opcodes(_CONTEXT):
        if room <= 0:
            cut = True
            break
        lines, all_of_it = _hunk_lines(group, left, right, room)
        cut = cut or not all_of_it
        room -= len(lines)
        hunks.append(TextHunk(skip + group[0][1] + 1, skip + group[0][3] + 1, lines))
    return TextChange(hunks, cut)


def _shared_ends(left: list[str], right: list[str]) -> tuple[int, int]:
    """Return how many lines both begin with, and how many of the others both end with."""
    shorter = min(len(left), len(right))
    first = next((n for n in range(shorter) if left[n] != right[n]), shorter)
    rest = shorter - first
    last = next((n for n in range(rest) if left[-1 - n] != right[-1 - n]), rest)
    return first, last


def _hunk_lines(
    group: list[Opcode], left: list[str], right: list[str], room: int
) -> tuple[list[str], bool]:
    """Return at most `room` lines of a hunk, and whether nothing that differs is missing."""
    lines: list[str] = []
    complete = True
    for tag, i1, i2, j1, j2 in group:
        if tag == "equal":
            lines += [f" {_piece(line, 0)}" for line in left[i1:i2]]
            continue
        gone, come = left[i1:i2], right[j1:j2]
        places = [_shared_start(*pair) for pair in zip(gone, come, strict=False)]
        places += [0] * (max(len(gone), len(come)) - len(places))
        complete = complete and max(map(len, [*gone, *come])) <= _SHOWN_WIDTH
        lines += [f"-{_piece(line, at)}" for line, at in zip(gone, places, strict=False)]
        lines += [f"+{_piece(line, at)}" for line, at in zip(come, places, strict=False)]
    return lines[:room], complete and len(lines) <= room
