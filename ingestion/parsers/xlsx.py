"""Excel (.xlsx, .xlsm): a page for each sheet, a line for each row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from ragstone.config import LimitSettings
from ragstone.errors import MalformedInput
from ragstone.ingestion.parsers.archive import ZIP_ERRORS, open_office
from ragstone.ingestion.parsers.base import (
    TextWriter,
    check_characters,
    check_pages,
    collapse,
    malformed,
)
from ragstone.ingestion.parsers.office import describe
from ragstone.schemas.records import BlockKind, Document

if TYPE_CHECKING:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MAX_ROWS = 2**20  # of a sheet, in Excel


def parse_xlsx(content: bytes, limits: LimitSettings) -> Document:
    """Read the cells' values as last calculated; empty rows part one table from the next.

    Chart sheets and the sheets' comments are left out.
    """
    from lxml import etree
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    file = open_office(content, "Excel", limits)
    errors = (
        InvalidFileException, *ZIP_ERRORS, etree.XMLSyntaxError, SyntaxError,
        KeyError, ValueError, AttributeError, TypeError, IndexError, OverflowError,
    )  # fmt: skip
    with malformed("Excel", *errors):
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        check_pages(len(book.worksheets), "sheets", limits)
        writer = TextWriter(MEDIA_TYPE, limits)
        for page, sheet in enumerate(book.worksheets, start=1):
            _write_sheet(sheet, writer, page, limits)
        title, metadata = describe(book.properties)
        metadata["pages"] = len(book.worksheets)
        metadata["sheets"] = [sheet.title for sheet in book.worksheets]
    return writer.document(title, metadata)


def _write_sheet(
    sheet: ReadOnlyWorksheet, writer: TextWriter, page: int, limits: LimitSettings
) -> None:
    # The declared dimensions are often wrong; without them every row there is gets read.
    sheet.reset_dimensions()
    tables = list(_tables(sheet, limits))
    if tables:
        writer.add(sheet.title, BlockKind.HEADING, 1, page)
    for rows in tables:
        _write_table(rows, writer, page)


def _tables(sheet: ReadOnlyWorksheet, limits: LimitSettings) -> Iterator[list[list[str]]]:
    """Yield runs of rows that are not empty, cells as text without the empty ones at the end."""
    rows: list[list[str]] = []
    length = 0
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
        if number > _MAX_ROWS:  # openpyxl makes up every row before one of an absurd number
            reason = f"a row's number is above {_MAX_ROWS:,}"
            raise MalformedInput("Excel", reason)
        cells = [_shown(value) for value in values]
        while cells and not cells[-1]:
            cells.pop()
        # Checked here: one text may stand in very many cells, and a row be empty but for its end.
        length += sum(map(len, cells)) + 3 * len(cells)
        check_characters(length, limits)
        if cells:
            rows.append(cells)
        elif rows:
            yield rows
            rows = []
    if rows:
        yield rows


def _write_table(rows: list[list[str]], writer: TextWriter, page: int) -> None:
    """Write one table; a first row of names is its heading and so the context of all rows."""
    margin = min(next(i for i, cell in enumerate(row) if cell) for row in rows)
    lines = [" | ".join(row[margin:]) for row in rows]
    if len(rows) > 1 and is_header(rows[0][margin:], rows[1][margin:]):
        writer.add(lines.pop(0), BlockKind.HEADING, 2, page)
    writer.add("\n".join(lines), BlockKind.TABLE, 0, page)


def is_header(first: list[str], second: list[str]) -> bool:
    """Tell whether the first row of a table names its columns.

    It does when it has at least two cells, all filled with different text that is no number,
    and is as long as the row below.
    """
    names = [cell for cell in first if cell and not _numeric(cell)]
    complete = len(names) == len(first) >= max(2, len(second))
    return complete and len(set(names)) == len(names)


def _numeric(cell: str) -> bool:
    try:
        float(cell.replace(",", "").rstrip("%"))
    except ValueError:
        return False
    return True


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return collapse(str(value))
