"""CSV, TSV and Parquet as one document: column names as heading, a line for each row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from ragstone.config import LimitSettings
from ragstone.ingestion.parsers.archive import check_unpacked
from ragstone.ingestion.parsers.base import TextWriter, check_characters, collapse, malformed
from ragstone.ingestion.parsers.decode import decode, encoding_metadata
from ragstone.ingestion.parsers.xlsx import is_header
from ragstone.schemas.records import BlockKind, Document

CSV_TYPE = "text/csv"
PARQUET_TYPE = "application/vnd.apache.parquet"
_DELIMITERS = "\t|;,"  # the rarer in running text first: of two that fit, it is the one
_SNIFFED = 16_384  # characters
_ROWS = 1_000  # read from Parquet at a time
_LINES = 200  # in one block: what a reader can look over
_MAX_FIELD = 2**31 - 1


def parse_csv(content: bytes, limits: LimitSettings) -> Document:
    """Read delimited text; the delimiter is found out, the first row is the heading if it can be.

    The heading is the context of every chunk, so that a row is found with its column names.
    """
    text, encoding = decode(content)
    check_characters(len(text), limits)  # before a reader makes copies of it
    writer = TextWriter(CSV_TYPE, limits)
    with malformed("CSV", csv.Error):
        rows = (row for row in csv_rows(text) if any(row))
        _write(rows, writer)
    return writer.document(metadata=encoding_metadata(encoding))


def parse_parquet(content: bytes, limits: LimitSettings) -> Document:
    """Read a Parquet file, all columns."""
    import pyarrow as pa
    from pyarrow import parquet

    writer = TextWriter(PARQUET_TYPE, limits)
    with malformed("Parquet", pa.ArrowException, OSError, ValueError):
        try:
            _write_parquet(parquet.ParquetFile(io.BytesIO(content)), len(content), writer, limits)
        except pa.ArrowMemoryError as error:  # an ArrowException that says nothing of the file
            raise MemoryError from error
    return writer.document()


def _write_parquet(file: Any, packed: int, writer: TextWriter, limits: LimitSettings) -> None:
    groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
    check_unpacked(sum(group.total_byte_size for group in groups), packed, limits)
    writer.add(" | ".join(file.schema_arrow.names), BlockKind.HEADING, 1)
    for batch in file.iter_batches(_ROWS):
        lines = (_line([_cell(v) for v in row.values()]) for row in batch.to_pylist())
        writer.add("\n".join(lines), BlockKind.TABLE)


def csv_rows(text: str) -> Iterator[list[str]]:
    """Yield the rows of delimited text, cells as they stand.

    Raises
    ------
    csv.Error
        A row breaks the format.
    """
    csv.field_size_limit(_MAX_FIELD)
    sample = text[:_SNIFFED]
    return csv.reader(io.StringIO(text, newline=""), delimiter=sniff_delimiter(sample))


def sniff_delimiter(sample: str) -> str:
    """Return the delimiter under which the first lines fall into equally many cells.

    Of several, the one that makes most cells; a comma when none makes more than one.
    """
    best, most = ",", 1.0
    for delimiter in _DELIMITERS:
        widths = [len(r) for r in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)]
        widths = [width for width in widths if width][:50]
        if not widths:
            continue
        usual = max(set(widths), key=widths.count)
        score = usual * widths.count(usual) / len(widths)
        if usual > 1 and score > most:
            best, most = delimiter, score
    return best


def _write(rows: Iterator[list[str]], writer: TextWriter) -> None:
    first, second = next(rows, []), next(rows, [])
    pending = [row for row in (first, second) if row]
    if first and is_header([c.strip() for c in first], [c for c in second if c.strip()]):
        writer.add(_line(pending.pop(0)), BlockKind.HEADING, 1)
    lines = [_line(row) for row in pending]
    for row in rows:
        lines.append(_line(row))
        if len(lines) >= _LINES:
            writer.add("\n".join(lines), BlockKind.TABLE)
            lines.clear()
    writer.add("\n".join(lines), BlockKind.TABLE)


def _line(cells: list[str]) -> str:
    return " | ".join(collapse(cell) for cell in cells)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
