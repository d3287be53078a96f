"""Files, folders and tables as sources of raw objects."""

from __future__ import annotations

import gzip
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

import ragstone
from ragstone.config import LimitSettings
from ragstone.errors import EmptyInput, InvalidArgument, MalformedInput, UnknownSource
from ragstone.ingestion.ledger import covered
from ragstone.ingestion.options import SourceOptions
from ragstone.ingestion.parsers import parse
from ragstone.ingestion.sources import open_source, scheme_of, source_prefix
from ragstone.schemas.records import Document, Raw, RowColumns
from ragstone.storage.owner import OWNER_FILE

BEIR = RowColumns(text=("title", "text"), name="_id")


def raws(path: Path, columns: RowColumns | None = None) -> list[Raw]:
    return list(open_source(path, columns).raws())


def document(raw: Raw) -> Document:
    assert raw.content is not None
    return parse(raw, raw.content, LimitSettings())


def test_single_file_is_named_by_its_file_name(tmp_path: Path) -> None:
    file = tmp_path / "a b.txt"
    file.write_text("x")
    source = open_source(str(file), None)
    assert source.total == 1
    assert list(source.raws()) == [Raw(source=str(file), name="a b.txt", path=file)]


def test_folder_is_walked_in_sorted_order_without_hidden_entries(tmp_path: Path) -> None:
    for name in ("b/2.txt", "b/1.txt", "a.txt", "c.txt", ".git/config", ".hidden", "b/.x/y.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert [raw.name for raw in raws(tmp_path)] == ["a.txt", "b/1.txt", "b/2.txt", "c.txt"]
    assert open_source(tmp_path, None).total == 4


def test_links_are_not_followed_out_of_the_folder_nor_round_in_circles(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (inside / "a.txt").write_text("a")
    (inside / "out").symlink_to(outside)
    (inside / "out.txt").symlink_to(outside / "secret.txt")
    (inside / "circle").symlink_to(inside)
    (inside / "self").symlink_to(inside / "self")
    (inside / "alias.txt").symlink_to(inside / "a.txt")
    assert [raw.name for raw in raws(inside)] == ["a.txt", "alias.txt"]


def test_what_a_workspace_keeps_is_not_taken_in(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "inner"):  # the workspace is the folder, or lies in it
        root.mkdir(exist_ok=True)
        (root / "paper.txt").write_text("Granite")
        (root / "notes").mkdir()
        (root / "notes" / "datasets").write_text("a file of the person's own")
        with ragstone.open(root, create=True):  # what it keeps is there to be met
            assert (root / OWNER_FILE).exists()
            found = [raw.name for raw in raws(tmp_path)]
    own = ["notes/datasets", "paper.txt"]
    assert found == [f"inner/{name}" for name in own] + own


def test_names_that_are_not_utf8_can_be_stored(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "a.txt").write_text("x")
    (folder / "r.jsonl").write_text('{"_id": "\\udcff", "text": "A"}\n')
    found = raws(tmp_path, BEIR)
    assert [raw.name for raw in found] == ["caf\\xe9/a.txt", "\ufffd"]
    assert all((raw.source + raw.name).encode() for raw in found)
    assert found[0].path == folder / "a.txt"


def test_special_files_are_yielded_and_never_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # the path of a socket may be 108 bytes long at most
        server.bind("socket")
        assert [raw.name for raw in raws(tmp_path)] == ["pipe.jsonl", "socket"]
        (tmp_path / "rows.jsonl").write_text('{"text": "t"}\n')
        found = raws(tmp_path, RowColumns(text=("text",)))
    assert [raw.name for raw in found] == ["pipe.jsonl", "1", "socket"]


@pytest.mark.parametrize("where", ["gone.txt", "gone/", "\0"])
def test_unknown_path(tmp_path: Path, where: str) -> None:
    with pytest.raises(UnknownSource, match="nothing to read"):
        open_source(tmp_path / where, None)


def test_json_lines_become_rows_with_their_bytes_as_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "corpus.jsonl"
    first = '{"_id": 7, "title": "T",  "text": "One.", "year": 1999}'
    file.write_bytes(f'\ufeff{first}\r\n\n{{"_id": null, "text": "Two."}}'.encode())
    one, two = raws(file, BEIR)
    assert one == Raw(f"{file}#7", "7", None, first.encode(), BEIR)
    assert (two.source, two.name) == (f"{file}#2", "2")
    parsed = document(one)
    assert parsed.title == "T"
    assert parsed.text == "T\n\nOne."
    assert parsed.metadata == {"year": 1999}


def test_a_broken_line_is_yielded_and_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl"
    file.write_text('{"_id": "a", "text": "A"}\n{"_id": "b", "te\n[1]\n{"_id": "c", "text": "C"}\n')
    found = raws(file, BEIR)
    assert [raw.name for raw in found] == ["a", "2", "3", "c"]
    with pytest.raises(MalformedInput, match="JSON"):
        document(found[1])
    with pytest.raises(MalformedInput, match="object is expected, not list"):
        document(found[2])
    assert document(found[3]).text == "C"


def test_equal_ids_stay_apart(tmp_path: Path) -> None:
    file = tmp_path / "c.ndjson"
    file.write_text('{"_id": 1, "text": "A"}\n{"_id": "1", "text": "B"}\n{"_id": 1, "text": "C"}\n')
    found = raws(file, BEIR)
    assert [raw.source for raw in found] == [f"{file}#1", f"{file}#1~2", f"{file}#1~3"]
    assert {raw.name for raw in found} == {"1"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_csv_rows_in_any_dialect(tmp_path: Path, delimiter: str, encoding: str) -> None:
    file = tmp_path / "t.csv"
    lines = [
        "_id,title,text,note",
        '1,Tür,"Käse, und\nBrot",x',
        "2,Größe,Straße,",
        "",
        "3,z,ü,y,extra",
    ]
    text = "\r\n".join(lines).replace('"Käse, und', '"Käse und').replace(",", delimiter)
    file.write_bytes(text.encode(encoding))
    found = raws(file, BEIR)
    assert [raw.name for raw in found] == ["1", "2", "3"]
    first = document(found[0])
    assert (first.title, first.text) == ("Tür", "Tür\n\nKäse und\nBrot")
    assert first.metadata == {"note": "x"}
    assert document(found[2]).metadata["column 5"] == "extra"


def test_parquet_rows_keep_their_types(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    rows = {"_id": [1, 2], "text": ["A", None], "score": [0.5, 1.5], "tags": [["x"], []]}
    parquet.write_table(pa.table(rows), file)
    one, two = raws(file, RowColumns(text=("text",), name="_id"))
    assert json.loads(one.content or b"") == {"_id": 1, "score": 0.5, "tags": ["x"], "text": "A"}
    assert document(one).metadata == {"score": 0.5, "tags": ["x"]}
    with pytest.raises(EmptyInput):
        document(two)


def test_packed_tables_are_read_and_a_cut_off_one_yields_the_file_at_its_end(
    tmp_path: Path,
) -> None:
    file = tmp_path / "c.jsonl.gz"
    lines = "".join(f'{{"_id": {n}, "text": "row {n} {n**9}"}}\n' for n in range(20_000))
    packed = gzip.compress(lines.encode())
    file.write_bytes(packed)
    assert len(raws(file, BEIR)) == 20_000
    file.write_bytes(packed[: len(packed) // 2])
    found = raws(file, BEIR)
    assert 1_000 < len(found) < 20_000
    assert (found[-1].source, found[-1].name) == (str(file), "c.jsonl.gz")
    assert isinstance(found[-1].problem, MalformedInput)
    assert "jsonl file: Compressed file ended" in str(found[-1].problem)


def test_missing_text_column_names_those_there_are(tmp_path: Path) -> None:
    file = tmp_path / "c.csv"
    file.write_text("id,body\n1,x\n")
    with pytest.raises(InvalidArgument, match=r"'title,text'.*id, body"):
        open_source(file, BEIR)
    (tmp_path / "d.jsonl").write_text('{"words": "x"}\n')
    with pytest.raises(InvalidArgument, match="words"):
        open_source(tmp_path / "d.jsonl", BEIR)
    (tmp_path / "note.txt").write_text("x")
    with pytest.raises(InvalidArgument, match="only with a table"):
        open_source(tmp_path / "note.txt", BEIR)


def test_tables_without_rows(tmp_path: Path) -> None:
    (tmp_path / "head.csv").write_text("title,text\n")
    parquet.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "none.parquet")
    assert raws(tmp_path, BEIR) == []
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InvalidArgument, match="columns of the table: it has none"):
        open_source(tmp_path / "empty.csv", BEIR)


def test_a_table_that_cannot_be_read_is_yielded_for_its_own_reason(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert [raw.name for raw in raws(tmp_path / "pipe.jsonl", BEIR)] == ["pipe.jsonl"]


def test_no_row_is_taken_for_another_with_a_number_in_its_id(tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl"
    ids = ["a", "a", "a~2", "a", "2", None]  # the last has its place, 6, for a name
    file.write_text("".join(json.dumps({"_id": i, "text": "x"}) + "\n" for i in ids))
    sources = [raw.source.removeprefix(f"{file}#") for raw in raws(file, BEIR)]
    assert sources == ["a", "a~2", "a~2~2", "a~3", "2", "6"]


def test_columns_without_a_name_of_their_own_keep_their_values(tmp_path: Path) -> None:
    file = tmp_path / "c.csv"
    file.write_text("text,text,,year\nA,B,C,1900\n")
    (row,) = raws(file, RowColumns(text=("text",)))
    assert document(row).text == "A"
    assert document(row).metadata == {"column 2": "B", "column 3": "C", "year": 1900}


def test_metadata_can_be_stored_as_json_whatever_a_row_holds() -> None:
    content = b'{"text": "A", "x": NaN, "y": 1e999, "z": {"k\\ud800": ["\\udfff", -Infinity]}}'
    metadata = document(Raw("s", "a", None, content, BEIR)).metadata
    assert json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode()
    assert metadata == {"z": {"k\ufffd": ["\ufffd", None]}}


def test_a_row_without_text_column_is_rejected_alone(tmp_path: Path) -> None:
    file = tmp_path / "c.jsonl"
    file.write_text('{"x": 1}\n{"text": "A"}\n')
    first, second = raws(file, BEIR)
    with pytest.raises(EmptyInput, match="no column title, text; its columns: x"):
        document(first)
    assert document(second).text == "A"


def test_in_a_folder_tables_without_the_columns_stay_one_object(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "a", "text": "A"}\n')
    (tmp_path / "qrels.tsv").write_text("q\td\n1\t2\n")
    (tmp_path / "README.md").write_text("# R")
    source = open_source(tmp_path, BEIR)
    assert source.total is None
    assert [raw.name for raw in source.raws()] == ["README.md", "a", "qrels.tsv"]


def test_without_columns_tables_are_documents(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "a", "text": "A"}\n')
    assert raws(tmp_path)[0].content is None


def test_nested_metadata_is_merged_and_name_and_text_are_left_out() -> None:
    row = {"_id": "a", "text": "A", "title": "T", "metadata": {"year": 1, "x": 2}, "x": 3}
    raw = Raw("s", "a", None, json.dumps(row).encode(), BEIR, {"run": "r"})
    assert document(raw).metadata == {"year": 1, "x": 3, "run": "r"}


# ---------------------------------------------------------------- which files are read

TREE = (
    "a.txt a.md sub/a.txt sub/b.MD sub/deep/c.txt sub/deep/d.md build/x.txt docs/build/y.txt "
    "docs/z.txt .env/q.txt [x].txt ab.txt"
).split()


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"include": ("*.md",)}, "a.md sub/deep/d.md"),
        ({"include": ("/*.txt",)}, "[x].txt a.txt ab.txt"),
        ({"include": ("sub/*.txt",)}, "sub/a.txt"),
        ({"include": ("sub/**/*.txt",)}, "sub/a.txt sub/deep/c.txt"),
        ({"include": ("**/deep",)}, "sub/deep/c.txt sub/deep/d.md"),
        ({"include": ("sub/**",), "exclude": ("*.md",)}, "sub/a.txt sub/b.MD sub/deep/c.txt"),
        ({"include": ("a.???", "d.[a-m][c-e]")}, "a.txt sub/a.txt sub/deep/d.md"),
        ({"include": ("[!a]*.txt",), "exclude": ("sub", "docs", "build")}, "[x].txt"),
        ({"include": ("[[]x].txt",)}, "[x].txt"),
        ({"include": ("a*.txt",), "exclude": ("/a.txt",)}, "ab.txt sub/a.txt"),
        (
            {"include": ("**",), "exclude": ("build/", "sub/", "*.md")},
            "[x].txt a.txt ab.txt docs/z.txt",
        ),
        ({"include": ("/build",)}, "build/x.txt"),
        ({"include": ("docs/build",)}, "docs/build/y.txt"),
        ({"include": (".env/*",)}, ""),
        ({"include": (".env/*",), "hidden": True}, ".env/q.txt"),
        ({"include": ("nothing",)}, ""),
    ],
)
def test_globs(tmp_path: Path, options: dict[str, Any], names: str) -> None:
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    source = open_source(tmp_path, SourceOptions(**options))
    found = [raw.name for raw in source.raws()]
    assert sorted(found) == sorted(names.split())
    assert source.total == len(found)


def test_what_is_excluded_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "big" / "below").mkdir(parents=True)
    (tmp_path / "a.txt").write_text("a")
    looked: list[Path] = []
    listed = Path.iterdir

    def look(path: Path) -> Iterator[Path]:
        looked.append(path)
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", look)
    names = [raw.name for raw in open_source(tmp_path, SourceOptions(exclude=("big/",))).raws()]
    assert names == ["a.txt"]
    assert looked == [tmp_path]


@pytest.mark.parametrize("glob", ["", "/", "!a", "[z-a]", " "])
def test_globs_that_are_none(tmp_path: Path, glob: str) -> None:
    for name in ("include", "exclude"):
        with pytest.raises(InvalidArgument, match=f"{name} is .*a glob such as"):
            open_source(tmp_path, SourceOptions(**{name: (glob,)}))  # type: ignore[arg-type]


def test_a_file_that_is_named_is_read_whatever_the_globs(tmp_path: Path) -> None:
    file = tmp_path / ".hidden.txt"
    file.write_text("x")
    source = open_source(file, SourceOptions(include=("*.md",)))
    assert [raw.name for raw in source.raws()] == [".hidden.txt"]


def test_links_that_lead_out_are_followed_when_asked(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a.txt").write_text("a")
    (inside / "out").symlink_to(outside)
    (outside / "back").symlink_to(inside)
    (outside / "circle").symlink_to(outside)
    (inside / "again").symlink_to(outside)
    (inside / "gone.txt").symlink_to(tmp_path / "gone.txt")
    (inside / "self").symlink_to(inside / "self")
    assert [raw.name for raw in raws(inside)] == ["a.txt"]
    found = open_source(inside, SourceOptions(follow=True)).raws()
    assert [raw.name for raw in found] == ["a.txt", "out/a.txt"]  # each folder once


@pytest.mark.parametrize(
    ("where", "scheme"),
    [
        ("docs", None),
        ("/docs/a:b", None),
        ("C:/docs", None),
        ("notes: draft.txt", None),
        (Path("dataset:x"), None),
        ("dataset:x@1", "dataset"),
        ("SQLite:///x.db", "sqlite"),
        ("postgresql+pg8000://h/d", "postgresql+pg8000"),
        ("sitemap:https://x.org/s.xml", "sitemap"),
        ("https://x.org", "https"),
        ("s3://bucket/key", "s3"),
    ],
)
def test_places_are_told_by_their_form(where: str | Path, scheme: str | None) -> None:
    assert scheme_of(where) == scheme


def test_sources_of_a_place_begin_alike(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert source_prefix(tmp_path / "link") == str(tmp_path / "real")
    assert source_prefix("dataset:x@7") == "dataset:x"
    table = SourceOptions(table="a b")
    assert source_prefix("postgresql://u:p@h/d", table) == "postgresql://h/d?table=a%20b"
    assert source_prefix("postgresql://u:p@h/d") == "postgresql://h/d"
    assert source_prefix(f"sqlite:{tmp_path}/link/x.db") == f"sqlite:///{tmp_path}/real/x.db"
    assert source_prefix("https://x.org/a") == "https://x.org/a"
    sitemaps = ("sitemap:HTTPS://X.org:443/", "https://X.org/sitemap.xml", "sitemap:what")
    assert [source_prefix(where) for where in sitemaps] == [
        "sitemap:https://x.org/",
        "sitemap:https://x.org/sitemap.xml",
        "sitemap:what",
    ]
    pages = ["https://x.org/a", "http://www.x.org:8080/a", "https://sub.x.org/", "https://y.org/a"]
    of_site = [covered(page, ["sitemap:https://www.x.org/"]) for page in pages]
    assert of_site == [True, True, True, False]
    assert not covered("/files/x.org", ["sitemap:https://x.org/"])
    assert not covered("https://x.org/a", ["sitemap:what"])
    assert not covered("http://[x", ["sitemap:https://x.org/"])
    below = ["/docs/a.txt", "/docs#train/0", "/docs"]
    assert [covered(source, ["/docs/"]) for source in below] == [True, False, False]


def test_options_that_are_none() -> None:
    with pytest.raises(InvalidArgument, match="one of: columns, include"):
        SourceOptions.from_dict({"incldue": ["x"]})
    with pytest.raises(InvalidArgument, match="a list of globs"):
        SourceOptions.from_dict({"include": "*.md"})
