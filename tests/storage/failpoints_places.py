"""Where an operation of the failpoint harness writes: in the workspace or in a folder beside it."""

from __future__ import annotations

from pathlib import Path

# What is tested is the writing beside the workspace; the workspace itself is only read.
OUTSIDE = {"export", "backup", "backup again"}


def outside(root: Path) -> Path:
    """Return the folder, beside the workspace `root`, that exports and backups are written to."""
    return root.with_name(f"{root.name} outside")


def watched(operation: str, root: Path) -> Path:
    """Return the folder in which the calls of an operation count."""
    return outside(root) if operation in OUTSIDE else root
