"""`ragstone bias`: how even a version is, and what a model makes of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, print_table, say, styled
from ragstone.cli.session import reached

if TYPE_CHECKING:
    from ragstone.schemas.models import BiasReport, Spread

_SHOWN = 20  # values of a field


def bias(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="DATASET or DATASET@VERSION.")],
    *,
    field: options.Fields = None,
    model: Annotated[
        str,
        typer.Option(help="A model of images, to look at what it makes.", show_default=False),
    ] = "",
    samples: Annotated[int, typer.Option(min=1, help="That it makes, to be looked at.")] = 1_000,
    extractor: Annotated[
        str,
        typer.Option(
            help="Classifier that looks at them.", show_default="the newest of the same dataset"
        ),
    ] = "",
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Show how even a version is over labels and metadata, and what a model makes of that.

    What models made is left out of the version.

    Example: ragstone bias digits --field label --model digits-vae
    """
    with reached(context, workspace) as ws:
        found = ws.bias(dataset, field or (), model=model, samples=samples, extractor=extractor)
    if as_json:
        print_json(found)
        return
    for spread in found.spreads:
        _show_spread(spread)
    if found.labels:
        _show_labels(found)
    for note in found.notes:
        say(styled(note, "yellow"))


def _show_spread(spread: Spread) -> None:
    rows = [(one.value, one.items) for one in spread.values[:_SHOWN]]
    rows += [(f"{one.low:g} to {one.high:g}", one.items) for one in spread.bins]
    left = len(spread.values) - _SHOWN + spread.others
    rows += [("(other values)", left)] if left > 0 else []
    rows += [("(without it)", spread.missing)] if spread.missing else []
    print_table((spread.field, "items"), rows, f"No items here have {spread.field}.")
    say(
        styled(
            f" evenness {spread.evenness:.3f}, the most frequent {spread.imbalance:.1f} times the "
            "rarest",
            "dim",
        )
    )


def _show_labels(found: BiasReport) -> None:
    rows = [
        (
            one.label,
            f"{one.data:.1%}",
            f"{one.made:.1%}",
            "" if one.right is None else f"{one.right:.1%}",
            "" if one.interval is None else f"{one.interval[0]:.1%} to {one.interval[1]:.1%}",
        )
        for one in found.labels
    ]
    columns = ("label", "of the data", f"made by {found.model}", "right when asked for", "95 %")
    print_table(columns, rows, "")
    say(f" apart by {found.distance:.3f}, as {found.extractor} sees {found.samples:,} samples")
