"""`ragstone watermark`: whether files carry the watermark of the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ragstone.cli import options
from ragstone.cli.output import print_json, print_table, say, styled
from ragstone.cli.session import opened


def watermark(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Images, or recordings.")],
    *,
    workspace: options.Workspace = None,
    as_json: options.Json = False,
) -> None:
    """Say whether images or recordings carry the watermark of this workspace.

    z counts in standard deviations of what chance gives. Small images of one size are looked at all
    together, too: many tell what one alone does not.

    Example: ragstone watermark seven.png
    """
    with opened(context, workspace) as ws:
        found = ws.watermark(files)
    if as_json:
        print_json(found)
        return
    rows = [
        (one.name, f"{one.z:.1f}", "found" if one.found else "not found", _place(one.moved))
        for one in found.files
    ]
    print_table(("file", "z", "watermark", "place"), rows, "No files.")
    if found.z is not None:
        verdict = "found" if found.found else "not found"
        say(styled(f"all together: z {found.z:.1f}, {verdict}"))


def _place(moved: tuple[int, int] | None) -> str:
    return "" if moved is None else f"{moved[0]}, {moved[1]}"
