"""What `ragstone evaluate` and `ragstone tune` print for people."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from ragstone.cli.output import print_table, say, styled
from ragstone.text import fusion_words

if TYPE_CHECKING:
    from ragstone.schemas.api import (
        Difference,
        FusionChoice,
        QueryLoss,
        RankedItem,
        RankingComparison,
        RetrievalEvaluation,
        TuningReport,
    )

MEASURES = ("ndcg@10", "recall@100", "mrr@10")


def show_evaluation(result: RetrievalEvaluation) -> None:
    """Print the means of each mode."""
    say(
        styled(
            f"{result.dataset}@{result.version}, judged queries: {result.queries:,}, "
            f"evaluation {result.evaluation}",
            "dim",
        )
    )
    rows = [
        (name, *(found[measure] for measure in MEASURES)) for name, found in result.modes.items()
    ]
    print_table(("mode", *MEASURES), rows, "No modes.")


def show_comparison(comparison: RankingComparison) -> None:
    """Print the differences of one comparison, and the queries that lost most."""
    say(styled(f"{comparison.before} → {comparison.after}", "bold"))
    rows = [difference_row(name, found) for name, found in comparison.measures.items()]
    columns = ("measure", "before", "after", "difference", "95 % interval", "p")
    print_table(columns, rows, "Nothing was measured.")
    show_counts(comparison.better, comparison.worse, comparison.same)
    for loss in comparison.losses:
        _show_loss(loss)


def difference_row(name: str, found: Difference) -> tuple[str | float, ...]:
    """Return the row of one measure in the table of a comparison."""
    return (
        name,
        found.before,
        found.after,
        f"{found.difference:+.4f}",
        f"{found.low:+.4f} to {found.high:+.4f}",
        found.p_value,
    )


def show_counts(better: int, worse: int, same: int) -> None:
    """Print how many queries or questions fare better and worse."""
    say(styled(f"better {better:,}, worse {worse:,}, same {same:,}", "dim"))


def _show_loss(loss: QueryLoss) -> None:
    say(
        "",
        styled(f"{loss.query_id}  ", "bold")
        + styled(loss.query, "cyan")
        + styled(f"  {loss.before:.4f} → {loss.after:.4f}", "red"),
    )
    pairs = zip_longest(loss.ranking_before, loss.ranking_after)
    rows = [
        (place, _item(before), _item(after)) for place, (before, after) in enumerate(pairs, start=1)
    ]
    print_table(("", "before", "after"), rows, "Nothing was found.")


def _item(item: RankedItem | None) -> str:
    if item is None:
        return ""
    return item.name if item.grade is None else f"{item.name} ({item.grade})"


def show_tuning(report: TuningReport) -> None:
    """Print the ways to fuse, the choice, and what it is worth."""
    rows = [
        (
            "*" if row.chosen else "",
            row.method,
            "-" if row.vector_weight is None else f"{row.vector_weight:g}",
            f"{row.rerank_weight:g}" if row.rerank_weight else "-",
            row.ndcg,
            f"{row.low:.4f} to {row.high:.4f}",
            row.behind,
            row.error,
        )
        for row in report.rows
    ]
    columns = (
        "",
        "fusion",
        "vector weight",
        "reranker",
        "ndcg@10",
        "95 % interval",
        "behind",
        "± error",
    )
    print_table(columns, rows, "Nothing was measured.")
    held = report.held_out
    say(
        styled(f"before: {describe(report.before)}"),
        styled(f"chosen: {describe(report.chosen)}", "bold"),
        styled(
            f"on held-out queries ({report.folds} folds of {report.queries:,}): "
            f"{held.before:.4f} → {held.after:.4f}, 95 % interval of the difference "
            f"{held.low:+.4f} to {held.high:+.4f}, p {held.p_value:.4f}"
        ),
    )
    if report.note:
        say(styled(f"kept as it was: {report.note}", "yellow"))
    where = f"{report.dataset}@{report.version}"
    say(styled(f"stored in {where}", "bold green") if report.stored else styled("nothing stored"))


def describe(choice: FusionChoice) -> str:
    """Say in a few words how the arms are fused, and who says so."""
    return f"{fusion_words(choice)} ({choice.origin})"
