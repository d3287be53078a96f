"""Who made an item, when, under which licence, and where it comes from: one set of names.

Each format has names of its own for these: `creator` of a book, `from` of a message, `Artist` of a
photograph. Filters want one. What a parser found stays as it is beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

# Names as they are without case and without all but letters, the best source first.
_AUTHOR = "author authors creator dccreator artist byline from albumartist performer".split()
_LICENCE = (
    "licence license cclicense usageterms dclicense licenseurl webstatement rights dcrights "
    "copyright copyrightnotice"
).split()
_SOURCE_URL = "sourceurl url canonical canonicalurl permalink source dcsource website".split()
_CREATED = (
    "created date datepublished published publishedtime datetimeoriginal creationdate dccreated "
    "issued dcdate datecreated datetime createdate recordingdate"
).split()
_INSIDE = frozenset({"exif", "iptc", "xmp", "tags", "id", "vorbis"})  # objects looked into
_LETTERS = re.compile(r"[^a-z]+")
_URL = re.compile(r"https?://[^\s<>\"\x00-\x1f]{3,2000}", re.I)
_COMMONS = re.compile(
    r"creativecommons\.org/(licenses/(by(?:-nc|-nd|-sa)*)|publicdomain/(zero|mark))/(\d\.\d)", re.I
)
_EXIF_DATE = re.compile(r"(\d{4}):(\d\d):(\d\d)(?:[ T](\d\d:\d\d:\d\d))?")
_SHORT_DATE = re.compile(r"\d{4}(?:-(?:0[1-9]|1[0-2]))?")
_LONGEST = 500  # characters of a name or a licence


def provenance(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return `author`, `licence`, `source_url` and `created`, those that the metadata tells.

    Parameters
    ----------
    metadata
        What a parser found, under the names of its format; objects such as `exif` in it are
        looked into.

    Returns
    -------
    dict
        To be laid over `metadata`. `author` is a list when there are several. `licence` is the
        SPDX identifier of a Creative Commons address, else the notice as it stands. `created`
        is ISO 8601, as exact as the file says it: a year, a day or a second. Where one of these
        names stands in `metadata` with another value, that is kept as `NAME_raw`.
    """
    found = {
        "author": _first(metadata, _AUTHOR, _author),
        "licence": _first(metadata, _LICENCE, _licence),
        "source_url": _first(metadata, _SOURCE_URL, _source_url),
        "created": _first(metadata, _CREATED, iso_date),
    }
    told = {name: value for name, value in found.items() if value}
    replaced = {
        f"{name}_raw": metadata[name]
        for name, value in told.items()
        if name in metadata and metadata[name] != value and f"{name}_raw" not in metadata
    }
    return {**told, **replaced}


def iso_date(value: Any) -> str:
    """Return a date or a point in time as ISO 8601, "" when it is none that can be told.

    Read are ISO 8601 itself, the dates of e-mail and of EXIF, years and months.
    """
    text = str(value).strip() if isinstance(value, str | int) else ""
    if _SHORT_DATE.fullmatch(text):
        return text
    match = _EXIF_DATE.fullmatch(text)
    if match:
        text = "-".join(match.groups()[:3]) + (f"T{match[4]}" if match[4] else "")
    for read in (date.fromisoformat, datetime.fromisoformat, parsedate_to_datetime):
        try:
            return read(text).isoformat()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return ""


def _first(metadata: Mapping[str, Any], names: list[str], read: Any) -> Any:
    """Return the first value under one of `names`, in their order, of which `read` makes sense."""
    known: dict[str, list[Any]] = {}
    for name, value in _entries(metadata):
        known.setdefault(name, []).append(value)
    values = (value for name in names for value in known.get(name, ()))
    return next((made for made in map(read, values) if made), None)


def _entries(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield entries under their plain names, outer ones first."""
    inner: list[Mapping[str, Any]] = []
    for key, value in metadata.items():
        name = _LETTERS.sub("", str(key).lower())
        if isinstance(value, Mapping) and name in _INSIDE:
            inner.append(value)
        else:
            yield name, value
    for mapping in inner:
        yield from ((_LETTERS.sub("", str(key).lower()), value) for key, value in mapping.items())


def _author(value: Any) -> str | list[str]:
    if isinstance(value, list):
        names = [name for name in map(_line, value) if name]
        return names[0] if len(names) == 1 else names
    return _line(value)


def _licence(value: Any) -> str:
    text = _line(value[0] if isinstance(value, list) and value else value)
    match = _COMMONS.search(text)
    if not match:
        return text
    if match[3]:
        return "CC0-1.0" if match[3].lower() == "zero" else "PDM-1.0"
    return f"CC-{match[2].upper()}-{match[4]}"


def _source_url(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    return text if _URL.fullmatch(text) else ""


def _line(value: Any) -> str:
    """Return a short text on one line, "" for anything else."""
    return " ".join(value.split())[:_LONGEST] if isinstance(value, str) else ""
