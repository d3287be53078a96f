"""Answers about a few stones, asked of a real workspace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.schemas.answers import Answer
from ragstone.workspace import Workspace

STONES = {
    "granite.md": "# Granite\n\nGranite resists frost best of all stones. It is hard to cut.\n",
    "slate.txt": "Slate splits into thin plates. Roofs have been covered with slate since 1300.\n",
    "marble.md": "# Marble\n\nMarble bends under its weight in hot weather. Acid eats marble.\n",
    "chalk.txt": "Chalk is soft. Chalk is made of the shells of animals called foraminifera.\n",
}
FROST = "Which stone resists frost best?"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The folder that the stones are ingested from."""
    folder = tmp_path / "sources"
    folder.mkdir()
    for name, text in STONES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def stones(tmp_path: Path, encoder: TextEncoder, sources: Path) -> Iterator[Workspace]:
    """A workspace with the dataset `stones`."""
    with ragstone.open(
        tmp_path / "workspace", create=True, encoder=encoder, ingestion={"workers": 0}
    ) as ws:
        ws.ingest(sources, "stones")
        yield ws


@pytest.fixture
def frost(stones: Workspace) -> Answer:
    """An answer from the dataset."""
    answer = stones.ask(FROST, "stones")
    assert answer.found
    return answer
