"""How far a job is: a bar on a terminal, JSON lines for programs, a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ragstone.cli.output import console, plural, print_json
from ragstone.schemas.api import IngestProgress, JobProgress, ReembedProgress, TrainProgress

if TYPE_CHECKING:
    from rich.console import Console

    from ragstone.training.progress import Progress as Training

JSON_SECONDS = 1.0  # at most one line of progress per second
LOG_SECONDS = 15.0

Reporter = Callable[[JobProgress], None]


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


@contextmanager
def stepping(*, as_json: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Yield what shows on a terminal what is being done, how much is done, and of how much."""
    if as_json:
        yield lambda *_: None
        return
    from rich.progress import Progress

    with Progress(console=console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)

        def show(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        yield show


@contextmanager
def learning(*, as_json: bool) -> Iterator[Callable[[Training], None]]:
    """Yield what shows how a training goes: one line, redrawn on a terminal, else now and then."""
    out = console(stderr=True)
    told = _Told()
    if as_json:
        yield lambda _: None
    elif out.is_terminal:
        from rich.live import Live
        from rich.text import Text

        with Live(console=out, transient=True) as live:
            yield lambda progress: live.update(
                Text(told(progress), no_wrap=True, overflow="ellipsis")
            )
    else:
        lines = _Lines(LOG_SECONDS, lambda line: out.print(line, soft_wrap=True))
        yield lambda progress: lines(told(progress))


@contextmanager
def interruptible(job: str | None, *, as_json: bool) -> Iterator[None]:
    """Say what Ctrl-C leaves behind: `job` goes on in a server; without one, work is kept."""
    try:
        yield
    except KeyboardInterrupt:
        out = console(stderr=True)
        if not as_json and job is None:
            out.print("Interrupted. The same command goes on from what was finished so far.")
        if not as_json and job is not None:
            out.print(f"The server goes on with job {job}.")
            out.print(f"ragstone jobs {job} --follow shows it, ragstone cancel {job} ends it.")
        raise


def describe(event: JobProgress) -> str:
    """Say in one line how far it is."""
    left = f", {clock(event.seconds_left)} left" if event.seconds_left is not None else ""
    match event:
        case IngestProgress():
            total = f" of {event.total:,}" if event.total is not None else ""
            done = f"{event.seen:,}{total} inputs, {plural(event.chunks, 'chunk')}"
        case ReembedProgress():
            done = f"{event.done:,} of {event.total:,} chunks"
        case TrainProgress():
            done = f"step {event.step:,} of {event.steps:,}{_losses(event)}"
    return f"{event.stage}: {done}, {event.rate:,.1f}/s{left}"


def _losses(event: TrainProgress) -> str:
    found = {"loss": event.loss, "validation": event.validation}
    return "".join(f", {name} {value:.3f}" for name, value in found.items() if value is not None)


def clock(seconds: float) -> str:
    """Return `1:02:03` or `2:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _Told:
    """Says in one line how a training goes, with its last validation."""

    def __init__(self) -> None:
        self._validation = ""
        self._trial: int | None = None

    def __call__(self, progress: Training) -> str:
        if progress.trial != self._trial:
            self._validation, self._trial = "", progress.trial
        if progress.validation is not None:
            self._validation = f"validation {progress.validation:.3f}"
        parts = (
            "" if progress.trial is None else f"trial {progress.trial + 1}",
            f"step {progress.step:,} of {progress.steps:,}",
            f"loss {progress.loss:.3f}",
            self._validation,
            f"rate {progress.learning_rate:.2g}",
            f"gradients {progress.gradient_norm:.2g}",
            f"{progress.tokens_per_second:,.0f} tokens/s",
            "" if progress.mfu is None else f"MFU {progress.mfu:.0%}",
            f"{clock(progress.seconds_left)} left",
        )
        return " · ".join(part for part in parts if part)


class _Lines:
    """Writes a line when the last one is `pause` seconds old: short jobs stay silent."""

    def __init__(self, pause: float, write: Callable[[Any], None]) -> None:
        self._pause, self._write = pause, write
        self._last = time.monotonic()

    def __call__(self, progress: Any) -> None:
        now = time.monotonic()
        if now - self._last >= self._pause:
            self._last = now
            self._write(progress)


def _counted(event: JobProgress) -> tuple[int, int | None, str]:
    """Return how much is done, of how much, and what else there is to say."""
    match event:
        case IngestProgress():
            return event.seen, event.total, f" · {plural(event.chunks, 'chunk')}"
        case ReembedProgress():
            return event.done, event.total, ""
        case TrainProgress():
            return event.step, event.steps or None, _losses(event).replace(",", " ·")


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

        def show(event: JobProgress) -> None:
            left = "" if event.seconds_left is None else f" · {clock(event.seconds_left)} left"
            done, total, more = _counted(event)
            progress.update(
                task,
                description=event.stage,
                completed=done,
                total=total,
                note=f"{event.rate:,.1f}/s{more}{left}",
            )

        yield show
