"""Captions beside images and recordings: sidecars, tables of captions, metadata of folders."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from ragstone.errors import InvalidArgument
from ragstone.ingestion.options import SourceOptions
from ragstone.ingestion.sources import open_source
from ragstone.schemas.records import Raw


def raws(where: Path, captions: Path | None = None) -> list[Raw]:
    options = SourceOptions(captions=None if captions is None else str(captions))
    return list(open_source(where, options).raws())


def written(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def packed(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for path in folder.rglob("*"):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return target


PICTURES: dict[str, str | bytes] = {
    "a.jpg": b"a",
    "a.txt": " A grey stone.\n",
    "b.PNG": b"b",
    "b.json": '{"caption": "A slate roof", "year": 1999, "by": {"name": "Ann"}, "none": null}',
    "c/d.wav": b"d",
    "c/d.txt": "A hammer.",
    "c/d.json": '{"label": "hammer"}',
    "note.txt": "no picture has this name",
    "c/a.txt": "nor this, in this folder",
}


@pytest.mark.parametrize("as_archive", [False, True])
def test_sidecars_are_no_objects_but_captions(tmp_path: Path, as_archive: bool) -> None:  # noqa: FBT001
    folder = written(tmp_path / "p", PICTURES)
    where = packed(folder, tmp_path / "p.zip") if as_archive else folder
    prefix = "p.zip/" if as_archive else ""
    found = {raw.name.removeprefix(prefix): raw for raw in raws(where)}
    assert set(found) == {"a.jpg", "b.PNG", "c/d.wav", "note.txt", "c/a.txt"}
    assert (found["a.jpg"].caption, found["a.jpg"].metadata) == ("A grey stone.", {})
    assert found["b.PNG"].caption == "A slate roof"
    assert found["b.PNG"].metadata == {"year": 1999, "by": {"name": "Ann"}}
    assert (found["c/d.wav"].caption, found["c/d.wav"].metadata) == (
        "A hammer.",
        {"label": "hammer"},
    )
    assert found["c/a.txt"].caption == ""
    if not as_archive:
        assert open_source(where).total == 5


def test_what_is_no_sidecar_stays_an_object(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        {
            "a.jpg": b"a",
            "a.json": "[1, 2]",
            "b.jpg": b"b",
            "b.json": "{broken",
            "c.jpg": b"c",
            "c.txt": "x" * (2**20 + 1),
            "d.jpg": b"d",
            "d.txt": bytes(range(256)) * 9,
        },
    )
    names = [raw.name for raw in raws(folder)]
    assert names == sorted(p.name for p in folder.iterdir())
    assert not any(raw.caption for raw in raws(folder))


def test_globs_leave_sidecars_where_they_are(tmp_path: Path) -> None:
    folder = written(tmp_path, PICTURES)

    def read(**globs: tuple[str, ...]) -> dict[str, str]:
        found = open_source(folder, SourceOptions(**globs)).raws()  # type: ignore[arg-type]
        return {raw.name: raw.caption for raw in found}

    assert read(include=("*.jpg",)) == {"a.jpg": "A grey stone."}
    assert read(include=("a.*",), exclude=("*.txt",)) == {"a.jpg": ""}


def test_a_table_of_captions(tmp_path: Path) -> None:
    folder = written(tmp_path / "d", {"x/a.jpg": b"a", "x/b.jpg": b"b", "c.jpg": b"c"})
    table = tmp_path / "d" / "captions.csv"
    lines = ["image,number,caption,code", "a.jpg,0,One,007", "x/b.jpg,0,First,1", "a.jpg,1,Two,007"]
    table.write_text("\n".join(lines))
    found = {raw.name: raw for raw in raws(folder, table)}
    assert set(found) == {"x/a.jpg", "x/b.jpg", "c.jpg"}  # the table itself is none
    assert found["x/a.jpg"].caption == "One\nTwo"
    assert found["x/a.jpg"].metadata == {"number": [0, 1], "code": "007"}
    assert (found["x/b.jpg"].caption, found["x/b.jpg"].metadata) == (
        "First",
        {"number": 0, "code": 1},
    )
    assert found["c.jpg"] == Raw(str(folder / "c.jpg"), "c.jpg", folder / "c.jpg")
    archived = raws(packed(folder, tmp_path / "d.zip"), table)[-2:]
    assert [raw.caption for raw in archived] == ["One\nTwo", "First"]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_tables_of_any_kind_and_longer_paths_first(tmp_path: Path, ending: str) -> None:
    folder = written(tmp_path / "d", {"l/0.png": b"1", "r/0.png": b"2", "0.png": b"3"})
    rows = [
        {"file": "./l/0.png", "label": "left", "n": 1},
        {"file": "d\\r\\0.png", "label": "right", "n": 2},
        {"file": "0.png", "label": "any", "n": 3},
    ]
    table = tmp_path / f"t.{ending}"
    if ending == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), table)
    elif ending == "jsonl":
        table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        table.write_text("file,label,n\n./l/0.png,left,1\nd\\r\\0.png,right,2\n0.png,any,3\n")
    labels = {raw.name: raw.metadata for raw in raws(folder, table)}
    assert labels == {
        "l/0.png": {"label": "left", "n": 1},
        "r/0.png": {"label": "right", "n": 2},
        "0.png": {"label": "any", "n": 3},
    }


def test_sidecar_and_table_go_together(tmp_path: Path) -> None:
    folder = written(tmp_path / "d", {"a.jpg": b"a", "a.json": '{"caption": "Own", "x": 1}'})
    table = tmp_path / "t.csv"
    table.write_text("path,text,x,y\na.jpg,From the table,2,3\n")
    (raw,) = raws(folder, table)
    assert raw.caption == "Own\nFrom the table"
    assert raw.metadata == {"x": 1, "y": 3}


def test_tables_that_cannot_say_anything(tmp_path: Path) -> None:
    folder = written(tmp_path, {"a.jpg": b"a", "t.csv": "a,b\n1,2\n"})
    for wrong, why in (("t.csv", "it has: a, b"), ("a.jpg", "Parquet"), ("gone.csv", "Parquet")):
        with pytest.raises(InvalidArgument, match=why):
            raws(folder, tmp_path / wrong)


@pytest.mark.parametrize("as_archive", [False, True])
def test_the_metadata_of_an_image_folder(tmp_path: Path, as_archive: bool) -> None:  # noqa: FBT001
    files: dict[str, str | bytes] = {
        "train/metadata.csv": "file_name,text,label\na.png,An A,1\nsub/b.png,A B,2\n",
        "train/a.png": b"a",
        "train/sub/b.png": b"b",
        "test/metadata.jsonl": '{"file_name": "a.png", "text": "Other"}\n',
        "test/a.png": b"c",
        "docs/metadata.csv": "file_name,text\na.png,no image below\n",
        "pics/metadata.csv": "who,what\nx,y\n",
        "pics/z.png": b"z",
    }
    folder = written(tmp_path / "d", files)
    where = packed(folder, tmp_path / "d.zip") if as_archive else folder
    found = {raw.name.removeprefix("d.zip/"): raw for raw in raws(where)}
    assert {name: raw.caption for name, raw in found.items()} == {
        "docs/metadata.csv": "",
        "pics/metadata.csv": "",
        "pics/z.png": "",
        "test/a.png": "Other",
        "train/a.png": "An A",
        "train/sub/b.png": "A B",
    }
    assert found["train/sub/b.png"].metadata == {"label": 2}


def test_captions_of_real_pictures(data: Path) -> None:
    folder = data / "flickr8k_1000"
    options = SourceOptions(captions=str(folder / "captions.csv"), include=("*.jpg",))
    found = list(open_source(folder, options).raws())
    assert len(found) == 1_000
    assert all(len(raw.caption.splitlines()) in (4, 5) for raw in found)
