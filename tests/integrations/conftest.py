"""A real workspace with two stones, in two versions, for the ways in of other software."""

from __future__ import annotations

from pathlib import Path

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder

GRANITE = """# Granite

Granite is a hard stone made of quartz, feldspar and mica. It forms deep below the surface,
where magma cools slowly over thousands of years.
"""
BASALT = """# Basalt

Basalt is a dark volcanic rock. It cools quickly at the surface, so its crystals are small.
"""
# Words that the encoder does not know are one token each: a chunk of these has many characters.
LONG = "Marl is soft. " + " ".join(f"{number:03}" + "q" * 150 for number in range(60)) + "."


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Path:
    """The folder of a closed workspace with the dataset `rocks`; only for looking."""
    folder = tmp_path_factory.mktemp("library")
    sources = folder / "sources"
    sources.mkdir()
    (sources / "granite.md").write_text(GRANITE, encoding="utf-8")
    (sources / "marl.txt").write_text(LONG, encoding="utf-8")
    workspace = folder / "workspace"
    with ragstone.open(workspace, create=True, encoder=encoder, ingestion={"workers": 0}) as opened:
        opened.ingest([sources], "rocks", message="without basalt")
        (sources / "basalt.md").write_text(BASALT, encoding="utf-8")
        opened.ingest([sources], "rocks")
    return workspace
