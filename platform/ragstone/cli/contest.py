"""`ragstone compare`: families of models of images, trained for one time and measured alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragstone.cli import options
from ragstone.cli.models import pair
from ragstone.cli.output import print_json, print_table, say, styled
from ragstone.cli.progress import learning
from ragstone.cli.session import opened


def compare(
    context: typer.Context,
    families: Annotated[
        str,
        typer.Argument(metavar="FAMILIES", help="Names with commas between: vae,gan,diffusion."),
    ],
    *,
    dataset: Annotated[
        str, typer.Option(metavar="DATASET", help="Version that all of them learn from.")
    ],
    minutes: Annotated[float, typer.Option(min=0, help="Of training, for each.")] = 5.0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the report.", show_default="comparison-DATASET"),
    ] = None,
    extractor: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="Classifier that all are measured by.",
            show_default="the newest of the version, or a new one where labels are told",
        ),
    ] = "",
    samples: Annotated[int, typer.Option(min=1, help="That each makes, to be measured.")] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Of training and samples.")] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SETTING=VALUE",
            help="Setting of trainer or data for all, such as label=label, or of one family: "
            "vae.latent=16. May be given more than once.",
            show_default=False,
        ),
    ] = None,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Train several families on one version for the same time, and compare what they make.

    The folder gets report.html and report.md, with table, samples and curves. A comparison that was
    stopped goes on when the same command is given again: a family that is done is not trained anew.

    Example: ragstone compare vae,dcgan,diffusion --dataset digits --minutes 5 --set label=label
    """
    place = out or Path(f"comparison-{dataset.replace('@', '-')}")

    def tell(name: str, number: int, total: int) -> None:
        if not as_json:
            say(f"{number} of {total}: {name}")

    with opened(context, workspace) as ws, learning(as_json=as_json) as show:
        found = ws.compare_models(
            [name.strip() for name in families.split(",")],
            dataset,
            place,
            minutes=minutes,
            extractor=extractor,
            samples=samples,
            seed=seed,
            settings=dict(pair("set", one) for one in settings or ()),
            on_family=tell,
            on_progress=show,
        )
    if as_json:
        print_json(found)
        return
    rows = []
    for one in found.contestants:
        if one.problem:
            say(styled(f"{one.family}: {one.problem}", "red"))
        if one.model and one.measures:
            values = one.measures.measures
            distance = next((v for name, v in values.items() if name.startswith("FD-")), None)
            told = [distance, values.get("coverage"), values.get("memorised")]
            shown = ["" if value is None else f"{value:.3f}" for value in told]
            rows.append((one.family, f"{one.model.steps:,}", f"{one.measures.loss:.4f}", *shown))
    print_table(("family", "steps", "loss", "FD", "coverage", "memorised"), rows, "No model.")
    say(f"Written to {place / 'report.html'}")
