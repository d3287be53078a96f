"""`ragstone tune`: how the arms of hybrid search are weighed best in a dataset."""

from __future__ import annotations

from typing import Annotated

import typer

from ragstone.cli import options
from ragstone.cli.evaluations import show_tuning
from ragstone.cli.output import print_json
from ragstone.cli.session import reached


def tune(
    context: typer.Context,
    dataset: options.DatasetName,
    *,
    queries: options.Queries = None,
    qrels: options.Qrels = None,
    reranker: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Try this reranker as well: all-MiniLM-L6-v2, the default encoder, a hub name "
            "already on this machine, or a path.",
            show_default=False,
        ),
    ] = "",
    message: options.Message = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report.")] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Learn from judged queries how hybrid search weighs words and meaning best.

    A better way than the present one is stored with the dataset as a new version that has the same
    items. Without files, the golden queries of the dataset are used.

    Example: ragstone tune stones --queries queries.jsonl --qrels qrels.tsv
    """
    with reached(context, workspace) as ws:
        report = ws.tune(
            dataset, queries, qrels, reranker=reranker, message=message, dry_run=dry_run
        )
    if as_json:
        print_json(report)
    else:
        show_tuning(report)
