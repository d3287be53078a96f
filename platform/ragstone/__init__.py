"""Ragstone: ingest, version, search, and get cited answers.

import ragstone

ws = ragstone.open("my-workspace", create=True)
ws.ingest(["docs/"], dataset="docs")
for hit in ws.search("how do versions work", dataset="docs").hits:
print(hit.rank, hit.source, hit.text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ragstone.client import Client, connect
    from ragstone.opening import open  # noqa: A004
    from ragstone.workspace import Workspace

__version__ = "0.1.0"
__all__ = ["Client", "Workspace", "__version__", "connect", "open"]


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import ragstone` costs nothing."""
    if name == "open":
        from ragstone import opening

        return opening.open
    if name == "Workspace":
        from ragstone import workspace

        return workspace.Workspace
    if name in {"connect", "Client"}:
        from ragstone import client

        return getattr(client, name)
    msg = f"module 'ragstone' has no attribute {name!r}"
    raise AttributeError(msg)
