"""`ragstone evaluate augmentation`: whether images that a model makes help a classifier."""

from __future__ import annotations

from typing import Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, print_table, say, styled
from ragstone.cli.progress import stepping
from ragstone.cli.session import opened


def augmentation(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="DATASET or DATASET@VERSION.")],
    *,
    model: Annotated[str, typer.Option(help="That makes the images.")],
    label: Annotated[
        str,
        typer.Option(
            help="Field of the metadata to be told.", show_default="what the model was told"
        ),
    ] = "",
    synthetic: Annotated[int, typer.Option(min=1, help="Images that it makes.")] = 1_000,
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each kind.")] = 5,
    share: Annotated[
        list[float] | None,
        typer.Option(
            help="Part of the real images in percent; may be given more than once.",
            show_default="5, 10 and 100",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Of each training.")] = 200,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Train a classifier with and without images that a model makes, and say whether they help.

    Both see what is held out, and neither learns from it. The interval is of the difference, by a
    bootstrap over the seeds.

    Example: ragstone evaluate augmentation digits --model digits-vae --label digit
    """
    with opened(context, workspace) as ws, stepping(as_json=as_json) as show:
        found = ws.evaluate_augmentation(
            dataset,
            model,
            label,
            synthetic=synthetic,
            seeds=seeds,
            shares=share or (5, 10, 100),
            steps=steps,
            on_progress=lambda done, every: show("pairs of trainings", done, every),
        )
    if as_json:
        print_json(found)
        return
    rows = [
        (
            f"{one.share:g} %",
            one.images,
            f"{one.accuracy.before:.1%}",
            f"{one.accuracy.after:.1%}",
            f"{one.accuracy.difference:+.1%}",
            f"{one.accuracy.low:+.1%} to {one.accuracy.high:+.1%}",
        )
        for one in found.shares
    ]
    columns = ("real", "images", "without", "with", "difference", "95 %")
    print_table(columns, rows, "")
    about = f" {found.label} told right of {found.held_out:,} images of {found.data} held out; "
    say(styled(f"{about}{found.synthetic:,} made by {found.model}, {found.seeds} seeds", "dim"))
