"""A dataset is indexed with the static encoder, searched, and moved to the full one later."""

from __future__ import annotations

from pathlib import Path

import pytest

import ragstone
from ragstone.encoders.static_files import STATIC_MODEL

NOTES = {
    "water.md": "Water boils at 100 degrees at the level of the sea.",
    "granite.md": "Granite is a hard stone that resists frost and rain.",
    "violin.md": "The orchestra tuned its violins before the concert began.",
}


def test_index_now_search_at_once_and_reembed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for name, text in NOTES.items():
        (notes / name).write_text(text)
    monkeypatch.setenv("RAGSTONE_ENCODER__NAME", STATIC_MODEL)
    path = tmp_path / "workspace"
    with ragstone.open(path, create=True, ingestion={"workers": 0}) as workspace:
        workspace.ingest(notes, "d")

        def first(dataset: str) -> str:
            hits = workspace.search("musicians rehearsing", dataset, mode="vector").hits
            return Path(hits[0].source).name

        assert first("d") == "violin.md"
        moved = workspace.reembed("d", "all-MiniLM-L6-v2")
        assert moved.switched
        assert moved.space_before.startswith("all-minilm-l6-v2-static-")
        assert moved.space == "all-minilm-l6-v2-53aa5117"
        assert (first("d"), first("d@1")) == ("violin.md", "violin.md")
        again = workspace.ingest(notes, "d")
        assert again.items.unchanged == 3
