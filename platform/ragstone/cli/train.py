"""`ragstone train`: parts of the search, trained on the datasets of a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, say, styled
from ragstone.cli.progress import stepping
from ragstone.cli.session import opened

if TYPE_CHECKING:
    from ragstone.training.reranker_files import TrainedReranker


def reranker(
    context: typer.Context,
    datasets: Annotated[
        list[str],
        typer.Argument(metavar="DATASET...", help="Datasets to learn from, with golden queries."),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder to write; it must be new or empty.")],
    queries: options.Queries = None,
    qrels: options.Qrels = None,
    steps: Annotated[int, typer.Option(min=1, help="Batches to learn from.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the batches and the weights.")] = 0,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Train a reranker on judged queries; without any, on sentences and where they come from.

    It is a small adapter of the default text encoder. The folder can be given as
    retrieval.reranker and to ragstone tune, which tells whether it helps.

    Example: ragstone train reranker stones --out models/stones-reranker
    """
    with opened(context, workspace) as ws, stepping(as_json=as_json) as show:

        def heard(done: int, total: int, loss: float) -> None:
            show(f"loss {loss:.3f}", done, total)

        made = ws.train_reranker(
            datasets, out, queries, qrels, steps=steps, seed=seed, on_progress=heard
        )
    if as_json:
        print_json(made)
    else:
        _show(made)


def _show(made: TrainedReranker) -> None:
    size = f"{made.steps:,} steps, {made.size / 1e6:.1f} MB"
    say(styled(made.folder, "bold green") + styled(f"  {size}, in {made.seconds:,.0f} s"))
    if made.held_out:
        say(
            styled(
                f"mean reciprocal rank on {made.held_out:,} held-out queries: {made.after:.4f} "
                f"({made.before:.4f} before training)"
            )
        )
