"""`ragstone init` and `ragstone ingest`: a place for data, and data into it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragstone.cli import options
from ragstone.cli.boundary import QUARANTINED
from ragstone.cli.output import clean, console, plural, print_json, say, styled
from ragstone.cli.progress import reporting
from ragstone.cli.session import CONFIG_FILE, DEFAULT_NAME, opened
from ragstone.schemas.api import IngestResult

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
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="Files and folders.")],
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="Dataset; made if there is none of the name.")
    ],
    *,
    message: options.Message = "",
    text: Annotated[
        str,
        typer.Option(
            help="For tables (JSONL, CSV, Parquet): the columns that hold the text, in order, "
            "with commas between them. Without it, each table is one document."
        ),
    ] = "",
    id_column: Annotated[
        str | None,
        typer.Option("--id", help="For tables: the column that names a row.", show_default=False),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Read files and folders into a new version of a dataset.

    What has not changed since the last time costs a look at its bytes. Exact copies are kept once.
    What cannot be read goes to quarantine with the reason, and the exit status is 3.

    Example: ragstone ingest reports/ --dataset reports --message "reports of May"
    """
    columns = tuple(name.strip() for name in text.split(",") if name.strip())
    with opened(context, workspace) as ws, reporting(as_json=as_json) as reporter:
        result = ws.ingest(
            sources, dataset, message=message, text=columns, id=id_column, on_progress=reporter
        )
    if as_json:
        print_json(result)
    else:
        show_result(result)
    if result.items.quarantined:
        raise typer.Exit(QUARANTINED)


def show_result(result: IngestResult) -> None:
    """Print the end of a job for people, with the first of the inputs that were refused."""
    counts = result.items
    named = {
        "added": counts.added,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "duplicate": counts.duplicate,
        "quarantined": counts.quarantined,
    }
    what = ", ".join(f"{count:,} {name}" for name, count in named.items() if count)
    say(
        styled(f"{result.dataset}@{result.version}", "bold green")
        + styled(f"  {what or 'nothing to do'}")
        + styled(f"; {plural(result.chunks, 'chunk')} written in {result.seconds:.1f} s")
    )
    if not result.quarantine:
        return
    out = console(stderr=True)
    out.print(styled(f"{plural(len(result.quarantine), 'input')} in quarantine:", "yellow"))
    for entry in result.quarantine[:SHOWN]:
        out.print(styled(f"  {entry.source}: {entry.reason}"), soft_wrap=True)
    out.print(f"ragstone quarantine {clean(result.dataset)} shows all of them and what to do.")
