"""`ragstone licences`: what the licences of a dataset, or of what a model learnt from, ask for."""

from __future__ import annotations

from typing import Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, print_table, say, styled
from ragstone.cli.session import reached


def licences(
    context: typer.Context,
    of: Annotated[
        str,
        typer.Argument(
            metavar="OF",
            help="DATASET or DATASET@VERSION; model:NAME for what a model learnt from.",
        ),
    ],
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Count the licences of a dataset, or of what a model learnt from, and name conflicts.

    They are what the metadata of the items say (licence, license), and are read by their names: a
    help for whoever decides, no advice.

    Example: ragstone licences photos
    """
    with reached(context, workspace) as ws:
        found = ws.licences(of)
    if as_json:
        print_json(found)
        return
    rows = [(one.licence, one.items, ", ".join(one.terms)) for one in found.licences]
    rows += [("(none named)", found.missing, "")] if found.missing else []
    rows += [("(made by models)", found.synthetic, "")] if found.synthetic else []
    print_table((f"licence of {found.of}", "items", "asks for"), rows, "No items here.")
    for conflict in found.conflicts:
        say(styled(conflict, "yellow"))
