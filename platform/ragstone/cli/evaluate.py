"""`ragstone evaluate`: does it find well, better than before, and well enough."""

from __future__ import annotations

from typing import Annotated, cast, get_args

import typer

from ragstone.cli import options
from ragstone.cli.answer_quality import show_answers, summary
from ragstone.cli.evaluations import MEASURES, show_comparison, show_evaluation
from ragstone.cli.output import print_json, print_table, say, styled
from ragstone.cli.session import reached
from ragstone.errors import InvalidArgument, QualityDropped
from ragstone.schemas.api import Mode, RetrievalEvaluation
from ragstone.schemas.evaluations import AnswerEvaluation, Evaluation


def retrieval(
    context: typer.Context,
    dataset: options.DatasetName,
    *,
    queries: options.Queries = None,
    qrels: options.Qrels = None,
    mode: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<keyword|vector|hybrid>",
            help="Mode to measure; may be given more than once. The last is compared with the "
            "others.",
            show_default="all three",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET@VERSION",
            help="Compare each mode with this version instead.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="SETTING=VALUE",
            help="Search with another setting, such as retrieval.vector_weight=0.3, and compare "
            "with the settings as they are. May be given more than once.",
            show_default=False,
        ),
    ] = None,
    worst: Annotated[
        int, typer.Option(help="Show so many of the queries that lost most, with both rankings.")
    ] = 0,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Measure search against judged queries: nDCG@10, recall@100 and MRR@10 per mode.

    Items are ranked by their best chunk, and named as the ingested rows or files were. Without
    files, the golden queries of the dataset are used. Differences come with their 95 % confidence
    interval and p-value, by paired bootstrap. The result is kept.

    Example: ragstone evaluate retrieval scifact --queries queries.jsonl --qrels test.tsv
    """
    modes = [_known(name) for name in mode or get_args(Mode)]
    with reached(context, workspace) as ws:
        result = ws.evaluate_retrieval(
            dataset,
            queries,
            qrels,
            modes=modes,
            against=against,
            settings=settings or (),
            worst=worst,
        )
    _print(result, as_json=as_json)


def gate(
    context: typer.Context,
    dataset: options.DatasetName,
    *,
    queries: options.Queries = None,
    qrels: options.Qrels = None,
    mode: Annotated[Mode, typer.Option(help="Mode to measure.")] = "hybrid",
    min_ndcg: Annotated[
        float | None, typer.Option(help="Least nDCG@10.", show_default=False)
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(help="Most that nDCG@10 may be below the other version.", show_default=False),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET@VERSION",
            help="The other version.",
            show_default="the version before",
        ),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Measure search, and end with status 4 when it is not as good as it has to be.

    Without files, the golden queries of the dataset are used. The result is kept.

    Example: ragstone evaluate gate stones --min-ndcg 0.6 --max-drop 0.01
    """
    with reached(context, workspace) as ws:
        result = ws.evaluate_gate(
            dataset,
            queries,
            qrels,
            mode=mode,
            min_ndcg=min_ndcg,
            max_drop=max_drop,
            against=against,
        )
    _print(result, as_json=as_json)
    if result.gate and not result.gate.passed:
        version = f"{result.dataset}@{result.version}"
        raise QualityDropped(version, result.gate.reasons, result.evaluation)


def list_kept(
    context: typer.Context,
    dataset: options.DatasetName,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """List what was measured of a dataset, newest first.

    Example: ragstone evaluate list stones
    """
    with reached(context, workspace) as ws:
        found = ws.evaluations(dataset)
    if as_json:
        print_json(found)
        return
    rows = [
        (entry.evaluation, entry.created, f"@{entry.version}", *_summary(entry)) for entry in found
    ]
    columns = ("evaluation", "when", "version", "of", "queries", "nDCG@10 or F1")
    print_table(columns, rows, "Nothing was measured.")


def show(
    context: typer.Context,
    evaluation: Annotated[
        str, typer.Argument(metavar="EVALUATION", help="Its id, or the beginning of it.")
    ],
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Show one measurement again, with the queries that lost most where they were asked for.

    Example: ragstone evaluate show 01JD3N6XZK
    """
    with reached(context, workspace) as ws:
        result = ws.evaluation(evaluation)
    _print(result, as_json=as_json)


def _print(result: Evaluation, *, as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    if isinstance(result, AnswerEvaluation):
        show_answers(result)
        return
    show_evaluation(result)
    for comparison in result.comparisons:
        show_comparison(comparison)
    if result.gate and result.gate.passed:
        say(styled("It is good enough.", "bold green"))


def _summary(entry: Evaluation) -> tuple[str, int, str]:
    if isinstance(entry, AnswerEvaluation):
        return "answers", entry.questions, summary(entry)
    return "retrieval", entry.queries, _ranking_summary(entry)


def _ranking_summary(entry: RetrievalEvaluation) -> str:
    means = [f"{mode} {found[MEASURES[0]]:.4f}" for mode, found in entry.modes.items()]
    gate = [] if entry.gate is None else ["passed" if entry.gate.passed else "did not pass"]
    return ", ".join([*means, *entry.settings, *gate])


def _known(name: str) -> Mode:
    for mode in get_args(Mode):
        if mode == name:
            return cast("Mode", mode)
    raise InvalidArgument("mode", name, "one of " + ", ".join(get_args(Mode)))
