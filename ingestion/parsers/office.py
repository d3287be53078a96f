"""What Word, PowerPoint and Excel files share: properties and charts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ragstone.ingestion.parsers.base import collapse

if TYPE_CHECKING:
    from lxml.etree import _Element

# The programs' own presets, not chosen by anybody.
_PRESET_TITLES = frozenset({"powerpoint presentation", "presentation", "untitled", "document"})
_PRESET_AUTHORS = frozenset({"python-docx", "openpyxl", "unknown"})


def describe(properties: Any) -> tuple[str, dict[str, Any]]:
    """Return title and metadata of a `core_properties` object of any of the three libraries."""
    title = str(getattr(properties, "title", "") or "")
    author = str(getattr(properties, "author", "") or getattr(properties, "creator", "") or "")
    metadata: dict[str, Any] = {
        "author": "" if author.lower() in _PRESET_AUTHORS else author,
        "language": str(getattr(properties, "language", "") or ""),
        "subject": str(getattr(properties, "subject", "") or ""),
        "keywords": str(getattr(properties, "keywords", "") or ""),
    }
    for name in ("created", "modified"):
        when = getattr(properties, name, None)
        if isinstance(when, datetime):
            metadata[name] = when.isoformat()
    return ("" if title.strip().lower() in _PRESET_TITLES else title), metadata


def chart_lines(root: _Element) -> list[str]:
    """Return a chart (DrawingML) of any kind as lines: its title, series names, then values."""
    title = " ".join(e.text or "" for e in root.findall("./{*}chart/{*}title//{*}t"))
    columns: list[list[str]] = []
    names: list[str] = []
    categories: list[str] = []
    for series in root.iter("{*}ser"):
        names.append(" ".join(_values(series, "tx")))
        categories = categories or _values(series, "cat") or _values(series, "xVal")
        columns.append(_values(series, "val") or _values(series, "yVal"))
    lines = [collapse(title)] if title.strip() else []
    if any(names):
        lines.append(" | ".join(["", *names]))
    for row in range(max(map(len, columns), default=0)):
        values = [column[row] if row < len(column) else "" for column in columns]
        category = categories[row] if row < len(categories) else ""
        lines.append(" | ".join([category, *values]))
    return lines


def _values(series: _Element, part: str) -> list[str]:
    return [collapse(value.text or "") for value in series.findall(f"./{{*}}{part}//{{*}}v")]
