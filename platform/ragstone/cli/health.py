"""`ragstone evaluate` and `ragstone doctor`: does it find well, and is everything in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, print_table, say, styled
from ragstone.cli.session import reached
from ragstone.errors import InvalidArgument
from ragstone.schemas.api import DoctorReport, Finding, Mode

MEASURES = ("ndcg@10", "recall@100", "mrr@10")


def evaluate_retrieval(
    context: typer.Context,
    dataset: options.DatasetName,
    *,
    queries: Annotated[
        Path | None,
        typer.Option(
            help="JSONL with _id and text of each query (BEIR layout).",
            show_default="the golden queries of the dataset",
        ),
    ] = None,
    qrels: Annotated[
        Path | None,
        typer.Option(
            help="TSV with query-id, corpus-id and score (BEIR layout).", show_default=False
        ),
    ] = None,
    mode: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<keyword|vector|hybrid>",
            help="Mode to measure; may be given more than once.",
            show_default="all three",
        ),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Measure search against judged queries: nDCG@10, recall@100 and MRR@10 per mode.

    Items are ranked by their best chunk, and named as the ingested rows or files were. Without
    files, the golden queries of the dataset are used.

    Example: ragstone evaluate retrieval scifact --queries queries.jsonl --qrels test.tsv
    """
    modes = [_known(name) for name in mode or get_args(Mode)]
    with reached(context, workspace) as ws:
        result = ws.evaluate_retrieval(dataset, queries, qrels, modes=modes)
    if as_json:
        print_json(result)
        return
    say(styled(f"{result.dataset}@{result.version}, judged queries: {result.queries:,}", "dim"))
    rows = [
        (name, *(found[measure] for measure in MEASURES)) for name, found in result.modes.items()
    ]
    print_table(("mode", *MEASURES), rows, "No modes.")


def _known(name: str) -> Mode:
    for mode in get_args(Mode):
        if mode == name:
            return cast("Mode", mode)
    raise InvalidArgument("mode", name, "one of " + ", ".join(get_args(Mode)))


def doctor(
    context: typer.Context,
    *,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make the catalog and the indexes anew first.")
    ] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Check that every file is as promised; the exit status is 1 when one is not.

    Example: ragstone doctor --rebuild
    """
    with reached(context, workspace) as ws:
        report = ws.doctor(rebuild=rebuild)
    if as_json:
        print_json(report)
    else:
        _show(report)
    if not report.healthy:
        raise typer.Exit(1)


def _show(report: DoctorReport) -> None:
    print_table(("checked", "how many"), list(report.checks.items()), "Nothing to check.")
    for made in report.rebuilt:
        say(styled(f"made anew: {made}", "green"))
    for finding in report.findings:
        _show_finding(finding)
    if report.healthy:
        say(styled("Everything is as it should be.", "bold green"))


def _show_finding(finding: Finding) -> None:
    say(
        styled(f"{finding.check}: ", "bold red") + styled(f"{finding.where}: {finding.problem}"),
        styled(f"    {finding.remedy}", "dim"),
    )
