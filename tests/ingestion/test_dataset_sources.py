"""Other datasets as sources: versions of this workspace, exports, folders of Hugging Face."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

import ragstone
from ragstone.config import LimitSettings
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument, MalformedInput, UnknownSource, UnreadableInput
from ragstone.ingestion.dataset_sources import DatasetSource, ExportSource, OwnRows
from ragstone.ingestion.options import SourceOptions
from ragstone.ingestion.pages import LISTING
from ragstone.ingestion.parsers import parse
from ragstone.ingestion.sources import open_source
from ragstone.schemas.records import Raw, RowColumns
from ragstone.storage import manifests
from ragstone.storage.manifests import Manifest
from ragstone.workspace import Workspace

GRANITE = "# Granite\n\nA coarse rock of quartz and feldspar."
ROWS = [
    {"id": "r1", "title": "Tuff", "body": "Light.", "year": 1990, "tags": ["x"]},
    {"id": "r2", "title": "", "body": "Slate splits.", "year": 2020, "tags": []},
    {"id": "Basalt", "title": "Basalt", "body": "Basalt is dark.", "year": 2021, "tags": []},
]


def lines(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def manifest_of(root: Path, version: int) -> Manifest:
    (path,) = root.glob(f"datasets/*/versions/{version:06d}.json")
    return manifests.read(path)


def text_of(raw: Raw) -> str:
    content = raw.content if raw.path is None else raw.path.read_bytes()
    assert content is not None
    return parse(raw, content, LimitSettings()).text


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the sources."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, files: Path, encoder: TextEncoder) -> Path:
    """The root of a workspace: version 1 has two files and a copy, 2 has rows, 3 changes a file."""
    root = tmp_path_factory.mktemp("built") / "workspace"
    folder = files / "texts"
    folder.mkdir()
    (folder / "granite.md").write_text(GRANITE)
    (folder / "copy.md").write_text(GRANITE)
    (folder / "gneiss.txt").write_text("Gneiss is banded.")
    with opened(root, encoder) as workspace:
        workspace.ingest(folder, "stones")
        workspace.ingest(lines(files, ROWS), "stones", text=["title", "body"], id="id")
        (folder / "gneiss.txt").write_text("Gneiss is striped.")
        workspace.ingest(folder, "stones")
    return root


@pytest.fixture
def stones(built: Path, tmp_path: Path) -> Path:
    """A copy of that workspace, to do with as one likes."""
    return Path(shutil.copytree(built, tmp_path / "workspace"))


def opened(root: Path, encoder: TextEncoder) -> Workspace:
    return ragstone.open(root, create=True, encoder=encoder, ingestion={"workers": 0})


def test_a_version_gives_its_sources_with_their_bytes(stones: Path, files: Path) -> None:
    source = DatasetSource(stones, manifest_of(stones, 3))
    found = {raw.name: raw for raw in source.raws()}
    assert source.total == len(found) == 6
    assert [raw.source for raw in source.raws()] == [raw.source for raw in source.raws()]
    granite = found["granite.md"]
    assert granite.source == f"dataset:stones#{files / 'texts' / 'granite.md'}"
    assert granite.content == found["copy.md"].content == GRANITE.encode()
    assert parse(granite, GRANITE.encode(), LimitSettings()).title == "Granite"
    assert text_of(found["gneiss.txt"]) == "Gneiss is striped."


def test_rows_are_read_as_they_were(stones: Path) -> None:
    found = {raw.name: raw for raw in DatasetSource(stones, manifest_of(stones, 3)).raws()}
    tuff = found["r1"]
    assert tuff.content == json.dumps(ROWS[0]).encode()
    assert tuff.columns == RowColumns(("title", "body"), "id")
    document = parse(tuff, tuff.content, LimitSettings())
    assert (document.title, document.text) == ("Tuff", "Tuff\n\nLight.")
    assert document.metadata["year"] == 1990
    assert text_of(found["r2"]) == "Slate splits."
    assert text_of(found["Basalt"]) == "Basalt\n\nBasalt is dark."


def test_an_earlier_version_is_what_it_was(stones: Path) -> None:
    first = {raw.name: text_of(raw) for raw in DatasetSource(stones, manifest_of(stones, 1)).raws()}
    assert first["gneiss.txt"] == "Gneiss is banded."
    assert set(first) == {"granite.md", "copy.md", "gneiss.txt"}
    assert DatasetSource(stones, manifest_of(stones, 2)).total == 6


def test_rows_that_do_not_show_their_columns_ask_for_them(stones: Path) -> None:
    given = RowColumns(("body",))
    source = DatasetSource(stones, manifest_of(stones, 3), given)
    assert [raw.columns for raw in source.raws() if raw.columns] == [given] * 3
    made = {"text": "no part of it", "metadata": "{}", "title": "", "content": b'{"a": "b"}'}
    raw = OwnRows(None).raw(Raw("s", "n"), made)
    assert isinstance(raw.problem, MalformedInput)
    assert "name them again" in str(raw.problem)


def test_what_was_erased_is_gone(stones: Path, encoder: TextEncoder) -> None:
    with opened(stones, encoder) as workspace:
        ids = {item.name: item.item_id for item in workspace.items("stones")}
        workspace.forget([ids["r1"]], reason="asked for")
    for version in (2, 3):
        found = {raw.name for raw in DatasetSource(stones, manifest_of(stones, version)).raws()}
        assert "r1" not in found
        assert "r2" in found


def test_a_lost_blob_is_refused_alone(stones: Path) -> None:
    manifest = manifest_of(stones, 3)
    digest = next(iter(sorted((stones / "blobs").glob("??/??/*"))))
    digest.write_bytes(b"changed")
    found = list(DatasetSource(stones, manifest).raws())
    assert 0 < sum(isinstance(raw.problem, UnreadableInput) for raw in found) < len(found)


def test_a_dataset_is_opened_as_the_owner_has_resolved_it(stones: Path) -> None:
    version = DatasetSource(stones, manifest_of(stones, 3))
    assert open_source("dataset:stones@3", datasets={"dataset:stones@3": version}) is version
    with pytest.raises(UnknownSource, match="stones@4"):
        open_source("dataset:stones@4", datasets={"dataset:stones@3": version})


def test_an_export_is_a_source(
    stones: Path, files: Path, tmp_path: Path, encoder: TextEncoder
) -> None:
    target = tmp_path / "out"
    with opened(stones, encoder) as workspace:
        workspace.export("stones", target)
    source = open_source(target)
    assert isinstance(source, ExportSource)
    exported = {raw.name: raw for raw in source.raws()}
    version = {raw.name: raw for raw in DatasetSource(stones, manifest_of(stones, 3)).raws()}
    assert exported.keys() == version.keys()
    for name, raw in exported.items():
        assert text_of(raw) == text_of(version[name])
        assert raw.columns == version[name].columns
    assert exported["r1"].source == f"{target}#{files / 'rows.jsonl'}#r1"


# ---------------------------------------------------------------- Hugging Face datasets

MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def pictures() -> pa.Table:
    cells = [
        {"bytes": b"one", "path": "/data/ann/a.png"},
        {"bytes": b"two", "path": None},
        {"bytes": None, "path": "more/c.png"},
        {"bytes": None, "path": "../../etc/passwd"},
        None,
    ]
    columns = {
        "image": pa.array(cells, MEDIA),
        "label": pa.array([0, 1, 1, 0, 0]),
        "caption": ["A", "B", "C", None, "E"],
        "score": [0.5, 1.0, None, 2.0, 3.0],
    }
    return pa.table(columns)


LABELS = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}


def saved(folder: Path, table: pa.Table, split: str | None = "test", shards: int = 1) -> Path:
    folder.mkdir(parents=True)
    size = -(-len(table) // shards)
    names = [f"data-{n:05d}-of-{shards:05d}.arrow" for n in range(shards)]
    for number, name in enumerate(names):
        part = table.slice(number * size, size)
        with pa.ipc.new_stream(str(folder / name), table.schema) as stream:
            stream.write_table(part, max_chunksize=2)
    files = [{"filename": name} for name in names]
    (folder / "state.json").write_text(json.dumps({"_data_files": files, "_split": split}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": LABELS}))
    return folder


def hub(folder: Path, table: pa.Table, split: str = "train", shards: int = 1) -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    size = -(-len(table) // shards)
    for number in range(shards):
        path = folder / "data" / f"{split}-{number:05d}-of-{shards:05d}.parquet"
        parquet.write_table(table.slice(number * size, size), path)
    return folder


@pytest.mark.parametrize("shards", [1, 2])
def test_pictures_in_a_saved_dataset(tmp_path: Path, shards: int) -> None:
    folder = saved(tmp_path / "d", pictures(), shards=shards)
    (folder / "more").mkdir()
    (folder / "more" / "c.png").write_bytes(b"three")
    source = open_source(folder)
    one, two, three, out, none = source.raws()
    assert source.total == 5
    assert one == Raw(
        f"{folder}#test/0", "a.png", None, b"one", None, {"label": "cat", "score": 0.5}, "A"
    )
    assert (two.name, two.content, two.metadata["label"]) == ("test/1", b"two", "dog")
    assert (three.path, three.metadata) == (folder / "more" / "c.png", {"label": "dog"})
    assert isinstance(out.problem, UnreadableInput)
    assert "not in the folder" in str(out.problem)
    assert "empty" in str(none.problem)


def test_pictures_in_parquet_files_with_labels_in_their_metadata(tmp_path: Path) -> None:
    info = json.dumps({"info": {"features": LABELS}})
    table = pictures().replace_schema_metadata({"huggingface": info})
    folder = hub(tmp_path / "d", table, "train", 2)
    hub(folder, table.slice(0, 1), "test")
    found = list(open_source(folder).raws())
    assert [raw.source.partition("#")[2] for raw in found] == [
        "test/0",
        *(f"train/{n}" for n in range(5)),
    ]
    assert found[2].metadata == {"label": "dog", "score": 1.0}


def test_a_dictionary_of_splits_and_rows_of_text(tmp_path: Path) -> None:
    rows = pa.table({"text": ["Granite", "Gneiss"], "label": [1, 0], "id": ["g", "n"]})
    for split in ("train", "test"):
        saved(tmp_path / "d" / split, rows, None)
    (tmp_path / "d" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    found = list(open_source(tmp_path / "d").raws())
    assert [raw.name for raw in found] == ["train/0", "train/1", "test/0", "test/1"]
    document = parse(found[0], found[0].content or b"", LimitSettings())
    assert (document.text, document.metadata) == ("Granite", {"label": "dog", "id": "g"})
    named = list(open_source(tmp_path / "d", RowColumns(("{text} rock",), "id")).raws())
    assert [raw.source.partition("#")[2] for raw in named] == ["g", "n", "g~2", "n~2"]
    assert text_of(named[0]) == "Granite rock"
    with pytest.raises(InvalidArgument, match="columns of the dataset: text, label, id"):
        open_source(tmp_path / "d", RowColumns(("body",)))


def test_several_media_in_a_row(tmp_path: Path) -> None:
    table = pa.table(
        {
            "image": pa.array([{"bytes": b"i", "path": "i.png"}], MEDIA),
            "audio": pa.array([{"bytes": b"a", "path": "a.wav"}], MEDIA),
            "text": ["both"],
        }
    )
    found = list(open_source(saved(tmp_path / "d", table)).raws())
    assert [(raw.source.partition("#")[2], raw.name, raw.caption) for raw in found] == [
        ("test/0.image", "i.png", "both"),
        ("test/0.audio", "a.wav", "both"),
    ]


def test_tables_without_text_are_documents_and_saved_datasets_ask(tmp_path: Path) -> None:
    table = pa.table({"title": ["x"], "label": [1]})
    found = list(open_source(hub(tmp_path / "h", table)).raws())
    assert [raw.name for raw in found] == ["data/train-00000-of-00001.parquet"]
    with pytest.raises(InvalidArgument, match="title, label"):
        open_source(saved(tmp_path / "s", table))
    (tmp_path / "h" / "data" / "notes.txt").write_text("other files too: an ordinary folder")
    assert len(list(open_source(tmp_path / "h", SourceOptions(columns=None)).raws())) == 2


def test_a_damaged_file_is_refused_where_it_breaks(tmp_path: Path) -> None:
    rows = pa.table({"text": [f"row {n}" * 50 for n in range(400)]})
    folder = saved(tmp_path / "d", rows, shards=2)
    first = folder / "data-00000-of-00002.arrow"
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])
    found = list(open_source(folder).raws())
    broken, after = (raw for raw in found if raw.problem)
    assert broken.name == first.name
    assert isinstance(broken.problem, MalformedInput)
    assert 2 < len(found) < 202
    # The rows of the second file would have the numbers of rows of the first one.
    assert after.name == "data-00001-of-00002.arrow"
    assert "how many rows come before" in str(after.problem)
    assert broken.metadata == after.metadata == {LISTING: True}
    (folder / "state.json").write_text("{}")
    assert all(raw.path for raw in open_source(folder).raws())  # an ordinary folder


def test_a_damaged_parquet_file_that_says_how_many_rows_it_has_costs_itself(tmp_path: Path) -> None:
    rows = pa.table({"text": [f"row {n}" * 50 for n in range(400)]})
    folder = hub(tmp_path / "d", rows, shards=2)
    first = folder / "data" / "train-00000-of-00002.parquet"
    content = bytearray(first.read_bytes())
    content[4:400] = bytes(396)
    first.write_bytes(content)
    found = list(open_source(folder).raws())
    assert [raw.name for raw in found if raw.problem] == [first.name]
    assert found[-1].source == f"{folder}#train/399"
    assert text_of(found[-1]).startswith("row 399")


def test_files_that_a_saved_dataset_promises_are_missed(tmp_path: Path) -> None:
    rows = pa.table({"text": ["Granite", "Gneiss"], "label": [0, 1]})
    for split in ("test", "train"):
        saved(tmp_path / split, rows, shards=2)
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["test", "train"]}))
    (tmp_path / "train" / "data-00001-of-00002.arrow").unlink()
    (tmp_path / "test" / "state.json").unlink()
    found = list(open_source(tmp_path).raws())
    assert [(raw.name, raw.problem is None, LISTING in raw.metadata) for raw in found] == [
        ("test", False, True),
        ("train/0", True, False),
        ("data-00001-of-00002.arrow", False, True),
    ]
    assert json.loads(found[1].content or b"") == {"label": "cat", "text": "Granite"}
