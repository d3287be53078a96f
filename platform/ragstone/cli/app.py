"""The verbs, in the order one meets them, and the options that go before them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragstone import __version__
from ragstone.cli import catalog, demo, find, health, ingest, serving
from ragstone.cli.boundary import CommandLine

_START = "First steps"
_USE = "Find and answer"
_LOOK = "Look and change"
_CARE = "Measure and mend"
_SERVE = "Serve"

app = typer.Typer(
    cls=CommandLine,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
evaluate = typer.Typer(cls=CommandLine, no_args_is_help=True, help="Measure quality.")


def _print_version(*, wanted: bool | None) -> None:
    if wanted:
        typer.echo(f"ragstone {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            "-w",
            envvar="RAGSTONE_WORKSPACE",
            help="Folder of the workspace; may also follow the command. Without it: the nearest "
            "one in or above this folder.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback has done the work
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Ingest documents, version them, search them, and get answers with checked citations.

    Example: ragstone demo
    """
    context.obj = workspace


app.command(rich_help_panel=_START)(demo.demo)
app.command(rich_help_panel=_START)(ingest.init)
app.command(rich_help_panel=_START)(ingest.ingest)
app.command(rich_help_panel=_USE)(find.search)
app.command(rich_help_panel=_USE)(find.ask)
app.command(rich_help_panel=_LOOK)(catalog.datasets)
app.command(rich_help_panel=_LOOK)(catalog.log)
app.command(rich_help_panel=_LOOK)(catalog.items)
app.command(rich_help_panel=_LOOK)(catalog.show)
app.command(rich_help_panel=_LOOK)(catalog.delete)
app.command(rich_help_panel=_LOOK)(catalog.quarantine)
app.add_typer(evaluate, name="evaluate", rich_help_panel=_CARE)
evaluate.command("retrieval")(health.evaluate_retrieval)
app.command(rich_help_panel=_CARE)(health.doctor)
app.command(rich_help_panel=_SERVE)(serving.serve)
app.command(rich_help_panel=_SERVE)(serving.ui)
