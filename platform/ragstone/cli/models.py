"""Commands of generative models: `train FAMILY`, `models`, `sample`, `evaluate model` and more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import console, print_json, print_table, say, styled
from ragstone.cli.progress import clock, interruptible, learning, reporting
from ragstone.cli.session import opened, reached
from ragstone.errors import InvalidArgument

if TYPE_CHECKING:
    from ragstone.client import Client
    from ragstone.schemas.models import ModelInfo, ModelMeasures
    from ragstone.schemas.runs import Plan
    from ragstone.workspace import Workspace

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="NAME, the newest of that name, or NAME@NUMBER.")
]

_MEASURES = "classifier"  # the family that makes nothing
# What each family is trained for. `models.families` has them too, and takes torch to be read.
FAMILIES = {
    "gpt": "Train a transformer that writes on after a text, on a version.",
    "lstm": "Train a recurrent network with long memory, on a version.",
    "gru": "Train a recurrent network of gated units, on a version.",
    "ae": "Train an autoencoder on the images of a version.",
    "denoising": "Train an autoencoder that is shown spoilt images, on a version.",
    "vae": "Train a variational autoencoder on the images of a version.",
    "vqvae": "Train an autoencoder whose latents are codes of a book, on a version.",
    "made": "Train a masked network that draws pixel after pixel, on the images of a version.",
    "pixelcnn": "Train gated convolutions that draw pixel after pixel, on a version.",
    "realnvp": "Train couplings that turn images into noise, and back, on a version.",
    "glow": "Train couplings of mixed channels that turn images into noise, and back.",
    "maf": "Train masked networks that turn images into noise, and back, on a version.",
    "diffusion": "Train a network that takes noise off images, and so makes them, on a version.",
    "gan": "Train two players of plain layers, which make images, on a version.",
    "dcgan": "Train two players of convolutions, which make images, on a version.",
    "wgan_gp": "Train two players, of which one measures a distance, on the images of a version.",
    "vaegan": "Train an autoencoder whose images pass for real, on a version.",
    "stylegan": "Train two players, with a style for each layer, on the images of a version.",
    "cyclegan": "Train a network that turns one kind of images into another, on a version.",
    "classifier": "Train a network that tells the labels of images, on a version.",
    "clip": "Train images and texts into one space, so that words find images, on a version.",
    "encdec": "Train a transformer that translates, or shortens, on pairs of texts of a version.",
    "wavenet": "Train a network that speaks, on the recordings of a version.",
    "bert": "Train a transformer that fills gaps and embeds texts, on a version.",
}


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
        values = dict(pair("set", one) for one in settings or ())
        asked = family, dataset, name, values
        with reached(context, workspace) as ws:
            made = _trained(ws, *asked, restart=restart, as_json=as_json)
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


def _trained(
    ws: Workspace | Client,
    family: str,
    dataset: str,
    name: str,
    values: dict[str, str],
    *,
    restart: bool,
    as_json: bool,
) -> ModelInfo:
    """Train in this process, or let the server do it that has the workspace."""
    import ragstone

    if isinstance(ws, ragstone.Workspace):
        with learning(as_json=as_json) as show:
            return ws.train_model(
                family,
                dataset,
                name,
                values,
                restart=restart,
                on_plan=lambda plan: None if as_json else _announce(plan),
                on_progress=show,
            )
    job = ws.submit_train(family, dataset, name, values, restart=restart).job
    with interruptible(job, as_json=as_json), reporting(as_json=as_json) as reporter:
        return ws.trained(job, reporter)


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
    with reached(context, workspace) as ws:
        found, damaged = ws.models(), ws.damaged_models()
    if as_json:
        print_json([*found, *damaged])
        return
    rows = [
        (
            f"{info.name}@{info.number}",
            info.family,
            f"{info.data.dataset}@{info.data.version}",
            f"{info.parameters:,}",
            f"{info.loss:.4f}",
            "" if info.bits_per_byte is None else f"{info.bits_per_byte:.4f}",
        )
        for info in found
    ]
    columns = ("model", "family", "data", "parameters", "loss", "bits per byte")
    if rows or not damaged:
        print_table(columns, rows, "No models. ragstone train gpt DATASET makes one.")
    for one in damaged:
        say(styled(f"{one.name}@{one.number} is damaged: {one.damaged}", "yellow"))


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
    with reached(context, workspace) as ws:
        print_json(ws.model(name)) if as_json else say(ws.model_card(name))


def evaluate(
    context: typer.Context,
    name: Model,
    *,
    dataset: Annotated[
        str,
        typer.Option(
            metavar="DATASET", help="Version to measure on.", show_default="what it learnt from"
        ),
    ] = "",
    samples: Annotated[int, typer.Option(min=0, help="That it makes, to be measured.")] = 20,
    extractor: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="Classifier that images are measured by.",
            show_default="the newest that learnt from the same dataset",
        ),
    ] = "",
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Measure a model: its loss on all that is held out, and how good what it makes is.

    What it copied from the data that it learnt from is measured, too, beside what any text or image
    has in common with that data. The figures of its own data then stand in its card.

    Example: ragstone evaluate model stones-gpt
    """
    with reached(context, workspace) as ws:
        found = ws.evaluate_model(name, dataset, samples=samples, extractor=extractor)
        info = ws.model(name)
    if as_json:
        print_json(found)
        return
    rows = [("loss on what is held out", f"{found.loss:.4f}", "")]
    if found.bits_per_byte is not None:
        rows.append((f"bits per byte ({found.likelihood})", f"{found.bits_per_byte:.4f}", ""))
    rows += [
        (measure, f"{value:.4g}", _within(found, measure))
        for measure, value in found.measures.items()
    ]
    rows += [("parameters", f"{info.parameters:,}", ""), ("trained", clock(info.seconds), "")]
    print_table((f"{found.model} on {found.data}", "value", "95 %"), rows, "")
    for note in found.notes:
        say(note)


