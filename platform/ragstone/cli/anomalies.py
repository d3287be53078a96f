"""`ragstone anomalies`: the images of a version that are the oddest to a model."""

from __future__ import annotations

from typing import Annotated

import typer

from ragstone.cli import options
from ragstone.cli.models import Model
from ragstone.cli.output import print_json, print_table
from ragstone.cli.session import reached

_SHOWN = 12  # characters of an id


def anomalies(
    context: typer.Context,
    dataset: options.DatasetName,
    model: Model,
    *,
    limit: Annotated[int, typer.Option(min=1, help="Images that are shown.")] = 20,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Show the images of a version that are the oddest to a model, the oddest first.

    An autoencoder tells by how badly an image comes back, a model with likelihoods by how unlikely
    it is, a classifier by how little it looks like any label.

    Example: ragstone anomalies photos photos-ae
    """
    with reached(context, workspace) as ws:
        found = ws.anomalies(dataset, model, limit=limit)
    if as_json:
        print_json(found)
        return
    rows = [
        (one.item_id[:_SHOWN], f"{one.score:.4g}", f"{one.deviations:+.1f}", one.source)
        for one in found
    ]
    print_table(("item", "score", "deviations", "source"), rows, "No images.")
