"""A server for programs that stay: the one that has the workspace, or one in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ragstone import opening
from ragstone.client import connect, find_server
from ragstone.errors import ServerUnavailable
from ragstone.server.run import running


@contextmanager
def served(path: Path) -> Iterator[None]:
    """Have the workspace at `path` served for the length of a `with` block.

    A server that has it already is used. Else one runs in a thread of this process, so that the
    command line and other programs reach the workspace all the same.

    Raises
    ------
    UnknownWorkspace, WorkspaceBusy
        As `ragstone.open`.
    """
    if _answers(path):
        yield
    else:
        with opening.open(path) as workspace, running(workspace):
            yield


def _answers(path: Path) -> bool:
    """Say whether a server that answers has the workspace."""
    if find_server(path) is None:
        return False
    with connect(path) as client:
        try:
            client.server_version()
        except ServerUnavailable:
            return False
    return True
