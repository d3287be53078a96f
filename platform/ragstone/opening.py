"""Opening a workspace: `ragstone.open`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragstone.config import CONFIG_FILE, load_settings
from ragstone.errors import UnknownWorkspace
from ragstone.storage.files import make_folder, write_durably
from ragstone.workspace import Workspace

if TYPE_CHECKING:
    from ragstone.encoders.base import TextEncoder

_TEMPLATE = b"""# Settings of this workspace; docs/configuration.md lists all of them.
# [encoder]
# name = "all-MiniLM-L6-v2"
"""


def open(  # noqa: A001
    path: str | Path,
    *,
    create: bool = False,
    encoder: TextEncoder | None = None,
    **settings: Mapping[str, Any],
) -> Workspace:
    """Open the workspace at `path`; this process owns it until `close`.

    Parameters
    ----------
    create
        Make the workspace when there is none.
    encoder
        Used instead of the one in the settings; any object with the methods of `TextEncoder`.
    settings
        Sections that win over `ragstone.toml` and the environment, for example
        `retrieval={"candidates": 50}`.

    Raises
    ------
    UnknownWorkspace
        There is none, and `create` is False.
    WorkspaceBusy
        Another process owns it.
    InvalidConfig
        A setting is unknown or out of bounds.
    """
    root = Path(path).absolute()
    if not (root / CONFIG_FILE).exists():
        if not create:
            raise UnknownWorkspace(root)
        make_folder(root)
        write_durably(root / CONFIG_FILE, _TEMPLATE)
    return Workspace(root, load_settings(root, **settings), encoder, settings)
