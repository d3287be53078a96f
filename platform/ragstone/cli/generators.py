"""`ragstone generators`: who can write answers here."""

from __future__ import annotations

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, print_table
from ragstone.cli.session import reached


def generators(
    context: typer.Context,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """List who can write answers here, and why others cannot.

    Models in the local hub cache are listed, and those of the servers that the settings name. The
    one that the settings choose has a star.

    Example: ragstone generators
    """
    with reached(context, workspace) as ws:
        found = ws.generators()
    if as_json:
        print_json(found)
        return
    rows = [
        ("*" if each.chosen else "", each.id, "yes" if each.available else "no", each.note)
        for each in found
    ]
    print_table(("", "generator", "usable", "what it is, or why not"), rows, "No generators.")
