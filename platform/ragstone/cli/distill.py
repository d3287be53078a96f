"""`ragstone distill`: a text encoder without a network, made from one that has one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, say, styled
from ragstone.cli.progress import stepping
from ragstone.errors import InvalidArgument

if TYPE_CHECKING:
    from ragstone.encoders.distilling import Distilled


def distill(
    teacher: Annotated[
        str,
        typer.Argument(
            metavar="TEACHER", help="Text encoder: a folder, or a name in the local hub cache."
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder to write; it must be new or empty.")],
    texts: Annotated[
        Path | None,
        typer.Option(
            help="Texts to fit it to, like those that will be searched: one a line, or JSONL with "
            "text and perhaps title.",
            show_default=False,
        ),
    ] = None,
    dimension: Annotated[int, typer.Option(help="Length of its vectors; even.")] = 256,
    as_json: options.Json = False,
) -> None:
    """Make a static encoder, which embeds by looking tokens up, from a text encoder.

    It is for corpora that are too large for this machine's processor. The folder can be given as
    encoder.name.

    Example: ragstone distill all-MiniLM-L6-v2 --out models/fast --texts texts.jsonl
    """
    from ragstone.encoders import distilling

    read = _texts(texts) if texts else []
    with stepping(as_json=as_json) as heard:
        made = distilling.distill(teacher, out, texts=read, dimension=dimension, on_progress=heard)
    if as_json:
        print_json(made)
    else:
        _show(made)


def _texts(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [_text(line) if path.suffix == ".jsonl" else line for line in lines if line.strip()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidArgument("--texts", str(path), f"a file of texts ({error!r})") from error


def _text(line: str) -> str:
    row = json.loads(line)
    return f"{row.get('title') or ''} {row['text']}".strip()


def _show(made: Distilled) -> None:
    size = f"{made.tokens:,} tokens, {made.dimension} dimensions, {made.size / 1e6:.1f} MB"
    say(styled(made.folder, "bold green") + styled(f"  {size}, in {made.seconds:.1f} s"))
    if made.after is not None:
        say(
            styled(
                f"similarities of {made.held_out:,} held-out texts correlate with those of "
                f"{made.teacher} by {made.after:.2f} ({made.before:.2f} without the fit)"
            )
        )
