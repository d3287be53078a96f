"""Text that stands in images and recordings: chunks of their items, with places and times."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from PIL import Image, ImageDraw, ImageFont

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import EncoderUnavailable, Unavailable
from ragstone.schemas.api import ItemCounts, ItemDetail
from ragstone.workspace import Workspace
from tests.encoders import small_whisper

SAID = ("stone", "house", "water", "stone")
CAPTION = "A recording from the quarry."
WRITTEN = "Invoice 4711 of 12 March 2024"


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_whisper.save(tmp_path_factory.mktemp("networks") / "whisper-pebble")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    soundfile.write(folder / "quarry.wav", small_whisper.tones(*SAID), small_whisper.RATE)
    (folder / "quarry.txt").write_text(CAPTION)
    (folder / "notes.md").write_text("Notes of the day.")
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture = Image.new("RGB", (900, 160), "white")
    font = ImageFont.load_default(32)
    ImageDraw.Draw(picture).text((40, 50), WRITTEN, "black", font)
    picture.save(folder / "invoice.png")
    Image.linear_gradient("L").save(folder / "plain.png")
    return folder


@pytest.fixture
def reopened(
    tmp_path: Path, encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """A function that opens the workspace with other settings; the one before is closed."""
    opened: list[Workspace] = []

    def reopen(workers: int = 0, **settings: Any) -> Workspace:
        for before in opened:
            before.close()
        for name in ("transcripts", "ocr"):
            monkeypatch.setenv(f"RAGSTONE_ENCODER__{name.upper()}", settings.pop(name, ""))
        sections: dict[str, Any] = {"ingestion": {"workers": workers}, **settings}
        path = tmp_path / "workspace"
        opened.append(ragstone.open(path, create=True, encoder=encoder, **sections))
        return opened[-1]

    yield reopen
    for workspace in opened:
        workspace.close()


def item_of(workspace: Workspace, name: str, dataset: str = "d") -> ItemDetail:
    (found,) = [item for item in workspace.items(dataset) if item.name == name]
    shown = workspace.show(found.item_id)
    assert isinstance(shown, ItemDetail)
    return shown


def test_what_is_said_is_text_with_times(reopened: Any, recordings: Path, whisper: Path) -> None:
    workspace = reopened(transcripts=str(whisper))
    workspace.ingest([recordings], "d")
    item = item_of(workspace, "quarry.wav")
    assert item.text == f"{CAPTION}\n\n{' '.join(SAID)}"
    caption, transcript, *windows = item.chunks
    assert (caption.text, caption.from_ms, caption.to_ms) == (CAPTION, None, None)
    assert (transcript.text, transcript.from_ms, transcript.to_ms) == (" ".join(SAID), 0, 6_000)
    assert [(w.modality, w.text, w.from_ms, w.to_ms) for w in windows] == [("audio", "", 0, 6_000)]
    assert item.metadata["found_text"]["start"] == len(CAPTION) + 2
    hit = workspace.search("house water", "d", mode="keyword").hits[0]
    assert (hit.name, hit.from_ms, hit.to_ms) == ("quarry.wav", 0, 6_000)
    assert hit.text == item.text[hit.start : hit.end]
    again = workspace.ingest([recordings], "d")
    assert again.items == ItemCounts(unchanged=2)


def test_transcripts_that_are_asked_for_later_cost_the_recordings_alone(
    reopened: Any, recordings: Path, whisper: Path
) -> None:
    reopened().ingest([recordings], "d")
    workspace = reopened(transcripts=str(whisper))
    result = workspace.ingest([recordings], "d")
    assert result.items == ItemCounts(updated=1, unchanged=1)
    assert item_of(workspace, "quarry.wav").text.endswith(" ".join(SAID))
    assert workspace.search("stone", "d", mode="keyword").hits
    assert not workspace.search("stone", "d@1", mode="keyword").hits


def test_a_copy_of_a_dataset_keeps_the_caption_apart_from_the_transcript(
    reopened: Any, recordings: Path, whisper: Path
) -> None:
    workspace = reopened(transcripts=str(whisper))
    workspace.ingest([recordings], "d")
    workspace.ingest(["dataset:d"], "again")
    assert item_of(workspace, "quarry.wav", "again").text == item_of(workspace, "quarry.wav").text
    workspace = reopened()
    workspace.ingest(["dataset:d"], "bare")
    hits = workspace.search("quarry house", "bare", mode="keyword").hits
    assert {hit.text for hit in hits} == {CAPTION, ""}
    assert not any("found_text" in hit.metadata for hit in hits)


def test_transcripts_travel_with_an_export(
    reopened: Any, recordings: Path, whisper: Path, tmp_path: Path
) -> None:
    workspace = reopened(transcripts=str(whisper))
    workspace.ingest([recordings], "d")
    workspace.export("d", tmp_path / "export")
    workspace.import_dataset(tmp_path / "export", "copy")
    first, second = (item_of(workspace, "quarry.wav", name) for name in ("d", "copy"))
    assert [(c.text, c.from_ms, c.to_ms) for c in first.chunks] == [
        (c.text, c.from_ms, c.to_ms) for c in second.chunks
    ]


def test_a_network_that_is_not_there_is_said_before_anything_is_read(
    reopened: Any, recordings: Path, tmp_path: Path
) -> None:
    workspace = reopened(transcripts=str(tmp_path / "nowhere"))
    with pytest.raises(EncoderUnavailable, match="nowhere"):
        workspace.ingest([recordings], "d")
    assert workspace.datasets() == []


def test_cues_of_subtitles_have_their_times(reopened: Any, tmp_path: Path) -> None:
    (tmp_path / "film.srt").write_text(
        "1\n00:00:01,000 --> 00:00:04,500\nThe stone house at the edge of the old quarry.\n\n"
        "2\n01:00:05,000 --> 01:00:07,250\nIt stands on a rock above the river and the road.\n"
    )
    workspace = reopened(chunking={"max_tokens": 16, "context_tokens": 0})
    workspace.ingest([tmp_path / "film.srt"], "d")
    times = [(c.text, c.from_ms, c.to_ms) for c in item_of(workspace, "film.srt").chunks]
    assert times == [
        ("The stone house at the edge of the old quarry.", 1_000, 4_500),
        ("It stands on a rock above the river and the road.", 3_605_000, 3_607_250),
    ]


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
@pytest.mark.parametrize("workers", [0, 1])
def test_text_in_an_image_is_a_chunk_of_it(reopened: Any, pictures: Path, workers: int) -> None:
    (pictures / "invoice.txt").write_text("Scanned by hand.")
    reopened().ingest([pictures], "d")
    workspace = reopened(workers, ocr="eng")
    result = workspace.ingest([pictures], "d")
    assert result.items == ItemCounts(updated=2)
    item = item_of(workspace, "invoice.png")
    assert [(c.modality, c.text) for c in item.chunks] == [
        ("image", "Scanned by hand."),
        ("text", WRITTEN),
    ]
    assert item.metadata["found_text"]["by"].startswith("tesseract")
    assert workspace.search("invoice 4711", "d", mode="keyword").hits[0].name == "invoice.png"
    assert item_of(workspace, "plain.png").text == ""
    assert workspace.ingest([pictures], "d").items == ItemCounts(unchanged=2)


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_a_scan_is_read_once_there_is_a_reader(reopened: Any, tmp_path: Path) -> None:
    font = ImageFont.load_default(32)
    pages = [Image.new("RGB", (900, 600), "white") for _ in range(3)]
    for page, text in zip(pages, (WRITTEN, "", "Second paragraph of it"), strict=True):
        ImageDraw.Draw(page).text((60, 80), text, "black", font)
    scan = tmp_path / "scan.pdf"
    pages[0].save(scan, save_all=True, append_images=pages[1:], resolution=100)
    refused = reopened().ingest([scan], "d")
    assert [entry.code for entry in refused.quarantine] == ["needs_ocr"]
    workspace = reopened(ocr="eng")
    workspace.retry_quarantined("d")
    assert workspace.quarantine("d") == []
    item = item_of(workspace, "scan.pdf")
    assert item.text == f"{WRITTEN}\n\nSecond paragraph of it"
    assert item.metadata["ocr_pages"] == [1, 3]
    assert item.metadata["language"] == "en"


def test_reading_text_without_the_program_is_said_at_once(
    reopened: Any, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ragstone.ingestion.parsers.image import text_reader

    text_reader.cache_clear()
    monkeypatch.setenv("PATH", "")
    workspace = reopened(ocr="eng")
    with pytest.raises(Unavailable, match="tesseract"):
        workspace.ingest([pictures], "d")


def test_the_place_of_a_photograph_is_kept_only_when_asked_for(
    reopened: Any, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 0.0), 3: "E", 4: (16.0, 22.0, 0.0)})
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.linear_gradient("L").save(folder / "a.jpg", exif=exif)
    workspace = reopened()
    workspace.ingest([folder], "d")
    assert "gps" not in json.dumps(item_of(workspace, "a.jpg").metadata)
    workspace = reopened(ingestion={"workers": 0, "keep_gps": True})
    assert workspace.ingest([folder], "d").items == ItemCounts(updated=1)
    assert item_of(workspace, "a.jpg").metadata["gps"]["latitude"] == pytest.approx(48.2)
