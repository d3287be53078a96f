"""A row of a table as a document: chosen columns are its text, the others its metadata."""

from __future__ import annotations

from typing import Any

from ragstone.config import LimitSettings
from ragstone.errors import EmptyInput, MalformedInput
from ragstone.ingestion.parsers.base import TextWriter, collapse
from ragstone.ingestion.parsers.decode import decode
from ragstone.ingestion.parsers.structured import load
from ragstone.ingestion.parsers.templates import read_template, text_fields
from ragstone.schemas.records import BlockKind, Document, RowColumns

MEDIA_TYPE = "application/json"
_MERGED = "metadata"  # a nested object of this name is merged into the row's metadata


def parse_row(content: bytes, columns: RowColumns, limits: LimitSettings) -> Document:
    """Read one row, given as a JSON object.

    The text is the text columns, or the filled templates, set apart by blank lines. With more
    than one of them the first is the title. All columns but these and the name are metadata, with
    the types that JSON gives them; a number in a template is text and metadata.

    Raises
    ------
    MalformedInput
        It is no JSON object.
    EmptyInput
        It has none of the text columns.
    """
    row = load(decode(content)[0])
    if not isinstance(row, dict):
        raise MalformedInput("JSON row", f"an object is expected, not {type(row).__name__}")
    fields = text_fields(columns.text)
    if not any(name in row for name in fields):
        wanted, there = ", ".join(fields), ", ".join(map(str, row)) or "none"
        reason = f"The row has no column {wanted}; its columns: {there}"
        raise EmptyInput(reason)
    texts = [read_template(piece).fill(row) for piece in columns.text]
    titled = len(texts) > 1
    writer = TextWriter(MEDIA_TYPE, limits)
    for position, text in enumerate(texts):
        heading = titled and position == 0
        kind = BlockKind.HEADING if heading else BlockKind.PARAGRAPH
        writer.add(text, kind, 1 if heading else 0)
    return writer.document(collapse(texts[0]) if titled else "", _metadata(row, fields, columns))


def _metadata(row: dict[str, Any], fields: tuple[str, ...], columns: RowColumns) -> dict[str, Any]:
    """Return what is not text; numbers that a template puts in the text are kept as both."""
    used = {*columns.text, columns.name} | {n for n in fields if isinstance(row.get(n), str | list)}
    metadata = {key: value for key, value in row.items() if key not in used}
    nested = metadata.get(_MERGED)
    if isinstance(nested, dict):
        del metadata[_MERGED]
        metadata = {**nested, **metadata}
    return metadata
