"""Which workspace a verb works on, and the way to it: this process, or the server that has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ragstone.client import Client
    from ragstone.workspace import Workspace

# As in ragstone.config and ragstone.storage.owner, which cost imports; a test compares them.
CONFIG_FILE = "ragstone.toml"
OWNER_FILE = "owner.json"
DEFAULT_NAME = "ragstone-workspace"


def locate(context: typer.Context, given: Path | None) -> Path:
    """Return the folder of the workspace a verb means.

    In this order: `--workspace` after the verb, `--workspace` before it, `RAGSTONE_WORKSPACE`, the
    nearest workspace in or above the current folder, `./ragstone-workspace`.
    """
    chosen = given or context.find_root().obj
    return chosen if isinstance(chosen, Path) else nearest(Path.cwd())


def nearest(folder: Path) -> Path:
    """Return the workspace in `folder` or the closest of its parents, else where one would go."""
    for place in (folder, *folder.parents):
        for candidate in (place, place / DEFAULT_NAME):
            if (candidate / CONFIG_FILE).is_file():
                return candidate
    return folder / DEFAULT_NAME


@contextmanager
def opened(context: typer.Context, given: Path | None) -> Iterator[Workspace]:
    """Open the workspace a verb means, and let it go at the end.

    Raises
    ------
    UnknownWorkspace, WorkspaceBusy, InvalidConfig
        As `ragstone.open`.
    """
    import ragstone

    with ragstone.open(locate(context, given)) as workspace:
        yield workspace


@contextmanager
def reached(context: typer.Context, given: Path | None) -> Iterator[Workspace | Client]:
    """As `opened`, but through the server when one has the workspace open."""
    path = locate(context, given)
    if (path / OWNER_FILE).exists():  # only then is it worth the import of an HTTP client
        from ragstone.client import connect, find_server

        if find_server(path) is not None:
            with connect(path) as client:
                yield client
            return
    with opened(context, path) as workspace:
        yield workspace
