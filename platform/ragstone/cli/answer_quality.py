"""`ragstone evaluate answers`: are the answers right, supported, and rightly withheld."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.evaluations import difference_row, show_counts
from ragstone.cli.output import print_json, print_table, say, styled
from ragstone.cli.session import reached

if TYPE_CHECKING:
    from ragstone.schemas.evaluations import (
        AnswerComparison,
        AnswerEvaluation,
        AnswerLoss,
        AnswerRun,
        Estimate,
    )


def answers(
    context: typer.Context,
    dataset: options.DatasetName,
    *,
    questions: Annotated[
        Path,
        typer.Option(
            help="JSONL with question, answers and items (optional), SQuAD's JSON, or a folder "
            "with corpus.jsonl and queries.jsonl. No answers: the dataset does not hold one."
        ),
    ],
    generators: Annotated[
        list[str] | None,
        typer.Option(
            "--generator",
            metavar="ID",
            help="Who writes, as in ragstone ask; may be given more than once. The last is "
            "compared with the others.",
            show_default="the one in the settings",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET@VERSION",
            help="Compare each generator with its answers from this version instead.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="SETTING=VALUE",
            help="Answer with another setting of retrieval or generation, such as "
            "generation.passages=4, and compare with the settings as they are. May be given more "
            "than once.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Ask so many of the questions, drawn at random.", show_default="all"),
    ] = None,
    worst: Annotated[int, typer.Option(help="Show so many of the questions that lost most.")] = 0,
    counterfactual: Annotated[
        int,
        typer.Option(
            help="Ask for so many answers again without the items that they cite; 0: off."
        ),
    ] = 20,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Measure answers: right, supported by what they cite, and withheld where there is none.

    Means come with their 95 % confidence interval, differences with a p-value as well, by
    bootstrap. The result is kept; the answers are not.

    Example: ragstone evaluate answers stones --questions questions.jsonl
    """
    with reached(context, workspace) as ws:
        result = ws.evaluate_answers(
            dataset,
            questions,
            generators=generators or (),
            against=against,
            settings=settings or (),
            limit=limit,
            worst=worst,
            counterfactual=counterfactual,
        )
    if as_json:
        print_json(result)
    else:
        show_answers(result)


def show_answers(result: AnswerEvaluation) -> None:
    """Print what was measured of each way to answer, and how they compare."""
    say(
        styled(
            f"{result.dataset}@{result.version}, questions: {result.questions:,}, without an "
            f"answer: {result.unanswerable:,}, evaluation {result.evaluation}",
            "dim",
        )
    )
    for run in result.runs:
        _show_run(run)
    for comparison in result.comparisons:
        _show_comparison(comparison)


def summary(result: AnswerEvaluation) -> str:
    """Say in one line how good the answers were."""
    found = [f"{run.generator} F1 {_number(run.measures['f1'].value)}" for run in result.runs]
    return ", ".join([*found, *result.settings])


def _show_run(run: AnswerRun) -> None:
    say(styled(run.label, "bold"))
    rows = [(name.replace("_", " "), *_cells(found)) for name, found in run.measures.items()]
    if run.faithfulness:
        rows.append(("faithfulness", *_cells(run.faithfulness.rate)))
    print_table(("measure", "mean", "95 % interval", "of"), rows, "Nothing was measured.")
    took = run.latency
    first = f"{_number(took.first_p50)} / {_number(took.first_p95)}"
    say(
        styled(
            f"seconds to the first sentence {first}, to the end "
            f"{took.whole_p50:.4f} / {took.whole_p95:.4f} (p50 / p95)",
            "dim",
        )
    )
    if run.faithfulness:
        found = run.faithfulness
        say(
            styled(
                f"without the cited items: no answer {found.abstained}, another one "
                f"{found.changed}, the same from elsewhere {found.elsewhere}, the same without a "
                f"source {found.unfaithful}, failed {found.failed}",
                "dim",
            )
        )
    if run.failures:
        say(styled(f"failed, and counted as wrong: {run.failures:,}", "red"))
    for failed in run.failed:
        say(styled(f"  {failed.question}  ", "cyan") + styled(f"{failed.code}: {failed.message}"))


def _show_comparison(comparison: AnswerComparison) -> None:
    say(styled(f"{comparison.before} → {comparison.after}", "bold"))
    rows = [difference_row(name.replace("_", " "), d) for name, d in comparison.measures.items()]
    columns = ("measure", "before", "after", "difference", "95 % interval", "p")
    print_table(columns, rows, "Nothing was measured.")
    show_counts(comparison.better, comparison.worse, comparison.same)
    for loss in comparison.losses:
        _show_loss(loss)


def _show_loss(loss: AnswerLoss) -> None:
    say(
        "",
        styled(loss.question, "cyan") + styled(f"  {loss.before:.4f} → {loss.after:.4f}", "red"),
        styled(f"  right:  {' | '.join(loss.right) or '(there is no answer)'}"),
        styled(f"  before: {loss.said_before or '(no answer)'}"),
        styled(f"  after:  {loss.said_after or '(no answer)'}"),
    )


def _cells(found: Estimate) -> tuple[str, str, int]:
    bounds = f"{_number(found.low)} to {_number(found.high)}" if found.low is not None else ""
    return _number(found.value), bounds, found.of


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
