"""What every verb prints with: JSON for programs, Rich for people, one form for errors."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ragstone.schemas.api import to_json

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

PIPE_WIDTH = 160  # columns when the output is no terminal: wide enough for ids and paths
# Texts come from files nobody vouches for; an escape sequence in one must not drive the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def console(*, stderr: bool = False) -> Console:
    """Return a Rich console that prints text as it is: no markup, no emoji, no guessing."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def print_json(value: Any) -> None:
    """Print an API model, or plain JSON types, as one line of JSON."""
    sys.stdout.write(json.dumps(to_json(value), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def say(*parts: RenderableType) -> None:
    """Print for people."""
    out = console()
    for part in parts:
        out.print(part, soft_wrap=isinstance(part, str))


def styled(value: str, style: str = "") -> Text:
    """Return foreign text, harmless for the terminal, in a style."""
    from rich.text import Text

    return Text(clean(value), style=style)


def clean(value: str) -> str:
    """Replace control characters, so that text from a file cannot drive the terminal."""
    return _CONTROL.sub("�", value)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str) -> None:
    """Print rows under `columns`; numbers to the right; `empty` when there is no row."""
    from rich import box
    from rich.table import Table

    kept = [list(row) for row in rows]
    if not kept:
        say(empty)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        numeric = all(isinstance(row[number], int | float) for row in kept)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in kept:
        table.add_row(*(styled(_cell(value)) for value in row))
    say(table)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def plural(count: int, noun: str) -> str:
    """Return `1 item`, `2,000 items`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def report_error(body: dict[str, str], *, as_json: bool) -> None:
    """Print an error's code, message and hint to standard error."""
    if as_json:
        sys.stderr.write(json.dumps({"error": body}, ensure_ascii=False) + "\n")
        return
    out = console(stderr=True)
    out.print(styled(f"Error: {body['message']}", "bold red"), soft_wrap=True)
    if body["hint"]:
        out.print(styled(body["hint"]), soft_wrap=True)
