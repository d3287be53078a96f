"""`ragstone reembed`: the vectors of another encoder, compared and switched in one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import plural, print_json, print_table, say, styled
from ragstone.cli.progress import interruptible, reporting
from ragstone.cli.session import reached

if TYPE_CHECKING:
    from ragstone.client import Client
    from ragstone.schemas.api import ReembedResult, SpaceComparison
    from ragstone.workspace import Workspace

MEASURES = ("ndcg@10", "recall@10")


def reembed(
    context: typer.Context,
    dataset: options.DatasetName,
    encoder: Annotated[
        str,
        typer.Option(
            help="The new encoder: a folder, a name in the local hub cache, or model:NAME."
        ),
    ],
    *,
    message: options.Message = "",
    if_better: Annotated[
        bool,
        typer.Option(
            "--if-better",
            help="Switch only when hybrid search has no lower nDCG@10 on the golden queries.",
        ),
    ] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Give every chunk of a dataset a vector of another encoder, as one new version.

    Searches go on with the old vectors until then. Both are compared on the dataset's golden
    queries, when it has some. The same command goes on with what was cut off.

    Example: ragstone reembed stones --encoder models/my-encoder
    """
    with reached(context, workspace) as ws:
        result = _reembedded(ws, dataset, encoder, message, if_better=if_better, as_json=as_json)
    if as_json:
        print_json(result)
    else:
        show_reembedded(result)


def _reembedded(
    ws: Workspace | Client,
    dataset: str,
    encoder: str,
    message: str,
    *,
    if_better: bool,
    as_json: bool,
) -> ReembedResult:
    import ragstone

    if isinstance(ws, ragstone.Workspace):
        with interruptible(None, as_json=as_json), reporting(as_json=as_json) as reporter:
            return ws.reembed(
                dataset, encoder, message=message, if_better=if_better, on_progress=reporter
            )
    job = ws.submit_reembed(dataset, encoder, message=message, if_better=if_better).job
    with interruptible(job, as_json=as_json), reporting(as_json=as_json) as reporter:
        return ws.reembedded(job, reporter)


def show_reembedded(result: ReembedResult) -> None:
    """Print the end of a re-embedding for people, with the comparison of the two spaces."""
    name = f"{result.dataset}@{result.version}"
    if result.switched:
        say(styled(name, "bold green") + styled(f"  {summary(result)}"))
    else:
        say(styled(name, "bold yellow") + styled(f"  stays as it is: {summary(result)}"))
    if result.resumed:
        say(styled(f"{plural(result.resumed, 'chunk')} taken over from an earlier try"))
    if result.comparison:
        show_comparison(result.comparison)
    if result.note:
        say(styled(result.note, "yellow"))


def summary(result: ReembedResult) -> str:
    """Say in one line what came of a re-embedding."""
    spaces = f"{result.space_before} → {result.space}"
    chunks = f"{plural(result.chunks, 'chunk')} in {result.seconds:.1f} s"
    return f"{spaces}; {chunks}" if result.switched else f"{spaces} was not switched; {chunks}"


def show_comparison(comparison: SpaceComparison) -> None:
    """Print the measures of both spaces, mode by mode."""
    say(styled(f"golden queries: {comparison.queries:,}", "dim"))
    rows = [
        (mode, quality.space, *(means[measure] for measure in MEASURES))
        for mode in comparison.after.modes
        for quality in (comparison.before, comparison.after)
        if (means := quality.modes.get(mode))
    ]
    print_table(("mode", "space", *MEASURES), rows, "Nothing was measured.")
