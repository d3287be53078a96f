"""JSON and JSON lines as readable text: one line for each value, with its path."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from math import isfinite
from typing import Any

from ragstone.config import LimitSettings
from ragstone.errors import MalformedInput
from ragstone.ingestion.parsers.base import TextWriter, check_characters, malformed
from ragstone.ingestion.parsers.decode import decode, encoding_metadata
from ragstone.schemas.records import BlockKind, Document

JSON_TYPE = "application/json"
LINES_TYPE = "application/x-ndjson"
_MAX_BAD = 0.1  # of the lines; beyond, the file is not JSON lines
_MAX_DEPTH = 100  # lists and objects in each other; what walks them calls itself


def parse_json(content: bytes, limits: LimitSettings) -> Document:
    """Read one JSON value: a block for each entry of the outer list or object.

    A file with one value on each line is read as JSON lines.
    """
    text, encoding = decode(content)
    try:
        value = load(text)
    except MalformedInput:
        if _looks_like_lines(text):
            return parse_json_lines(content, limits)
        raise
    writer = TextWriter(JSON_TYPE, limits)
    if isinstance(value, list):
        for entry in value:
            writer.add(_text(entry, "", limits), BlockKind.TABLE)
    elif isinstance(value, dict):
        for key, entry in value.items():
            writer.add(_text(entry, str(key), limits), BlockKind.TABLE)
    else:
        writer.add(_text(value, "", limits))
    return writer.document(metadata=encoding_metadata(encoding))


def parse_json_lines(content: bytes, limits: LimitSettings) -> Document:
    """Read JSON lines as one document: a block for each record, broken lines left out.

    Raises
    ------
    MalformedInput
        More than a tenth of the lines are no JSON.
    """
    text, encoding = decode(content)
    writer = TextWriter(LINES_TYPE, limits)
    bad, lines = 0, [line for line in re.split(r"\r?\n", text) if line.strip()]
    reason = ""
    for number, line in enumerate(lines, start=1):
        try:
            writer.add(_text(load(line), "", limits), BlockKind.TABLE)
        except MalformedInput as error:
            bad += 1
            reason = reason or f"line {number}: {error}"
    if bad > _MAX_BAD * len(lines):
        raise MalformedInput("JSON lines", reason)
    metadata: dict[str, Any] = {"broken_lines": bad} if bad else {}
    return writer.document(metadata={**metadata, **encoding_metadata(encoding)})


def load(text: str) -> Any:
    """Return the value of a JSON text; raise `MalformedInput` when it is none.

    What is not a finite number (`NaN`, `Infinity`, `1e999`) is None: no JSON can hold it.
    """
    too_deep = f"its lists and objects are nested deeper than {_MAX_DEPTH}"
    try:
        with malformed("JSON", ValueError):
            value = json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
    except RecursionError as error:
        raise MalformedInput("JSON", too_deep) from error
    if not _shallow(value):
        raise MalformedInput("JSON", too_deep)
    return value


def _shallow(value: Any) -> bool:
    """Tell whether `value` is nested no deeper than allowed, looking at it level by level."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ] if isinstance(level[0], dict | list) else []  # fmt: skip
        if not level:
            return True
    return False


def _finite(number: str) -> float | None:
    value = float(number)
    return value if isfinite(value) else None


def _text(value: Any, path: str, limits: LimitSettings) -> str:
    """Return the lines of `value`; their paths can make them far longer than the file."""
    lines = []
    length = 0
    for line in _lines(value, path):
        length += len(line) + 1
        check_characters(length, limits)
        lines.append(line)
    return "\n".join(lines)


def _lines(value: Any, path: str) -> Iterator[str]:
    """Yield `path: value` for each scalar below `value`; the loader has bounded the depth."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _lines(entry, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        if all(not isinstance(entry, dict | list) for entry in value):
            yield from _lines(", ".join(map(_shown, value)), path)
        else:
            for number, entry in enumerate(value, start=1):
                yield from _lines(entry, f"{path}.{number}" if path else str(number))
    else:
        shown = _shown(value)
        if shown.strip():
            yield f"{path}: {shown}" if path else shown


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


def _looks_like_lines(text: str) -> bool:
    lines = [line for line in text.splitlines()[:3] if line.strip()]
    return len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines)
