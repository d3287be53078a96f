"""`ragstone quarantine show`, `retry` and `drop`, and `ragstone sync`: inputs once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.boundary import QUARANTINED
from ragstone.cli.ingest import show_result
from ragstone.cli.output import plural, print_json, print_table, say
from ragstone.cli.progress import interruptible, reporting
from ragstone.cli.session import reached
from ragstone.errors import UnknownId

if TYPE_CHECKING:
    from collections.abc import Callable

    from ragstone.client import Client
    from ragstone.schemas.api import IngestProgress, IngestResult, JobInfo
    from ragstone.workspace import Workspace

Entries = Annotated[
    list[str],
    typer.Argument(metavar="ENTRY...", help="Ids of entries, or their first 8 characters."),
]


def show(
    context: typer.Context,
    entry: Annotated[
        str, typer.Argument(metavar="ENTRY", help="Id of an entry, or its first 8 characters.")
    ],
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Show an input that could not become an item: where it is from, why, and what to do.

    Example: ragstone quarantine show 01M8630BABN3
    """
    with reached(context, workspace) as ws:
        found = [one for one in ws.quarantine() if one.id.startswith(entry.upper())]
    if len(found) != 1 or len(entry) < options.SHORTEST:
        raise UnknownId(entry, "entry in the quarantine")
    if as_json:
        print_json(found[0])
        return
    one = found[0]
    rows = [
        ("input", one.source),
        ("dataset", one.dataset),
        ("stage", one.stage),
        ("reason", f"{one.reason} [{one.code}]"),
        ("what to do", one.hint),
        ("bytes", f"{one.size:,}"),
        ("kept as", f"quarantine/{one.item_id[:2]}/{one.item_id[2:4]}/{one.item_id}"),
        ("since (UTC)", one.created),
    ]
    print_table(("", one.id), rows, "")


def retry(
    context: typer.Context,
    dataset: options.DatasetName,
    entries: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ENTRY...]", help="Only what these came with; all if not given."),
    ] = None,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Read again the places that inputs in quarantine came from, as one new version.

    What has become an item leaves the quarantine.

    Example: ragstone quarantine retry stones
    """
    chosen = entries or []
    with reached(context, workspace) as ws:
        result = _waited(
            ws,
            lambda heard: ws.retry_quarantined(dataset, chosen, on_progress=heard),
            lambda: ws.submit_quarantined(dataset, chosen),
            as_json=as_json,
        )
    _end(result, as_json=as_json)


def drop(
    context: typer.Context,
    dataset: options.DatasetName,
    entries: Entries,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Take inputs out of the quarantine for good, with the bytes that were kept of them.

    Example: ragstone quarantine drop stones 01M8630BABN3
    """
    with reached(context, workspace) as ws:
        gone = ws.drop_quarantined(dataset, entries)
    if as_json:
        print_json(gone)
    else:
        say(f"{plural(len(gone), 'input')} dropped.")


def sync(
    context: typer.Context,
    dataset: options.DatasetName,
    *,
    message: options.Message = "",
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Read everything again that was ever ingested into a dataset, as one new version.

    What is new or has changed comes in; what its places have no longer goes.

    Example: ragstone sync stones
    """
    with reached(context, workspace) as ws:
        result = _waited(
            ws,
            lambda heard: ws.sync(dataset, message=message, on_progress=heard),
            lambda: ws.submit_sync(dataset, message=message),
            as_json=as_json,
        )
    _end(result, as_json=as_json)


def _waited(
    ws: Workspace | Client,
    run: Callable[[Callable[[IngestProgress], None] | None], IngestResult],
    submit: Callable[[], JobInfo],
    *,
    as_json: bool,
) -> IngestResult:
    """Run a job here, or have the server do it, and show how far it is."""
    import ragstone

    if isinstance(ws, ragstone.Workspace):
        with interruptible(None, as_json=as_json), reporting(as_json=as_json) as reporter:
            return run(reporter)
    job = submit().job
    with interruptible(job, as_json=as_json), reporting(as_json=as_json) as reporter:
        return ws.ingested(job, reporter)


def _end(result: IngestResult, *, as_json: bool) -> None:
    if as_json:
        print_json(result)
    else:
        show_result(result)
    if result.items.quarantined:
        raise typer.Exit(QUARANTINED)
