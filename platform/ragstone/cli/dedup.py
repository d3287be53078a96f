"""`ragstone dedup`: what is there twice, what of it is hidden, and how to decide otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import plural, print_json, print_table, say, styled
from ragstone.cli.session import reached
from ragstone.errors import InvalidArgument
from ragstone.schemas.api import CalibrationReport, DuplicateGroup, DuplicateReport

Versioned = Annotated[str, typer.Argument(metavar="DATASET", help="DATASET or DATASET@VERSION.")]
_ID_SHOWN = 12


def report(
    context: typer.Context,
    dataset: Versioned,
    *,
    offset: Annotated[int, typer.Option(help="Leave out so many groups at the beginning.")] = 0,
    limit: Annotated[int, typer.Option(help="List at most so many groups.")] = 20,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Say what is there twice, by kind, and list the groups, the largest first.

    Example: ragstone dedup report photos
    """
    with reached(context, workspace) as ws:
        found = ws.duplicates(dataset, limit=limit, offset=offset)
    if as_json:
        print_json(found)
    else:
        _show_report(found)


def show(
    context: typer.Context,
    dataset: Versioned,
    group: Annotated[str, typer.Argument(metavar="GROUP", help="Name of the group.")],
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Show one group: its items, which one is kept, and each comparison that connects them.

    Example: ragstone dedup show photos image-3f9a2c41d0b7e655
    """
    with reached(context, workspace) as ws:
        found = ws.duplicate_group(dataset, group)
    if as_json:
        print_json(found)
    else:
        _show_group(found)


def policy(
    context: typer.Context,
    dataset: options.DatasetName,
    *,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND=WAY",
            help="What is kept of the duplicates of a kind (exact, text, image, audio, semantic): "
            "the first by name, the best, the newest, or all. May be given more than once.",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND=DISTANCE",
            help="Up to which distance two items are duplicates, from 0 to 1. May be given more "
            "than once.",
            show_default=False,
        ),
    ] = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Show everything, but for the kinds that are named.")
    ] = False,
    message: options.Message = "",
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Show which duplicates are hidden, or decide anew: a new version, and nothing is read again.

    Example: ragstone dedup policy photos --keep image=best --threshold text=0.3
    """
    ways = _pairs("keep", keep or [])
    distances = {kind: _number(kind, value) for kind, value in _pairs("threshold", threshold or [])}
    with reached(context, workspace) as ws:
        if ways or distances or undo:
            found = ws.set_duplicate_policy(
                dataset, keep=dict(ways), thresholds=distances, undo=undo, message=message
            )
        else:
            found = ws.duplicates(dataset, limit=1)
    if as_json:
        print_json(found)
    else:
        _show_policy(found)


def calibrate(
    context: typer.Context,
    dataset: Versioned,
    *,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="CSV with text_a, text_b and label (1: the same meaning).",
            show_default="duplicates that were found, and the nearest other items",
        ),
    ] = None,
    precision: Annotated[
        float, typer.Option(help="That the proposed threshold must reach.")
    ] = 0.95,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Measure how near two vectors have to be to mean the same, and propose a threshold.

    Example: ragstone dedup calibrate reviews --pairs labelled.csv
    """
    with reached(context, workspace) as ws:
        found = ws.calibrate_duplicates(dataset, pairs=pairs, precision=precision)
    if as_json:
        print_json(found)
    else:
        _show_calibration(found)


def _pairs(name: str, given: list[str]) -> list[tuple[str, str]]:
    option = f"--{name}"
    for one in given:
        if "=" not in one:
            raise InvalidArgument(option, one, "KIND=VALUE, such as text=first")
    return [(kind.strip(), value.strip()) for kind, _, value in (o.partition("=") for o in given)]


def _number(kind: str, value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        name = f"threshold of {kind}"
        raise InvalidArgument(name, value, "a number from 0 to 1") from error


# ---------------------------------------------------------------- for people


def _show_report(found: DuplicateReport) -> None:
    name = f"{found.dataset}@{found.version}"
    if not found.kinds:
        say(styled(f"Nothing is there twice in {name}."))
        return
    rows = [(k.kind, k.groups, k.items, k.hidden, k.saved) for k in found.kinds]
    print_table(("kind", "groups", "items", "hidden", "bytes of these"), rows, "")
    listed = [
        (g.group, len(g.members), g.hidden, ", ".join(m.name for m in g.members[:3]))
        for g in found.groups
    ]
    print_table(("group", "items", "hidden", "the first of them"), listed, "No more groups.")


def _show_group(found: DuplicateGroup) -> None:
    say(styled(found.group, "bold") + styled(f"  {plural(found.hidden, 'item')} hidden", "dim"))
    rows = [
        (m.item_id[:_ID_SHOWN], m.name, m.size, "kept" if m.visible else "hidden",
         "" if m.distance is None else m.distance)
        for m in found.members
    ]  # fmt: skip
    print_table(("item", "name", "bytes", "is", "distance to the kept one"), rows, "")
    for pair in found.pairs:
        evidence = ", ".join(f"{name} {value}" for name, value in pair.evidence.items())
        ends = f"{pair.first[:_ID_SHOWN]} ~ {pair.second[:_ID_SHOWN]}"
        say(styled(f"  {ends}  {pair.distance:.4f}  {evidence}", "dim"))


def _show_policy(found: DuplicateReport) -> None:
    say(styled(f"{found.dataset}@{found.version}", "bold green"))
    hidden = {kind.kind: kind.hidden for kind in found.kinds}
    rows = [
        (kind, rule["keep"], float(rule["threshold"]), hidden.get(kind, 0))
        for kind, rule in found.policy.items()
    ]
    print_table(("kind", "keeps", "up to distance", "hidden"), rows, "")


def _show_calibration(found: CalibrationReport) -> None:
    counted = f"{plural(found.pairs, 'pair')}, {found.duplicates:,} of them duplicates"
    say(styled(f"{found.dataset}@{found.version}, {found.space}: {counted}", "dim"))
    rows = [(t.distance, t.called, t.precision, t.recall) for t in found.thresholds]
    print_table(("distance", "called duplicates", "precision", "recall"), rows, "")
    if found.proposed is None:
        say(f"No threshold reaches a precision of {found.precision:g}.")
        return
    rule = f"--keep semantic=first --threshold semantic={found.proposed:g}"
    say(f"Proposed: ragstone dedup policy {found.dataset} {rule}")
