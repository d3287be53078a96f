"""`ragstone doctor`: is everything in its place."""

from __future__ import annotations

from typing import Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, print_table, say, styled
from ragstone.cli.session import reached
from ragstone.schemas.api import DoctorReport, Finding


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
