"""`ragstone tune-model`: search for the settings of a model."""

from __future__ import annotations

from typing import Annotated

import typer

from ragstone.cli import options
from ragstone.cli.models import pair
from ragstone.cli.output import print_json, print_table, say
from ragstone.cli.progress import learning
from ragstone.cli.session import opened

_SHOWN = 12  # characters of an id


def tune_model(
    context: typer.Context,
    family: Annotated[str, typer.Argument(metavar="FAMILY", help="Of the model, such as gpt.")],
    dataset: options.DatasetName,
    *,
    search: Annotated[
        list[str],
        typer.Option(
            metavar="SETTING=VALUES",
            help="Setting to search: LOW..HIGH, or A,B,C. May be given more than once.",
        ),
    ],
    name: Annotated[
        str, typer.Option(help="Name of the model.", show_default="the dataset's")
    ] = "",
    trials: Annotated[int, typer.Option(min=1, help="Settings that are tried.")] = 9,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SETTING=VALUE",
            help="Setting of all trials. May be given more than once.",
            show_default=False,
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew where one was stopped.")
    ] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Search for the settings of a model, and keep the best one that was found.

    All trials make a few steps, the better third of them goes on to three times as many, and so on
    until one has made all. A search that was stopped goes on when the same command is given again.

    Example: ragstone tune-model gpt stones --search learning_rate=1e-4..1e-2 --search width=64,128
    """
    with opened(context, workspace) as ws, learning(as_json=as_json) as show:
        found = ws.tune_model(
            family,
            dataset,
            name,
            dict(pair("set", one) for one in settings or ()),
            search=dict(pair("search", one) for one in search),
            trials=trials,
            restart=restart,
            on_progress=show,
        )
    if as_json:
        print_json(found)
        return
    names = list(found.trials[0].settings)
    rows = [
        (
            trial.run[:_SHOWN],
            *(str(trial.settings[name]) for name in names),
            f"{trial.steps:,}",
            "diverged" if trial.loss is None else f"{trial.loss:.4f}",
        )
        for trial in found.trials
    ]
    print_table(("run", *names, "steps", "loss"), rows, "")
    made, best = found.model, found.trials[found.best].settings
    taken = " ".join(f"{name}={value}" for name, value in best.items())
    say(f"{made.name}@{made.number}: loss {made.loss:.4f} with {taken}")
