"""`ragstone sample`: what a model makes."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from ragstone.cli import options
from ragstone.cli.ingest import show_result
from ragstone.cli.models import Model, pair
from ragstone.cli.output import print_json, say, styled
from ragstone.cli.provenance import write_sample
from ragstone.cli.session import reached
from ragstone.errors import InvalidArgument


def sample(
    context: typer.Context,
    name: Model,
    prompt: Annotated[
        str,
        typer.Argument(
            help="Text to go on with, to translate, to draw, or with [MASK] for each gap."
        ),
    ] = "",
    *,
    tokens: Annotated[int, typer.Option(min=1, help="At most.")] = 200,
    temperature: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="0: always the likeliest token.",
            show_default="1, and 0 for a translation without other options",
        ),
    ] = None,
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
    conditions: Annotated[
        list[str] | None,
        typer.Option(
            "--condition",
            metavar="NAME=VALUE",
            help="What it is to be like, by the metadata that the model was told, such as label=7.",
            show_default=False,
        ),
    ] = None,
    beams: Annotated[
        int, typer.Option(min=1, help="Of a search for the likeliest translation.")
    ] = 1,
    count: Annotated[
        int, typer.Option(min=1, help="To make, images on one sheet; with --image, of each.")
    ] = 1,
    task: Annotated[
        str,
        typer.Option(
            help="Of a model of images: sample, reconstruct, denoise, interpolate, inpaint, "
            "translate or upscale."
        ),
    ] = "sample",
    images: Annotated[
        list[str] | None,
        typer.Option(
            "--image",
            metavar="FILE|ITEM",
            help="Something is made of it. May be given more than once.",
            show_default=False,
        ),
    ] = None,
    mask: Annotated[
        str,
        typer.Option(
            metavar="FILE|ITEM",
            help="Of inpaint: what is light in it is made anew.",
            show_default=False,
        ),
    ] = "",
    keep: Annotated[
        str,
        typer.Option(
            help="Of inpaint: the half that stays: top, bottom, left or right.", show_default=False
        ),
    ] = "",
    strength: Annotated[
        float,
        typer.Option(
            min=0, help="Of translate: 1 leaves nothing of the image. Of denoise: how much noise."
        ),
    ] = 0.5,
    steps: Annotated[
        int,
        typer.Option(
            min=0,
            help="Of the solver; of interpolate: pictures.",
            show_default="the model's own",
        ),
    ] = 0,
    solver: Annotated[str, typer.Option(help="Of diffusion.", show_default="the model's own")] = "",
    guidance: Annotated[
        float,
        typer.Option(
            min=0, help="More than 1: more as it is told.", show_default="the model's own"
        ),
    ] = 0.0,
    guide: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help="A clip that a diffusion is drawn towards the prompt by.",
            show_default=False,
        ),
    ] = "",
    pull: Annotated[float, typer.Option(min=0, help="How strongly, with --guide.")] = 1.0,
    neighbours: Annotated[
        bool, typer.Option("--neighbours", help="Mix in those of its datastore (kNN-LM).")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write, of what is no text; what is known of it is put beside it as JSON.",
            show_default=False,
        ),
    ] = None,
    ingest: Annotated[
        str,
        typer.Option(
            metavar="DATASET",
            help="Add each thing to this dataset, marked as made by a model.",
            show_default=False,
        ),
    ] = "",
    message: options.Message = "",
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Let a model make something: go on with a text, translate it, fill its gaps, speak, draw.

    Example: ragstone sample stones-gpt "Granite is" --temperature 0.8
    """
    from ragstone.models.families import GOING_ON, WITHOUT_TEXT, family
    from ragstone.models.sampling import Sampler

    plain = Sampler(
        top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=repetition_penalty, seed=seed
    )
    sampler = None if temperature is None and plain == Sampler() else plain
    if temperature is not None:
        sampler = replace(plain, temperature=temperature)
    with reached(context, workspace) as ws:
        material = family(ws.model(name).family).material
        if out is None and not ingest and material in WITHOUT_TEXT:
            expected = "a file for what the model makes: --out FILE, or --ingest DATASET"
            raise InvalidArgument("out", None, expected)
        made = ws.sample(
            name,
            prompt,
            tokens=tokens,
            sampler=sampler,
            conditions=dict(pair("condition", one) for one in conditions or ()),
            beams=beams,
            count=count,
            neighbours=neighbours,
            task=task,
            images=images or (),
            mask=mask,
            keep=keep,
            strength=strength,
            steps=steps,
            solver=solver,
            guidance=guidance,
            guide=guide,
            pull=pull,
            ingest=ingest,
            message=message,
        )
    if out is not None:
        write_sample(out, made)
    if as_json:
        told = {name: value for name, value in asdict(made).items() if name != "media"}
        print_json({**told, "file": str(out) if out else None})
        return
    if out is not None:
        say(f"Written to {out}")
    if made.ingested is not None:
        show_result(made.ingested)
    elif out is None:
        say(f"{styled(made.prompt, 'bold') if material in GOING_ON else ''}{made.text}")
