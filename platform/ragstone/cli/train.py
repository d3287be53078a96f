"""`ragstone train`: parts of search and answers, trained on judged queries and marked answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, say, styled
from ragstone.cli.progress import stepping
from ragstone.cli.session import opened

if TYPE_CHECKING:
    from ragstone.training.questions import Question
    from ragstone.training.reader_files import TrainedReader
    from ragstone.training.reranker_files import TrainedReranker
    from ragstone.training.verifier_files import TrainedVerifier

Out = Annotated[Path, typer.Option(help="Folder to write; it must be new or empty.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the batches and the weights.")]
Encoder = Annotated[
    str | None,
    typer.Option(
        help="Text encoder to adapt: a folder, or a name in the local hub cache; else the default.",
        show_default=False,
    ),
]
Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="QUESTIONS...",
        help="Files in SQuAD's JSON, or folders with corpus.jsonl and queries.jsonl.",
    ),
]


def reranker(
    context: typer.Context,
    datasets: Annotated[
        list[str],
        typer.Argument(metavar="DATASET...", help="Datasets to learn from, with golden queries."),
    ],
    *,
    out: Out,
    queries: options.Queries = None,
    qrels: options.Qrels = None,
    steps: Annotated[int, typer.Option(min=1, help="Batches to learn from.")] = 400,
    seed: Seed = 0,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Train a reranker on judged queries; without any, on sentences and where they come from.

    It is a small adapter of the default text encoder. The folder can be given as
    retrieval.reranker and to ragstone tune, which tells whether it helps.

    Example: ragstone train reranker stones --out models/stones-reranker
    """
    with opened(context, workspace) as ws, stepping(as_json=as_json) as show:
        made = ws.train_reranker(
            datasets, out, queries, qrels, steps=steps, seed=seed, on_progress=_heard(show)
        )
    if as_json:
        print_json(made)
    else:
        _say_made(made, f"{made.steps:,} steps", _ranks(made))


def reader(
    questions: Files,
    *,
    out: Out,
    epochs: Annotated[float, typer.Option(min=0, help="Passes over the questions.")] = 2.5,
    seed: Seed = 0,
    encoder: Encoder = None,
    as_json: options.Json = False,
) -> None:
    """Train a reader, which finds the answer to a question in a passage, on marked answers.

    Every tenth article is held out to measure it. The folder can be given as generation.reader.

    Example: ragstone train reader train-v2.0.json --out models/own-reader
    """
    from ragstone.encoders.weights import DEFAULT_MODEL
    from ragstone.training.pairs import PairRecipe
    from ragstone.training.questions import source_name
    from ragstone.training.reader import train_reader

    asked, sources = _questions(questions), [source_name(path) for path in questions]
    recipe = PairRecipe(encoder or DEFAULT_MODEL, epochs, seed=seed)
    with stepping(as_json=as_json) as show:
        made = train_reader(asked, out, recipe, sources, _heard(show))
    if as_json:
        print_json(made)
    else:
        figures = (
            f"on {made.held_out:,} held-out questions: F1 {made.f1:.4f}, balanced accuracy of "
            f"telling whether there is an answer {made.balanced_accuracy:.4f}"
        )
        _say_made(made, f"{made.questions:,} questions", figures)


def verifier(
    questions: Files,
    *,
    out: Out,
    claims: Annotated[
        list[Path] | None,
        typer.Option(
            help="JSONL with claim, quote and verdict (supported, contradicted, not enough) in "
            "each line; may be given again.",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[float, typer.Option(min=0, help="Passes over the claims.")] = 1.5,
    seed: Seed = 0,
    encoder: Encoder = None,
    as_json: options.Json = False,
) -> None:
    """Train a verifier, which tells whether a quote supports a claim, on marked answers.

    Claims are made of the questions and their passages. Every tenth article is held out to measure
    it. The folder can be given as generation.verifier.

    Example: ragstone train verifier train-v2.0.json --out models/own-verifier
    """
    from ragstone.encoders.weights import DEFAULT_MODEL
    from ragstone.training.claims import made_claims, read_claims
    from ragstone.training.pairs import PairRecipe
    from ragstone.training.questions import source_name
    from ragstone.training.verifier import train_verifier

    judged = made_claims(_questions(questions), seed)
    judged += [one for path in claims or () for one in read_claims(path)]
    sources = [source_name(path) for path in [*questions, *(claims or ())]]
    recipe = PairRecipe(encoder or DEFAULT_MODEL, epochs, seed=seed)
    with stepping(as_json=as_json) as show:
        made = train_verifier(judged, out, recipe, sources, _heard(show))
    if as_json:
        print_json(made)
    else:
        figures = (
            f"on {made.held_out:,} held-out claims: accuracy {made.accuracy:.4f}, mean F1 of the "
            f"verdicts {made.macro_f1:.4f}"
        )
        _say_made(made, f"{made.claims:,} claims", figures)


def _questions(paths: list[Path]) -> list[Question]:
    from ragstone.training.questions import read_questions

    return [question for path in paths for question in read_questions(path)]


def _heard(show: Callable[[str, int, int], None]) -> Callable[[int, int, float], None]:
    return lambda done, total, loss: show(f"loss {loss:.3f}", done, total)


def _say_made(
    made: TrainedReranker | TrainedReader | TrainedVerifier, amount: str, figures: str
) -> None:
    """Print the folder, what it was made of, and how good it is where something was held out."""
    facts = f"{amount}, {made.size / 1e6:.1f} MB"
    say(styled(made.folder, "bold green") + styled(f"  {facts}, in {made.seconds:,.0f} s"))
    if made.held_out:
        say(styled(figures))


def _ranks(made: TrainedReranker) -> str:
    if made.after is None or made.before is None:
        return ""
    return (
        f"mean reciprocal rank on {made.held_out:,} held-out queries: {made.after:.4f} "
        f"({made.before:.4f} before training)"
    )