def _within(found: ModelMeasures, measure: str) -> str:
    if measure not in found.intervals:
        return ""
    low, high = found.intervals[measure]
    return f"{low:.4g} to {high:.4g}"


def import_model(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="That ragstone export-model wrote.")],
    *,
    name: Annotated[str, typer.Option(help="Name of the model.", show_default="its own")] = "",
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Take in a model that was trained in another workspace.

    Example: ragstone import-model stones-gpt --name stones
    """
    with opened(context, workspace) as ws:
        made = ws.import_model(folder, name)
    if as_json:
        print_json(made)
    else:
        say(f"It is {made.name}@{made.number}.")


def export_model(
    context: typer.Context,
    name: Model,
    out: Annotated[Path, typer.Option(help="Folder to write; it must be new or empty.")],
    *,
    layout: Annotated[
        str,
        typer.Option(
            help="ragstone: all of it, for import-model; transformers: a gpt for whatever serves "
            "models of that library."
        ),
    ] = "ragstone",
    despite_copies: Annotated[
        bool,
        typer.Option("--despite-copies", help="Also one that copies what it learnt from."),
    ] = False,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Write a model into a folder, with its card: for another workspace, or for others to serve.

    It warns of a model that may give back what it learnt from, and refuses one that was measured to
    (ragstone evaluate model). Licences are those of its data: ragstone licences model:NAME.

    Example: ragstone export-model stones-gpt --out stones-gpt --layout transformers
    """
    with reached(context, workspace) as ws:
        copying = ws.copying(name)
        folder = ws.export_model(name, out, layout, despite_copies=despite_copies)
    if copying.verdict != "no":
        console(stderr=True).print(styled(f"Before it is handed on: {copying.said}.", "yellow"))
    if as_json:
        print_json({"folder": str(folder), "copying": copying})
    else:
        say(f"Written to {folder}")


def pair(option: str, given: str) -> tuple[str, str]:
    """Part NAME=VALUE, as `--option` was given it."""
    name, equals, value = given.partition("=")
    if not equals:
        raise InvalidArgument(option, given, "NAME=VALUE")
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
    per_byte = made.bits_per_byte
    same = "" if per_byte is None else f"{per_byte:.4f} bits per byte, "
    say(
        f"{made.name}@{made.number}: loss {made.loss:.4f} on what was held out, {same}after "
        f"{made.best_step:,} of {made.steps:,} steps in {clock(made.seconds)}"
    )
    use = f"ragstone sample {made.name} shows what it makes"
    if made.family == _MEASURES:
        use = f"ragstone evaluate model MODEL --extractor {made.name} measures by it"
    say(f"{use}; ragstone model {made.name} its card")
