"""Export and import of images, recordings and duplicates: what goes out comes back, to the bit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

import ragstone
from ragstone.errors import DamagedFile, InvalidArgument, SpaceMismatch
from ragstone.exchange.exporting import export_version
from ragstone.exchange.importing import import_version
from ragstone.exchange.layout import MediaVectors, read_export_file, write_export_file
from ragstone.ingestion.dedup.policy import KEEP_ALL, Policy
from ragstone.ingestion.dedup.settling import Settling
from ragstone.schemas.api import ItemCounts
from ragstone.storage import parts
from ragstone.storage.changes import Change
from ragstone.storage.files import digest_bytes, stamp
from ragstone.storage.living import chunks_in
from ragstone.storage.manifests import MediaSpace
from ragstone.storage.parts import PartRows
from ragstone.storage.sealed import read_sealed, write_sealed
from ragstone.storage.store import Store
from ragstone.workspace import Workspace

TEXT, IMAGE, AUDIO = "granite-00000000", "image.slate-00000000", "audio.chalk-00000000"
DIMENSIONS = {TEXT: 16, IMAGE: 8, AUDIO: 12}
MEDIA = {"image": MediaSpace(IMAGE, "slate"), "audio": MediaSpace(AUDIO, "chalk")}


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk: its words, and what else it is."""

    text: str = ""
    modality: str = "text"
    start: int = 0
    end: int = 0


@dataclass(slots=True)
class Filling:
    """Writes parts of items by hand, with random vectors that are the same every time."""

    store: Store
    change: Change
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(4))
    rows: PartRows = field(default_factory=PartRows)
    spaces: list[str] = field(default_factory=list)

    def item(self, name: str, pieces: list[Piece], payload: bytes = b"") -> None:
        """Add an item of `pieces`; items of equal `payload` are exact duplicates."""
        content = f"the bytes of {name}".encode()
        item_id, text = self.store.blobs.put(content), " ".join(p.text for p in pieces)
        row = {"item_key": self.change.next_item, "item_id": item_id, "media_type": "x/y"}
        row |= {"modality": pieces[0].modality, "title": name, "size": len(content)}
        row |= {"metadata": "{}", "work_key": f"w-{name}", "chunks": len(pieces)}
        self.rows.items.append({**row, "text": text, "content": None})
        source = {"source": f"/quarry/{name}", "name": name, "item_key": row["item_key"]}
        self.rows.sources.append({**source, "source_key": self.change.next_source})
        for kind, algorithm, value in (("payload", "plain", payload), ("odd", "v1", b"\0\xff")):
            if payload:
                named = {"kind": kind, "algorithm": algorithm, "value": value}
                self.rows.signatures.append({"item_key": row["item_key"], **named})
        for ordinal, piece in enumerate(pieces):
            self._chunk(row, ordinal, piece)
        self.change.next_item += 1
        self.change.next_source += 1

    def _chunk(self, item: dict[str, Any], ordinal: int, piece: Piece) -> None:
        tokens = len(piece.text.split())
        row = {"chunk_key": self.change.next_chunk, "item_key": item["item_key"]}
        row |= {"chunk_id": digest_bytes(f"{item['item_id']}/{ordinal}".encode())}
        row |= {"ordinal": ordinal, "start": piece.start, "end": piece.end, "page": None}
        row |= {"heading": "", "tokens": tokens, "text": piece.text, "modality": piece.modality}
        self.rows.chunks.append(row)
        self.change.next_chunk += 1
        self.spaces += [TEXT] if tokens else []
        self.spaces += [MEDIA[piece.modality].space] if piece.modality in MEDIA else []

    def part(self) -> None:
        """Write what was added, and begin anew."""
        found = {
            space: unit(self.random, self.spaces.count(space), dimension)
            for space, dimension in DIMENSIONS.items()
            if space == TEXT or space in self.spaces
        }
        texts = found.pop(TEXT)
        self.change.add_part(self.rows, texts, found)
        self.rows, self.spaces = PartRows(), []


