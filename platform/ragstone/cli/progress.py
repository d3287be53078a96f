"""How far an ingestion is: a bar on a terminal, JSON lines for programs, a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ragstone.cli.output import console, plural, print_json
from ragstone.schemas.api import IngestProgress

if TYPE_CHECKING:
    from rich.console import Console

JSON_SECONDS = 1.0  # at most one line of progress per second
LOG_SECONDS = 15.0

Reporter = Callable[[IngestProgress], None]


@contextmanager
def reporting(*, as_json: bool) -> Iterator[Reporter]:
    """Yield the reporter that fits whoever reads: a program, a terminal or a log."""
    out = console(stderr=True)
    if as_json:
        yield _Lines(JSON_SECONDS, lambda event: print_json({"progress": event}))
    elif out.is_terminal:
        with _bar(out) as reporter:
            yield reporter
    else:
        yield _Lines(LOG_SECONDS, lambda event: out.print(describe(event), soft_wrap=True))


def describe(event: IngestProgress) -> str:
    """Say in one line how far it is."""
    total = f" of {event.total:,}" if event.total is not None else ""
    left = f", {clock(event.seconds_left)} left" if event.seconds_left is not None else ""
    return (
        f"{event.stage}: {event.seen:,}{total} inputs, {plural(event.chunks, 'chunk')}, "
        f"{event.rate:,.1f}/s{left}"
    )


def clock(seconds: float) -> str:
    """Return `1:02:03` or `2:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _Lines:
    """Writes a line when the last one is `pause` seconds old: short jobs stay silent."""

    def __init__(self, pause: float, write: Reporter) -> None:
        self._pause, self._write = pause, write
        self._last = time.monotonic()

    def __call__(self, progress: IngestProgress) -> None:
        now = time.monotonic()
        if now - self._last >= self._pause:
            self._last = now
            self._write(progress)


@contextmanager
def _bar(out: Console) -> Iterator[Reporter]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("reading", total=None, note="")

        def show(event: IngestProgress) -> None:
            left = "" if event.seconds_left is None else f" · {clock(event.seconds_left)} left"
            note = f"{event.rate:,.1f}/s · {plural(event.chunks, 'chunk')}{left}"
            progress.update(
                task,
                description=event.stage,
                completed=event.seen,
                total=event.total,
                note=note,
            )

        yield show
