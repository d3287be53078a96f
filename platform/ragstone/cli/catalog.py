"""What is there: datasets, versions, items, single things by id, quarantine; and deleting."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ragstone.cli import options
from ragstone.cli.details import show_detail
from ragstone.cli.output import plural, print_json, print_table, say, styled
from ragstone.cli.session import reached
from ragstone.errors import InvalidArgument
from ragstone.schemas.synthetic import Synthetic

ID_SHOWN = 12  # characters of an id in tables; 8 are enough to name a thing


def datasets(
    context: typer.Context,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """List the datasets with their newest versions.

    Example: ragstone datasets
    """
    with reached(context, workspace) as ws:
        found = ws.datasets()
    if as_json:
        print_json(found)
        return
    rows = [(d.name, d.version, d.items, d.chunks, d.changed) for d in found]
    print_table(
        *_beside(
            ("dataset", "version", "items", "chunks", "changed (UTC)"),
            rows,
            "synthetic",
            [d.synthetic for d in found],
        ),
        "No datasets yet. Make one with: ragstone ingest FOLDER --dataset NAME",
    )


def _beside(
    columns: Sequence[str], rows: Sequence[tuple[Any, ...]], name: str, values: Sequence[Any]
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return a table with one more column before its last one, where there is a value for it."""
    if not any(values):
        return [*columns], [*rows]
    wider = [(*row[:-1], value, row[-1]) for row, value in zip(rows, values, strict=True)]
    return [*columns[:-1], name, columns[-1]], wider


def log(
    context: typer.Context,
    dataset: options.DatasetName,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """List the versions of a dataset, newest first.

    Example: ragstone log stones
    """
    with reached(context, workspace) as ws:
        found = ws.log(dataset)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            v.version,
            v.created,
            v.items,
            v.chunks,
            f"+{v.added} -{v.removed}",
            v.digest[:12],
            v.message,
        )
        for v in found
    ]
    columns = ("version", "made (UTC)", "items", "chunks", "changed", "digest", "message")
    print_table(
        *_beside(columns, rows, "synthetic", [v.synthetic for v in found]), "No versions yet."
    )


def items(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="DATASET or DATASET@VERSION.")],
    *,
    offset: Annotated[int, typer.Option(help="Leave out so many at the beginning.")] = 0,
    limit: Annotated[int, typer.Option(help="List at most so many.")] = 50,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """List the items of a dataset, in the order they came.

    Example: ragstone items stones@1 --limit 20
    """
    with reached(context, workspace) as ws:
        found = ws.items(dataset, offset=offset, limit=limit)
    if as_json:
        print_json(found)
        return
    rows = [
        (i.item_id[:ID_SHOWN], i.name, i.title, i.media_type, i.size, i.chunks, i.added)
        for i in found
    ]
    columns = ("item", "name", "title", "type", "bytes", "chunks", "since version")
    print_table(*_beside(columns, rows, "made by", [i.synthetic for i in found]), "No items here.")


def facets(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="DATASET or DATASET@VERSION.")],
    *,
    field: options.Fields = None,
    where: options.Where = None,
    limit: Annotated[int, typer.Option(help="Values of a field, the most frequent first.")] = 20,
    synthetic: options.Synthetic = False,
    only_synthetic: options.OnlySynthetic = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Show how items spread over the values of a field: labels, languages, sizes.

    Example: ragstone facets photos --field label --where "quality.blur>100"
    """
    with reached(context, workspace) as ws:
        wanted: Synthetic = "only" if only_synthetic else synthetic
        found = ws.facets(dataset, field or [], where=where or [], limit=limit, synthetic=wanted)
    if as_json:
        print_json(found)
        return
    for facet in found:
        values = [(v.value, v.items) for v in facet.values]
        bins = [(f"{b.low:g} to {b.high:g}", b.items) for b in facet.bins]
        missing = [("(without it)", facet.missing)] if facet.missing else []
        rows = [*values, *bins, *missing]
        print_table((facet.field, "items"), rows, f"No items here have {facet.field}.")
        if facet.others:
            say(f" and {plural(facet.others, 'more value')}")


def show(
    context: typer.Context,
    id: Annotated[  # noqa: A002 - the name people see
        str,
        typer.Argument(
            metavar="ID", help="Id of an item, chunk or answer, or its first 8 characters."
        ),
    ],
    *,
    original: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the bytes that the item came as to this file; `-` is the output.",
            show_default=False,
        ),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a small picture of an image (WebP), or the waveform of a recording (PNG).",
            show_default=False,
        ),
    ] = None,
    around: Annotated[
        int, typer.Option(help="With a chunk, show so many before and after it.")
    ] = 0,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Show an item, a chunk or an answer with all that is known about it.

    Example: ragstone show 3f9a2c41
    """
    with reached(context, workspace) as ws:
        wanted = [(original, ws.original), (preview, ws.preview)]
        for target, method in wanted:
            if target is not None:
                _write(target, method(id).content)
        if original is not None or preview is not None:
            return
        found = ws.show(id, around=around)
    if as_json:
        print_json(found)
    else:
        show_detail(found)


def _write(target: Path, content: bytes) -> None:
    if str(target) == "-":
        sys.stdout.buffer.write(content)
        return
    try:
        target.write_bytes(content)
    except OSError as error:
        expected = f"a file that can be written ({error.strerror})"
        raise InvalidArgument("file", str(target), expected) from error


def delete(
    context: typer.Context,
    dataset: options.DatasetName,
    items: Annotated[
        list[str],
        typer.Argument(metavar="ITEM...", help="Ids of items, or their first 8 characters."),
    ],
    *,
    message: options.Message = "",
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Make a version without some items. Older versions keep them.

    Example: ragstone delete stones 3f9a2c41 --message "wrong edition"
    """
    with reached(context, workspace) as ws:
        made = ws.delete(dataset, items, message=message)
    if as_json:
        print_json(made)
    else:
        name = styled(f"{made.dataset}@{made.version}", "bold green")
        say(name + styled(f"  {plural(made.removed, 'item')} removed, {made.items:,} left"))


def quarantine_list(
    context: typer.Context,
    dataset: Annotated[
        str | None,
        typer.Argument(metavar="[DATASET]", help="Only of this dataset.", show_default=False),
    ] = None,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """List the inputs that could not become items, with the reason and what to do.

    Example: ragstone quarantine list stones
    """
    with reached(context, workspace) as ws:
        found = ws.quarantine(dataset)
    if as_json:
        print_json(found)
        return
    if not found:
        say("Nothing is in quarantine.")
    for entry in found:
        place = f"  ({entry.dataset}, {entry.stage}, {entry.id})"
        say(
            styled(entry.source, "bold") + styled(place, "dim"),
            styled(f"    {entry.reason} [{entry.code}]"),
            styled(f"    {entry.hint}", "dim"),
        )
