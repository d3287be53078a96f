"""How good answers are: measured by questions whose answers are known, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from ragstone.schemas.evaluations import AnswerComparison, AnswerEvaluation, AnswerLoss, AnswerRun
from ragstone.ui import evaluate_charts, evaluate_parts, inert, session, trained, wording
from ragstone.ui.evaluate_charts import Point
from ragstone.ui.failures import shown
from ragstone.ui.session import Choice

KIND = AnswerEvaluation
_WORST = 20  # questions that are kept of each comparison
_NOTHING = "nothing else"
_USUAL = 50  # questions; each takes from a tenth of a second to many


def start(choice: Choice) -> None:
    """Let answers be measured with a file of questions."""
    able = [one.id for one in session.generators() if one.available]
    versions = [str(entry.version) for entry in session.client().log(choice.dataset.name)]
    with st.form("measure-answers"):
        file = st.file_uploader(
            "Questions whose answers are known, one JSON object a line",
            type=["jsonl", "json"],
            key="questions",
            help='Such as {"question": "Which stone resists frost?", "answers": ["granite"]}; '
            "no answers: the dataset does not hold one.",
        )
        with st.container(horizontal=True):
            generators = st.multiselect(
                "Generators", able, key="generators", width=320, placeholder="the usual one"
            )
            against = st.selectbox(
                "Compared with version", [_NOTHING, *versions], key="against", width=220
            )
            limit = st.number_input("Questions, at most", 1, value=_USUAL, key="limit", width=160)
        sent = st.form_submit_button("Measure", icon=":material/straighten:", type="primary")
    if sent and file is None:
        st.warning("Choose a file of questions.")
    elif sent and file is not None:
        with shown(), st.spinner("Asking every question: it may take minutes"):
            made = _measured(
                choice,
                file.name,
                file.getvalue(),
                generators,
                None if against == _NOTHING else f"{choice.dataset.name}@{against}",
                int(limit),
            )
            session.go(evaluation=made.evaluation)
            st.rerun()


def _measured(
    choice: Choice,
    name: str,
    content: bytes,
    generators: Sequence[str],
    against: str | None,
    limit: int,
) -> AnswerEvaluation:
    """Have the questions asked; the server, on this machine, reads them from a file."""
    with TemporaryDirectory() as folder:
        questions = Path(folder) / f"questions{Path(name).suffix}"
        questions.write_bytes(content)
        return session.client().evaluate_answers(
            choice.reference,
            questions,
            generators=generators,
            against=against,
            limit=limit,
            worst=_WORST,
        )


def show(found: Sequence[AnswerEvaluation]) -> None:
    """Show one measurement, or two side by side."""
    if not found:
        st.caption("This was no measurement of answers.")
        return
    runs = [
        (run.label if len(found) == 1 else f"{number}: {run.label}", run)
        for number, one in enumerate(found, start=1)
        for run in one.runs
    ]
    for one in found:
        inert.show(
            inert.title(f"{one.dataset}@{one.version}"),
            inert.facts(
                wording.moment(one.created) if one.created else "",
                wording.count(one.questions, "question"),
                f"{one.unanswerable:,} without an answer",
                *one.settings,
                f"measurement {one.evaluation}",
            ),
        )
    _measures(runs)
    for label, run in runs:
        _run(label, run)
    for one in found:
        for number, comparison in enumerate(one.comparisons):
            with st.container(border=True):
                evaluate_parts.compared(
                    comparison.before,
                    comparison.after,
                    comparison.measures,
                    (comparison.better, comparison.worse, comparison.same),
                )
                _losses(comparison, f"{one.evaluation}-{number}")


def _measures(runs: Sequence[tuple[str, AnswerRun]]) -> None:
    names = list(dict.fromkeys(name for _, run in runs for name in run.measures))
    table: dict[str, list[str]] = {"Measure": [name.replace("_", " ") for name in names]}
    points = []
    for label, run in runs:
        cells = []
        for name in names:
            found = run.measures.get(name)
            if found is None or found.value is None:
                cells.append("–")
                continue
            interval = f" ({found.low:.3f} to {found.high:.3f})" if found.low is not None else ""
            cells.append(f"{found.value:.3f}{interval} of {found.of:,}")
            points.append(Point(name.replace("_", " "), label, found.value, found.low, found.high))
        table[label] = cells
    st.dataframe(table, hide_index=True)
    st.caption("In brackets the 95 % interval, then what it is the mean of.")
    evaluate_charts.bars(points, "share, with its 95 % interval")


def _run(label: str, run: AnswerRun) -> None:
    """Say how long answers took, and what failed."""
    faithful = run.faithfulness
    late = run.latency
    inert.show(
        inert.facts(
            label,
            f"whole answer {late.whole_p50:.2f} s, 95 of 100 within {late.whole_p95:.2f} s",
            f"first sentence {trained.figure(late.first_p50)} s",
            wording.count(run.failures, "failure"),
            ""
            if faithful is None
            else f"without the cited items: {faithful.abstained} no answer, {faithful.changed} "
            f"another one, {faithful.elsewhere} from elsewhere, {faithful.unfaithful} the same "
            "without a source",
        )
    )
    for failed in run.failed:
        inert.show(inert.title(failed.question), inert.facts(failed.code, failed.message))
    for question in faithful.examples if faithful else ():
        inert.show(inert.facts("stayed the same without its source:", question))


def _losses(comparison: AnswerComparison, key: str) -> None:
    losses = {f"{number}. {one.question}": one for number, one in enumerate(comparison.losses, 1)}
    if not losses:
        st.caption("No question lost, or none was kept.")
        return
    chosen = st.selectbox("Questions that lost, the worst first", list(losses), key=f"loss-{key}")
    _loss(losses[chosen])


def _loss(loss: AnswerLoss) -> None:
    inert.show(
        inert.text(loss.question),
        inert.facts(f"F1 {loss.before:.3f} → {loss.after:.3f}"),
        inert.facts("right:", *(loss.right or ["the dataset does not hold an answer"])),
    )
    before, after = st.columns(2)
    for column, name, said in (
        (before, "Before", loss.said_before),
        (after, "After", loss.said_after),
    ):
        with column:
            inert.show(inert.title(name), inert.text(said or "No answer."))