def unit(random: np.random.Generator, rows: int, dimension: int) -> NDArray[np.float32]:
    vectors = random.standard_normal((rows, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def fill(
    store: Store, name: str, write: Callable[[Filling], None], policy: Policy | None = None
) -> None:
    """Commit what `write` adds as the next version of the dataset `name`."""
    with store.change(name, TEXT) as change:
        change.media = {**change.media, **MEDIA}
        write(Filling(store, change))
        store.commit(change, "by hand", "settings", settle=Settling(store, policy))


def every_kind(filling: Filling) -> None:
    """Two parts: with all modalities and an exact duplicate, and with images alone."""
    filling.item("a.txt", [Piece("granite is hard", end=15), Piece("so is gneiss", start=16)])
    filling.item("b.png", [Piece(modality="image")], b"pixels")
    filling.item("c.png", [Piece("a slate roof", "image")], b"other pixels")
    windows = [Piece("", "audio", 0, 10_000), Piece("falling stones", "audio", 9_000, 19_000)]
    filling.item("d.wav", windows, b"samples")
    filling.item("z-copy-of-b.png", [Piece(modality="image")], b"pixels")
    filling.part()
    filling.item("e.png", [Piece(modality="image")], b"more pixels")
    filling.part()


@pytest.fixture(scope="module")
def quarry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with a dataset of every kind; it opens no encoder, and is only read."""
    with ragstone.open(tmp_path_factory.mktemp("quarry"), create=True) as opened:
        fill(opened._store, "quarry", every_kind)
        yield opened


@pytest.fixture(scope="module")
def exported(quarry: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export_version(quarry._store, "quarry", folder)
    return folder


@pytest.fixture
def out(exported: Path, tmp_path: Path) -> Path:
    """The export of it, a copy that may be damaged."""
    return Path(shutil.copytree(exported, tmp_path / "out"))


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Workspace]:
    with ragstone.open(tmp_path / "other", create=True) as opened:
        yield opened


def table(folder: Path, name: str) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted((folder / name).iterdir()))


def held_vectors(store: Store, dataset: str, space: str) -> dict[str, list[float]]:
    """Return the vectors of a dataset's visible chunks in a space, by chunk id."""
    head = store.head(dataset)
    live = chunks_in(store.root, head.parts, head)
    found: dict[str, list[float]] = {}
    for part in head.parts:
        if space in parts.spaces_of(part):
            chunks = parts.read_table(store.root / part.path, "chunks", ["chunk_key", "chunk_id"])
            ids = dict(
                zip(*(chunks[name].to_pylist() for name in chunks.column_names), strict=True)
            )
            keys, vectors = parts.read_embedded(store.root / part.path, space)
            rows = zip(keys.tolist(), vectors.tolist(), strict=True)
            found |= {ids[key]: row for key, row in rows if key in live}
    return found


def nearest(store: Store, dataset: str, space: str) -> list[tuple[str, float]]:
    """Return (chunk id, score) of what a search in `space` finds."""
    head = store.head(dataset)
    assert head.keywords is not None
    query = unit(np.random.default_rng(7), 1, DIMENSIONS[space])[0]
    segments = [segment for segment in head.segments if segment.space == space]
    found = store.segments.search(segments, query, 50, None).pairs()
    rows = store.generations.fetch(head.keywords, [key for key, _ in found])
    return [(rows[key]["chunk_id"], score) for key, score in found]


def names(store: Store, dataset: str) -> list[str]:
    rows = store.live_sources(store.head(dataset)).to_pylist()
    return sorted(Path(row["source"]).name for row in rows)


# ---------------------------------------------------------------- out


def test_every_modality_is_read_by_pyarrow_alone(quarry: Workspace, out: Path) -> None:
    chunks = table(out, "chunks")
    modalities = ["text", "text", "image", "image", "audio", "audio", "image"]
    assert chunks["modality"].to_pylist() == modalities
    worded = [True, True, False, True, False, True, False]
    assert chunks["vector"].is_valid().to_pylist() == worded
    for modality, space in (("image", IMAGE), ("audio", AUDIO)):
        column = chunks[f"{modality}_vector"]
        assert column.type.list_size == DIMENSIONS[space]
        assert column.is_valid().to_pylist() == pc.equal(chunks["modality"], modality).to_pylist()
    for name, space in (("vector", TEXT), ("image_vector", IMAGE), ("audio_vector", AUDIO)):
        rows = zip(chunks["chunk_id"].to_pylist(), chunks[name].to_pylist(), strict=True)
        expected = held_vectors(quarry._store, "quarry", space)
        assert {chunk: vector for chunk, vector in rows if vector} == expected
    assert chunks["start"].to_pylist()[4:6] == [0, 9_000]
    items = table(out, "data").to_pylist()
    assert [item["modality"] for item in items] == ["text", "image", "image", "audio", "image"]
    assert [len(item["signatures"]) for item in items] == [0, 2, 2, 2, 2]
    assert items[1]["signatures"] == [
        {"kind": "payload", "algorithm": "plain", "value": b"pixels"},
        {"kind": "odd", "algorithm": "v1", "value": b"\0\xff"},
    ]


def test_hidden_items_stay_out(quarry: Workspace, out: Path) -> None:
    store = quarry._store
    assert len(store.live_sources(store.head("quarry"), hidden=True)) == 6
    export = read_export_file(out)
    assert (export.items, export.sources, export.originals, export.chunks) == (5, 5, 5, 7)
    copy = digest_bytes(b"the bytes of z-copy-of-b.png")
    assert not list((out / "originals").rglob(f"{copy}*"))
    said = [path for path in out.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    assert not any(b"z-copy" in path.read_bytes() for path in said)
    assert "z-copy" not in str([table(out, "data").to_pylist(), table(out, "chunks").to_pylist()])


def test_ragstone_json_and_the_card_say_spaces_and_policy(quarry: Workspace, out: Path) -> None:
    export = read_export_file(out)
    assert (export.format, export.space, export.dimension) == (2, TEXT, 16)
    assert export.media == {
        "image": MediaVectors(IMAGE, "slate", 8),
        "audio": MediaVectors(AUDIO, "chalk", 12),
    }
    assert export.policy == quarry._store.head("quarry").policy == Policy().as_dict()
    assert json.loads((out / "ragstone.json").read_text())["media"]["image"]["encoder"] == "slate"
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "\ntags:\n- audio\n- image\nconfigs:\n" in card.split("\n---\n")[0]
    assert "| items | 5 (audio 1, image 3, text 1) |" in card
    assert "| `image_vector` | 8 float16 |" in card
    assert f"| `audio_vector` | audio | `{AUDIO}` | chalk | 12 |" in card
    assert "| exact | first | 0 |" in card
    for name in ("data", "chunks"):
        for column in table(out, name).column_names:
            assert f"| `{column}` |" in card


def test_texts_alone_have_no_tags_and_no_further_columns(other: Workspace, tmp_path: Path) -> None:
    def write(filling: Filling) -> None:
        filling.change.media = {}
        filling.item("a.txt", [Piece("granite")])
        filling.part()

    fill(other._store, "texts", write)
    export_version(other._store, "texts", tmp_path / "texts")
    assert "tags:" not in (tmp_path / "texts/README.md").read_text(encoding="utf-8")
    assert table(tmp_path / "texts", "chunks").column_names[-1] == "vector"


# ---------------------------------------------------------------- and in


def test_an_import_brings_all_of_it_back(
    quarry: Workspace, other: Workspace, out: Path, tmp_path: Path
) -> None:
    before, store = quarry._store.head("quarry"), other._store
    result = import_version(store, out, "rocks")
    assert (result.version, result.items, result.chunks) == (1, ItemCounts(added=5), 7)
    head = store.head("rocks")
    assert (head.content, head.chunks, head.items) == (before.content, before.chunks, before.items)
    assert (head.media, head.policy, head.space) == (MEDIA, before.policy, TEXT)
    assert head.hidden == ""
    for space, count in ((TEXT, 4), (IMAGE, 3), (AUDIO, 2)):
        vectors = held_vectors(store, "rocks", space)
        assert vectors == held_vectors(quarry._store, "quarry", space)
        assert len(vectors) == len(nearest(store, "rocks", space)) == count
        assert nearest(store, "rocks", space) == nearest(quarry._store, "quarry", space)
    assert other.doctor().findings == []
    again = export_version(store, "rocks", tmp_path / "again")
    assert again.content == before.content
    for name in ("data", "chunks"):
        assert table(tmp_path / "again", name).equals(table(out, name))
    repeated = import_version(store, out, "rocks")
    assert (repeated.version, repeated.items) == (1, ItemCounts(unchanged=5))


def test_duplicates_of_what_was_imported_are_found(other: Workspace, out: Path) -> None:
    store = other._store
    import_version(store, out, "rocks")

    def write(filling: Filling) -> None:
        filling.item("x.png", [Piece(modality="image")], b"more pixels")
        filling.item("y.png", [Piece(modality="image")], b"new pixels")
        filling.part()

    fill(store, "rocks", write)
    assert names(store, "rocks") == ["a.txt", "b.png", "c.png", "d.wav", "e.png", "y.png"]


def test_the_policy_goes_along_into_a_new_dataset_alone(other: Workspace, tmp_path: Path) -> None:
    store = other._store
    fill(store, "all", every_kind, KEEP_ALL)
    result = export_version(store, "all", tmp_path / "all")
    assert result.items == 6
    import_version(store, tmp_path / "all", "same")
    assert store.head("same").content == result.content
    assert store.head("same").policy == KEEP_ALL.as_dict()

    def write(filling: Filling) -> None:
        filling.item("0.txt", [Piece("basalt")])
        filling.part()

    fill(store, "strict", write)
    import_version(store, tmp_path / "all", "strict")
    assert store.head("strict").policy == Policy().as_dict()
    assert names(store, "strict") == ["0.txt", "a.txt", "b.png", "c.png", "d.wav", "e.png"]


def test_images_without_any_words_go_out_and_in(other: Workspace, tmp_path: Path) -> None:
    def write(filling: Filling) -> None:
        filling.item("b.png", [Piece(modality="image")])
        filling.part()

    store = other._store
    fill(store, "pictures", write)
    export_version(store, "pictures", tmp_path / "pictures")
    export = read_export_file(tmp_path / "pictures")
    assert (export.dimension, export.media["audio"].dimension) == (0, 0)
    import_version(store, tmp_path / "pictures", "again")
    assert store.head("again").content == store.head("pictures").content
    assert nearest(store, "again", IMAGE) == nearest(store, "pictures", IMAGE)
    fill(store, "again", every_kind)  # texts of the dataset's space still come in
    assert len(nearest(store, "again", TEXT)) == 4
    assert other.doctor().findings == []


def test_parts_of_format_1_go_out_and_in(other: Workspace, tmp_path: Path) -> None:
    """They have neither signatures nor modalities, and may lie beside newer ones."""

    def write(filling: Filling) -> None:
        filling.item("old.txt", [Piece("granite is old", end=14)])
        filling.part()
        change, (part,) = filling.change, filling.change.parts
        tables = parts.read_tables(store.root, part)
        older = tables["chunks"].drop_columns(["modality", "from_ms", "to_ms"])
        tables = {**tables, "chunks": older}
        del tables["signatures"]
        vectors = {TEXT: np.array(parts.read_vectors(store.root / part.path, TEXT))}
        old = parts.write_tables(store.root, change.staging, part.id, tables, vectors)
        change.parts = [old]
        every_kind(filling)

    store = other._store
    fill(store, "mixed", write)
    export_version(store, "mixed", tmp_path / "mixed")
    assert table(tmp_path / "mixed", "chunks")["modality"].to_pylist()[0] == "text"
    assert table(tmp_path / "mixed", "data")["signatures"].to_pylist()[0] == []
    import_version(store, tmp_path / "mixed", "again")
    assert store.head("again").content == store.head("mixed").content
    assert nearest(store, "again", TEXT) == nearest(store, "mixed", TEXT)


def test_a_dataset_with_other_images_is_left_alone(other: Workspace, out: Path) -> None:
    store = other._store

    def write(filling: Filling) -> None:
        filling.change.media = {"image": MediaSpace("image.marble-00000000", "marble")}
        filling.item("a.txt", [Piece("granite")])
        filling.part()

    fill(store, "rocks", write)
    before = store.head("rocks").digest
    with pytest.raises(SpaceMismatch, match=r"image\.marble-00000000.*image\.slate-00000000"):
        import_version(store, out, "rocks")
    assert store.head("rocks").digest == before
    assert len(list(store.blobs)) == 1


# ---------------------------------------------------------------- what is not as it was


def test_an_export_of_format_1_is_refused(other: Workspace, out: Path) -> None:
    values = read_sealed(out / "ragstone.json")
    write_sealed(out / "ragstone.json", {**values, "format": 1})
    with pytest.raises(
        InvalidArgument, match=r"format 2 \(it is of format 1, .*export the version"
    ):
        import_version(other._store, out, "rocks")


@pytest.mark.parametrize(
    ("modality", "space"),
    [
        ("image", "image.a/../../b"),
        ("image", "slate-00000000"),
        ("audio", "image.slate-00000000"),
        ("video", "video.slate-00000000"),
        ("text", "../slate"),
    ],
)
def test_a_space_that_is_none_is_refused(
    other: Workspace, out: Path, modality: str, space: str
) -> None:
    """Its name becomes part of the name of a file."""
    export = read_export_file(out)
    if modality == "text":
        forged = replace(export, space=space)
    else:
        forged = replace(export, media={modality: MediaVectors(space, "slate", 8)})
    write_export_file(out, forged)
    with pytest.raises(DamagedFile, match=f"is no embedding space of {modality}"):
        import_version(other._store, out, "rocks")


def rewritten(out: Path, column: str, values: list[Any]) -> None:
    """Write another column of the chunks, with a digest that fits."""
    (path,) = (out / "chunks").iterdir()
    chunks = pq.read_table(path)
    number = chunks.schema.get_field_index(column)
    kind = chunks.schema.field(number)
    pq.write_table(chunks.set_column(number, kind, pa.array(values, kind.type)), path)
    export = read_export_file(out)
    files = {name: stamp(out / name) for name in export.files}
    write_export_file(out, replace(export, files=files))


def test_vectors_where_they_should_not_be_are_refused(other: Workspace, out: Path) -> None:
    """A vector fewer and one more: the count is right, and every vector after them is another's."""
    vectors = table(out, "chunks")["image_vector"].to_pylist()
    rewritten(out, "image_vector", [vectors[2], *vectors[1:2], None, *vectors[3:]])
    with pytest.raises(DamagedFile, match="image_vector is not there where it should be"):
        import_version(other._store, out, "rocks")
    assert other.datasets() == []


def test_a_modality_without_space_is_refused(other: Workspace, out: Path) -> None:
    modalities = table(out, "chunks")["modality"].to_pylist()
    rewritten(out, "modality", [*modalities[:-1], "video"])
    with pytest.raises(DamagedFile, match="of a modality without embedding space"):
        import_version(other._store, out, "rocks")


# ---------------------------------------------------------------- others read it


def test_the_datasets_library_loads_it(out: Path, tmp_path: Path) -> None:
    """With DATASETS_PYTHON: a Python that has the library, which is no dependency."""
    python = os.environ.get("DATASETS_PYTHON") or sys.executable
    if subprocess.run([python, "-c", "import datasets"], capture_output=True).returncode:
        pytest.skip("the library datasets is not installed; DATASETS_PYTHON may name one with it")
    code = (
        "import json, sys\nfrom datasets import load_dataset\n"
        "items = load_dataset(sys.argv[1], split='train', cache_dir=sys.argv[2])\n"
        "chunks = load_dataset(sys.argv[1], 'chunks', split='train', cache_dir=sys.argv[2])\n"
        "vectors = [chunks[name][:] for name in ('vector', 'image_vector', 'audio_vector')]\n"
        "print(json.dumps([vectors, [len(of) for of in items['signatures'][:]]]))\n"
    )
    done = subprocess.run(
        [python, "-c", code, str(out), str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"},
    )
    vectors, signatures = json.loads(done.stdout.splitlines()[-1])
    chunks = table(out, "chunks")
    for name, found in zip(("vector", "image_vector", "audio_vector"), vectors, strict=True):
        assert found == chunks[name].to_pylist()
    assert signatures == [0, 2, 2, 2, 2]
