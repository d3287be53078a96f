"""`ragstone golden`: queries whose answers are known, kept with a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, print_table
from ragstone.cli.session import reached
from ragstone.errors import InvalidArgument

if TYPE_CHECKING:
    from ragstone.schemas.api import GoldenQuery


def golden(
    context: typer.Context,
    dataset: options.DatasetName,
    *,
    queries: Annotated[
        Path | None,
        typer.Option(
            help="Add these: JSONL with _id and text of each query (BEIR layout).",
            show_default=False,
        ),
    ] = None,
    qrels: Annotated[
        Path | None,
        typer.Option(
            help="Their answers: TSV with query-id, corpus-id and score (BEIR layout).",
            show_default=False,
        ),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take all of them away.")] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """List, add or take away a dataset's golden queries: those whose answers are known.

    ragstone evaluate and ragstone reembed measure search with them.

    Example: ragstone golden stones --queries queries.jsonl --qrels qrels.tsv
    """
    if clear and (queries or qrels):
        raise InvalidArgument("--clear", True, "given alone")
    with reached(context, workspace) as ws:
        if clear:
            ws.clear_golden(dataset)
            found: list[GoldenQuery] = []
        elif queries and qrels:
            found = ws.add_golden(dataset, queries, qrels)
        elif queries or qrels:
            missing = "--qrels" if queries else "--queries"
            raise InvalidArgument(missing, None, "given: the two files go together")
        else:
            found = ws.golden(dataset)
    if as_json:
        print_json(found)
        return
    rows = [
        (q.query_id, q.query, ", ".join(f"{d} {g}" for d, g in q.documents.items())) for q in found
    ]
    print_table(("id", "query", "answered by, and how well"), rows, "No golden queries.")
