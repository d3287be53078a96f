"""`ragstone bench`: how fast this machine searches a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import plural, print_json, print_table, say, styled
from ragstone.cli.session import reached

if TYPE_CHECKING:
    from ragstone.schemas.api import SpeedReport


def bench(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="DATASET or DATASET@VERSION.")],
    *,
    queries: Annotated[int, typer.Option(help="Searches that each figure is made of.")] = 100,
    seed: Annotated[int, typer.Option(help="Draws queries and chunks.")] = 0,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Measure how fast this machine searches a dataset; nothing is changed.

    Asked are the golden queries of the dataset, when it has some, else sentences of its chunks.

    Example: ragstone bench stones --queries 200
    """
    with reached(context, workspace) as ws:
        report = ws.bench(dataset, queries=queries, seed=seed)
    if as_json:
        print_json(report)
    else:
        _show(report)


def _show(report: SpeedReport) -> None:
    origin = "golden queries" if report.origin == "golden" else "sentences of its chunks"
    say(
        styled(
            f"{report.dataset}@{report.version}: {plural(report.items, 'item')}, "
            f"{plural(report.chunks, 'chunk')} of {report.bytes_per_chunk:,.0f} bytes on disk; "
            f"{report.encoder}, {plural(report.cores, 'core')}; "
            f"asked: {report.queries:,} {origin}",
            "dim",
        )
    )
    timed = [("query encoding", report.encoding)]
    timed += [(_name(search.mode, search.where), search.timing) for search in report.searches]
    rows = [(what, f"{t.p50_ms:,.2f}", f"{t.p95_ms:,.2f}", t.runs) for what, t in timed]
    print_table(("", "p50 ms", "p95 ms", "runs"), rows, "Nothing was measured.")
    figures = [("indexes opened, ms", f"{report.open_ms:,.1f}")]
    figures += [
        (f"new hybrid queries per second, {plural(t.threads, 'thread')}", f"{t.per_second:,.1f}")
        for t in report.throughput
    ]
    encoded = f"chunks encoded per second (sample of {report.encoded:,})"
    figures.append((encoded, f"{report.encoded_per_second:,.1f}"))
    print_table(("", "figure"), figures, "Nothing was measured.")


def _name(mode: str, where: list[str]) -> str:
    return " ".join([f"{mode} search", *(f"where {condition}" for condition in where)])
