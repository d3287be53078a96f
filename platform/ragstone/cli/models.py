"""`ragstone train gpt`, `lstm`, `gru`, `knnlm`; `models`, `model`, `sample`, `export-model`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, print_table, say, styled
from ragstone.cli.progress import clock, stepping
from ragstone.cli.session import opened
from ragstone.errors import InvalidArgument

if TYPE_CHECKING:
    from ragstone.schemas.models import ModelInfo
    from ragstone.training.trainer import Plan

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="NAME, the newest of that name, or NAME@NUMBER.")
]


def trainer_of(family: str, about: str) -> Callable[..., None]:
    """Return the command that trains a family."""

    def train(
        context: typer.Context,
        dataset: options.DatasetName,
        *,
        name: Annotated[
            str, typer.Option(help="Name of the model.", show_default="the dataset's")
        ] = "",
        settings: Annotated[
            list[str] | None,
            typer.Option(
                "--set",
                metavar="SETTING=VALUE",
                help="Setting of network, trainer or tokenizer, such as steps=5000 or "
                "tokenizer=bpe. May be given more than once.",
                show_default=False,
            ),
        ] = None,
        restart: Annotated[
            bool, typer.Option("--restart", help="Begin anew where one was stopped.")
        ] = False,
        workspace: options.Workspace = None,
        as_json: options.Json = False,
    ) -> None:
        values = dict(_pair(one) for one in settings or ())
        with opened(context, workspace) as ws, stepping(as_json=as_json) as show:
            made = ws.train_model(
                family,
                dataset,
                name,
                values,
                restart=restart,
                on_plan=lambda plan: None if as_json else _announce(plan),
                on_progress=lambda p: show(f"loss {p.loss:.3f}", p.step, p.steps),
            )
        if as_json:
            print_json(made)
        else:
            _say(made)

    train.__doc__ = f"""{about}

    What is held out is validated, and the best weights are kept as a number of the name. A training
    that was stopped goes on from its last checkpoint when the same command is given again.

    Example: ragstone train {family} stones --name stones-{family} --set steps=5000
    """
    return train


def knnlm(
    context: typer.Context,
    dataset: options.DatasetName,
    model: Model,
    *,
    neighbours: Annotated[int, typer.Option(min=1, help="Looked up for each token.")] = 256,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Give a language model a datastore of a version, to look up what followed similar texts.

    How much the neighbours weigh is tuned on half of the held-out text. The model is then used with
    them as model:NAME+knn, and by ragstone sample --neighbours.

    Example: ragstone train knnlm stones stones-gpt
    """
    with opened(context, workspace) as ws:
        made = ws.build_datastore(model, dataset, neighbours=neighbours)
    if as_json:
        print_json(made)
        return
    say(
        f"{made.entries:,} tokens. Loss on the half that was not used for tuning: "
        f"{made.without:.4f} alone, {made.with_:.4f} with neighbours (weight {made.weight:g}, "
        f"temperature {made.temperature:g})"
    )


def models(
    context: typer.Context,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """List the models that were trained here.

    Example: ragstone models
    """
    with opened(context, workspace) as ws:
        found = ws.models()
    if as_json:
        print_json(found)
        return
    rows = [
        (
            f"{info.name}@{info.number}",
            info.family,
            f"{info.data.dataset}@{info.data.version}",
            f"{info.parameters:,}",
            f"{info.loss:.4f}",
            f"{info.bits_per_byte:.4f}",
        )
        for info in found
    ]
    columns = ("model", "family", "data", "parameters", "loss", "bits per byte")
    print_table(columns, rows, "No models. ragstone train gpt DATASET makes one.")


def model(
    context: typer.Context,
    name: Model,
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Show the card of a model: what it learnt from, how, and how well.

    Example: ragstone model stones-gpt
    """
    from ragstone.training.cards import card

    with opened(context, workspace) as ws:
        info = ws.model(name)
    if as_json:
        print_json(info)
    else:
        say(card(info))


def sample(
    context: typer.Context,
    name: Model,
    prompt: Annotated[str, typer.Argument(help="Text to write on after.")] = "",
    *,
    tokens: Annotated[int, typer.Option(min=1, help="At most.")] = 200,
    temperature: Annotated[float, typer.Option(min=0, help="0: always the likeliest token.")] = 1.0,
    top_k: Annotated[int, typer.Option(min=0, help="Only so many, the likeliest; 0: all.")] = 0,
    top_p: Annotated[
        float, typer.Option(min=0, max=1, help="Only the likeliest with this chance together.")
    ] = 1.0,
    min_p: Annotated[
        float, typer.Option(min=0, max=1, help="Only those with this part of the likeliest's.")
    ] = 0.0,
    repetition_penalty: Annotated[
        float, typer.Option(help="More than 1: what was there is less likely.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Another one gives another text.")] = 0,
    neighbours: Annotated[
        bool, typer.Option("--neighbours", help="Mix in those of its datastore (kNN-LM).")
    ] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Let a model write on after a text.

    Example: ragstone sample stones-gpt "Granite is" --temperature 0.8
    """
    from ragstone.models.sampling import Sampler

    sampler = Sampler(
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        seed=seed,
    )
    with opened(context, workspace) as ws:
        made = ws.sample(name, prompt, tokens=tokens, sampler=sampler, neighbours=neighbours)
    if as_json:
        print_json(made)
    else:
        say(f"{styled(made.prompt, 'bold')}{made.text}")


def export_model(
    context: typer.Context,
    name: Model,
    out: Annotated[Path, typer.Option(help="Folder to write; it must be new or empty.")],
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Write a gpt as a model of transformers, with its card, for whatever serves such models.

    Example: ragstone export-model stones-gpt --out stones-gpt
    """
    with opened(context, workspace) as ws:
        folder = ws.export_model(name, out)
    if as_json:
        print_json({"folder": str(folder)})
    else:
        say(f"Written to {folder}")


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        raise InvalidArgument("set", given, "SETTING=VALUE")
    return name.strip(), value.strip()


def _announce(plan: Plan) -> None:
    for problem in plan.damaged:
        say(styled(f"A checkpoint is passed over: {problem}", "yellow"))
    if plan.begin:
        say(f"It goes on after step {plan.begin:,}.")
    left = plan.steps - plan.begin
    took = clock(plan.seconds)
    say(f"{plan.parameters:,} parameters, {left:,} steps: about {took} on this machine")


def _say(made: ModelInfo) -> None:
    say(
        f"{made.name}@{made.number}: loss {made.loss:.4f} on what was held out, "
        f"{made.bits_per_byte:.4f} bits per byte, after {made.best_step:,} of {made.steps:,} steps "
        f"in {clock(made.seconds)}"
    )
    say(f"ragstone sample {made.name} lets it write; ragstone model {made.name} shows its card")
