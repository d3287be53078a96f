"""Commands of runs, the trainings of models: `runs` and `run`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, print_table, say, styled
from ragstone.cli.session import reached

if TYPE_CHECKING:
    from ragstone.schemas.runs import Run, RunPoint

_WIDTH, _HEIGHT = 60, 10  # of the chart, in characters
_ROWS = 12  # of the table
_SHOWN = 12  # characters of an id


def runs(
    context: typer.Context,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """List the trainings of models, newest first: running, done, stopped or failed.

    Example: ragstone runs
    """
    with reached(context, workspace) as ws:
        found = ws.runs()
    if as_json:
        print_json(found)
        return
    rows = [
        (
            run.run[:_SHOWN],
            run.model or run.name,
            run.family,
            f"{run.dataset}@{run.version}",
            run.state,
            f"{run.step:,} of {run.steps:,}",
            _loss(run),
            run.began,
        )
        for run in found
    ]
    columns = ("run", "model", "family", "data", "state", "steps", "loss", "began")
    print_table(columns, rows, "No runs. ragstone train gpt DATASET begins one.")


def run(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or how it begins.")],
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Show how a training went: its losses as a chart, and what was measured.

    Example: ragstone run 01M8G9JV22PQ
    """
    with reached(context, workspace) as ws:
        found = ws.run(run)
    if as_json:
        print_json(found)
        return
    _describe(found.run)
    for line in chart(found.points):
        say(line)
    columns = ("step", "loss", "validation", "rate", "gradients", "tokens/s", "MFU")
    shown = len(columns) - all(point.mfu is None for point in found.points)
    figures = sorted({name for point in found.points for name in point.figures})
    told = [point for point in found.points if point.figures] or found.points
    rows = [(*_row(point)[:shown], *_figures(point, figures)) for point in _spread(told)]
    print_table((*columns[:shown], *figures), rows, "Nothing was measured.")


def chart(points: Sequence[RunPoint]) -> list[str]:
    """Return the losses over the steps: `·` of the training, `o` of what is held out."""
    if not points:
        return []
    marked = [(point.step, point.loss, "·") for point in points]
    marked += [(p.step, p.validation, "o") for p in points if p.validation is not None]
    losses = [loss for _, loss, _ in marked]
    low, high, last = min(losses), max(losses), points[-1].step
    rows = [[" "] * _WIDTH for _ in range(_HEIGHT)]
    for step, loss, mark in marked:
        part = (high - loss) / (high - low) if high > low else 0.5
        column = round((_WIDTH - 1) * step / last)
        rows[round((_HEIGHT - 1) * part)][column] = mark
    labels = [f"{high:.4g}", *[""] * (_HEIGHT - 2), f"{low:.4g}"]
    lines = [f"{label:>8} ┤{''.join(row)}" for label, row in zip(labels, rows, strict=True)]
    return [*lines, f"{'':>8} └{'0':<{_WIDTH - 8}}{last:>8,}"]


def _describe(run: Run) -> None:
    began, made = f"{run.began:%Y-%m-%d %H:%M:%S}", f", made {run.model}" if run.model else ""
    say(f"{run.run}: {run.name}, {run.family} on {run.dataset}@{run.version}, {run.device}")
    say(f"Begun {began}, {run.state} after {run.step:,} of {run.steps:,} steps{made}")
    if run.error:
        say(styled(run.error, "red"))
    say(f"Which examples a step read follows from data {run.data_digest[:16]} and seed {run.seed}.")


def _loss(run: Run) -> str:
    found = run.validation if run.validation is not None else run.loss
    return "" if found is None else f"{found:.4f}"


def _spread(points: Sequence[RunPoint]) -> list[RunPoint]:
    """Return some of the points, evenly, the last one among them."""
    count = min(_ROWS, len(points))
    return [points[(number + 1) * len(points) // count - 1] for number in range(count)]


def _figures(point: RunPoint, names: Sequence[str]) -> list[str]:
    return [f"{point.figures[name]:.4g}" if name in point.figures else "" for name in names]


def _row(point: RunPoint) -> tuple[str, ...]:
    return (
        f"{point.step:,}",
        f"{point.loss:.4f}",
        "" if point.validation is None else f"{point.validation:.4f}",
        f"{point.learning_rate:.2g}",
        f"{point.gradient_norm:.3g}",
        f"{point.tokens_per_second:,.0f}",
        "" if point.mfu is None else f"{point.mfu:.1%}",
    )
