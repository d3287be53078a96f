"""`ragstone init` and `ragstone ingest`: a place for data, and data into it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ragstone.cli import options
from ragstone.cli.boundary import QUARANTINED
from ragstone.cli.output import clean, console, plural, print_json, say, styled
from ragstone.cli.progress import interruptible, reporting
from ragstone.cli.session import CONFIG_FILE, DEFAULT_NAME, reached
from ragstone.schemas.api import IngestResult
from ragstone.text import text_columns

if TYPE_CHECKING:
    from ragstone.client import Client
    from ragstone.workspace import Workspace

SHOWN = 10  # quarantined inputs listed after a job; ragstone quarantine lists all


def init(
    context: typer.Context,
    path: Annotated[
        Path | None,
        typer.Argument(help=f"Folder to make, ./{DEFAULT_NAME} if not given.", show_default=False),
    ] = None,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Make a workspace: one folder that will hold all data.

    Example: ragstone init library
    """
    import ragstone

    folder = path or workspace or context.find_root().obj or Path(DEFAULT_NAME)
    existed = (folder / CONFIG_FILE).is_file()
    with ragstone.open(folder, create=True) as made:
        where = made.path.resolve()
    if as_json:
        print_json({"workspace": str(where), "created": not existed})
    elif existed:
        say(f"There is a workspace at {clean(str(where))} already; nothing was changed.")
    else:
        say(f"Made a workspace at {clean(str(where))}")
        say("Next: ragstone ingest FOLDER --dataset NAME" + _option(folder))


def _option(folder: Path) -> str:
    return "" if folder == Path(DEFAULT_NAME) else f" --workspace {clean(str(folder))}"


def ingest(
    context: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Files, folders and archives; or addresses: https://…, sitemap:https://…, s3://…, "
            "sqlite:///…, postgresql://…, dataset:NAME@VERSION.",
        ),
    ],
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="Dataset; made if there is none of the name.")
    ],
    *,
    message: options.Message = "",
    text: Annotated[
        str,
        typer.Option(
            help="For tables (JSONL, CSV, Parquet, databases): the columns that hold the text, in "
            "order, with commas between them, or a template such as '{title}: {body}'. Without it, "
            "each table is one document."
        ),
    ] = "",
    id_column: Annotated[
        str | None,
        typer.Option("--id", help="For tables: the column that names a row.", show_default=False),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Only paths below a source that fit, such as '**/*.md'. May be given more than "
            "once.",
            show_default=False,
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Not the paths that fit. May be given more than once.",
            show_default=False,
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Follow symbolic links out of a folder.")
    ] = False,
    captions: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE",
            help="For images and recordings: a table with a column of file names, and captions and "
            "metadata in the others.",
            show_default=False,
        ),
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="For databases: what to read.", show_default=False)
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="For databases: the table to read.", show_default=False)
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="For databases: the column that names a row.", show_default=False),
    ] = None,
    cursor: Annotated[
        str | None,
        typer.Option(
            help="For databases: a column that only ever grows, to read only what is new.",
            show_default=False,
        ),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Read files, folders, archives, databases or web pages into a new version of a dataset.

    What has not changed since the last time costs a look at its bytes. Exact copies are kept once.
    What cannot be read goes to quarantine with the reason, and the exit status is 3.

    Example: ragstone ingest reports/ --dataset reports --message "reports of May"
    """
    given = {
        "include": include,
        "exclude": exclude,
        "follow": follow,
        "captions": captions and str(Path(captions).expanduser().absolute()),
        "query": query,
        "table": table,
        "key": key,
        "cursor": cursor,
    }
    wanted = Wanted(
        sources,
        dataset,
        message,
        text_columns(text),
        id_column,
        {name: value for name, value in given.items() if value},
    )
    with reached(context, workspace) as ws:
        result = _ingested(ws, wanted, as_json=as_json)
    if as_json:
        print_json(result)
    else:
        show_result(result)
    if result.items.quarantined:
        raise typer.Exit(QUARANTINED)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be taken in, and how."""

    sources: list[str]
    dataset: str
    message: str
    text: tuple[str, ...]
    name: str | None
    options: dict[str, Any]


def _ingested(ws: Workspace | Client, wanted: Wanted, *, as_json: bool) -> IngestResult:
    import ragstone

    given: dict[str, Any] = {
        "message": wanted.message,
        "text": wanted.text,
        "id": wanted.name,
        "options": wanted.options,
    }
    if isinstance(ws, ragstone.Workspace):
        with interruptible(None, as_json=as_json), reporting(as_json=as_json) as reporter:
            return ws.ingest(wanted.sources, wanted.dataset, **given, on_progress=reporter)
    job = ws.submit(wanted.sources, wanted.dataset, **given).job
    with interruptible(job, as_json=as_json), reporting(as_json=as_json) as reporter:
        return ws.ingested(job, reporter)


def show_result(result: IngestResult) -> None:
    """Print the end of a job for people, with the first of the inputs that were refused."""
    counts = result.items
    named = {
        "added": counts.added,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "duplicate": counts.duplicate,
        "quarantined": counts.quarantined,
        "removed": counts.removed,
    }
    what = ", ".join(f"{count:,} {name}" for name, count in named.items() if count)
    say(
        styled(f"{result.dataset}@{result.version}", "bold green")
        + styled(f"  {what or 'nothing to do'}")
        + styled(f"; {plural(result.chunks, 'chunk')} written in {result.seconds:.1f} s")
    )
    found = result.duplicates
    if found.pairs:
        counted = f"{plural(found.pairs, 'new pair')} of duplicates, {found.hidden:,} hidden"
        say(f"{counted}: ragstone dedup report {clean(result.dataset)}")
    if not result.quarantine:
        return
    out = console(stderr=True)
    out.print(styled(f"{plural(len(result.quarantine), 'input')} in quarantine:", "yellow"))
    for entry in result.quarantine[:SHOWN]:
        out.print(styled(f"  {entry.source}: {entry.reason}"), soft_wrap=True)
    out.print(f"ragstone quarantine list {clean(result.dataset)} shows all of them and what to do.")
