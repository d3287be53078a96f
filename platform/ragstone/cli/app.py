"""The verbs, in the order one meets them, and the options that go before them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragstone import __version__
from ragstone.cli import (
    anomalies,
    answer_quality,
    augmentation,
    bench,
    bias,
    catalog,
    chat,
    contest,
    dedup,
    demo,
    distill,
    evaluate,
    feedback,
    find,
    generators,
    golden,
    health,
    ingest,
    jobs,
    keeping,
    licences,
    models,
    provenance,
    quarantined,
    receipts,
    reembed,
    runs,
    samples,
    serving,
    train,
    trials,
    tune,
    versions,
    watermark,
)
from ragstone.cli.boundary import CommandLine

_START = "First steps"
_USE = "Find and answer"
_LOOK = "Look and change"
_VERSIONS = "Versions"
_COPY = "Copy and move"
_CARE = "Measure and mend"
_MODELS = "Models trained here"
_SERVE = "Serve"

app = typer.Typer(
    cls=CommandLine,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
measure = typer.Typer(cls=CommandLine, no_args_is_help=True, help="Measure quality.")
training = typer.Typer(
    cls=CommandLine,
    no_args_is_help=True,
    help="Train language models, and parts of search and answers.",
)
duplicates = typer.Typer(cls=CommandLine, no_args_is_help=True, help="What is there twice.")
opinions = typer.Typer(
    cls=CommandLine, no_args_is_help=True, help="What people say of answers, and its review."
)
quarantine = typer.Typer(
    cls=CommandLine, no_args_is_help=True, help="Inputs that could not become items."
)


def _print_version(*, wanted: bool | None) -> None:
    if wanted:
        typer.echo(f"ragstone {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            "-w",
            envvar="RAGSTONE_WORKSPACE",
            help="Folder of the workspace; may also follow the command. Without it: the nearest "
            "one in or above this folder.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback has done the work
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Ingest documents, version them, search them, and get answers with checked citations.

    Example: ragstone demo
    """
    context.obj = workspace


app.command(rich_help_panel=_START)(demo.demo)
app.command(rich_help_panel=_START)(ingest.init)
app.command(rich_help_panel=_START)(ingest.ingest)
app.command(rich_help_panel=_START)(quarantined.sync)
app.command(rich_help_panel=_USE)(find.search)
app.command(rich_help_panel=_USE)(find.similar)
app.command(rich_help_panel=_USE)(find.ask)
app.command(rich_help_panel=_USE)(chat.chat)
app.command(rich_help_panel=_USE)(receipts.replay)
app.command(rich_help_panel=_USE)(receipts.explain)
app.command(rich_help_panel=_USE)(receipts.trace)
app.command(rich_help_panel=_USE)(generators.generators)
app.command(rich_help_panel=_LOOK)(catalog.datasets)
app.command(rich_help_panel=_LOOK)(catalog.log)
app.command(rich_help_panel=_LOOK)(catalog.items)
app.command(rich_help_panel=_LOOK)(catalog.facets)
app.command(rich_help_panel=_LOOK)(catalog.show)
app.command(rich_help_panel=_LOOK)(catalog.delete)
app.add_typer(quarantine, name="quarantine", rich_help_panel=_LOOK)
quarantine.command("list")(catalog.quarantine_list)
quarantine.command("show")(quarantined.show)
quarantine.command("retry")(quarantined.retry)
quarantine.command("drop")(quarantined.drop)
app.add_typer(duplicates, name="dedup", rich_help_panel=_LOOK)
duplicates.command("report")(dedup.report)
duplicates.command("show")(dedup.show)
duplicates.command("policy")(dedup.policy)
duplicates.command("calibrate")(dedup.calibrate)
app.command(rich_help_panel=_VERSIONS)(versions.diff)
app.command(rich_help_panel=_VERSIONS)(keeping.tag)
app.command(rich_help_panel=_VERSIONS)(keeping.fork)
app.command(rich_help_panel=_VERSIONS)(keeping.restore)
app.command(rich_help_panel=_VERSIONS)(reembed.reembed)
app.command(rich_help_panel=_VERSIONS)(keeping.forget)
app.command(rich_help_panel=_VERSIONS)(keeping.gc)
app.command(rich_help_panel=_COPY)(keeping.export)
app.command("import", rich_help_panel=_COPY)(keeping.import_dataset)
app.command(rich_help_panel=_COPY)(keeping.backup)
app.command("restore-backup", rich_help_panel=_COPY)(keeping.restore_backup)
app.command(rich_help_panel=_LOOK)(jobs.jobs)
app.command(rich_help_panel=_LOOK)(jobs.cancel)
app.command(rich_help_panel=_LOOK)(jobs.retry)
app.command(rich_help_panel=_CARE)(golden.golden)
app.add_typer(measure, name="evaluate", rich_help_panel=_CARE)
measure.command("retrieval")(evaluate.retrieval)
measure.command("answers")(answer_quality.answers)
measure.command("model")(models.evaluate)
measure.command("augmentation")(augmentation.augmentation)
measure.command("gate")(evaluate.gate)
measure.command("list")(evaluate.list_kept)
measure.command("show")(evaluate.show)
app.add_typer(opinions, name="feedback", rich_help_panel=_CARE)
opinions.command("give")(feedback.give)
opinions.command("list")(feedback.list_feedback)
opinions.command("accept")(feedback.accept)
opinions.command("reject")(feedback.reject)
opinions.command("export")(feedback.export)
app.command(rich_help_panel=_CARE)(distill.distill)
app.command(rich_help_panel=_CARE)(tune.tune)
app.add_typer(training, name="train", rich_help_panel=_CARE)
training.command("reranker")(train.reranker)
training.command("reader")(train.reader)
training.command("verifier")(train.verifier)
for name, about in models.FAMILIES.items():
    training.command(name)(models.trainer_of(name, about))
training.command("knnlm")(models.knnlm)
app.command("tune-model", rich_help_panel=_MODELS)(trials.tune_model)
app.command(rich_help_panel=_MODELS)(contest.compare)
app.command(rich_help_panel=_MODELS)(models.models)
app.command(rich_help_panel=_MODELS)(models.model)
app.command(rich_help_panel=_MODELS)(runs.runs)
app.command(rich_help_panel=_MODELS)(runs.run)
app.command(rich_help_panel=_MODELS)(samples.sample)
app.command(rich_help_panel=_MODELS)(anomalies.anomalies)
app.command(rich_help_panel=_MODELS)(provenance.provenance)
app.command(rich_help_panel=_MODELS)(watermark.watermark)
app.command(rich_help_panel=_MODELS)(licences.licences)
app.command(rich_help_panel=_MODELS)(bias.bias)
app.command("export-model", rich_help_panel=_MODELS)(models.export_model)
app.command("import-model", rich_help_panel=_MODELS)(models.import_model)
app.command(rich_help_panel=_CARE)(bench.bench)
app.command(rich_help_panel=_CARE)(health.doctor)
app.command(rich_help_panel=_SERVE)(serving.serve)
app.command(rich_help_panel=_SERVE)(serving.mcp)
app.command(rich_help_panel=_SERVE)(serving.ui)
