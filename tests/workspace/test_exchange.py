"""Export and import: a version goes out whole, others can read it, and it comes back the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import DamagedFile, InvalidArgument, SpaceMismatch, UnknownVersion
from ragstone.exchange.exporting import export_version
from ragstone.exchange.importing import import_version
from ragstone.exchange.layout import original_path, read_export_file
from ragstone.schemas.api import ItemCounts, to_json
from ragstone.storage.branches import fork, restore
from ragstone.storage.files import digest_bytes
from ragstone.storage.store import Store
from ragstone.workspace import Workspace

TEXTS = {
    "granite.txt": "Granite is a coarse-grained rock. It is made of quartz and feldspar.",
    "slate.md": "# Slate\n\nSlate splits into thin plates.\n\n## Use\n\nRoofs are covered with it.",
    "sub/chalk.txt": "Chalk is a soft white limestone. It was laid down in the Cretaceous.",
    "sub/copy.txt": "Granite is a coarse-grained rock. It is made of quartz and feldspar.",
    "gone.txt": "Marble is metamorphosed limestone.",
}
QUESTIONS = ["what covers roofs", "limestone", "row of a table", "hard rock"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "sources"
    for name, text in TEXTS.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def stones(workspace: Workspace, folder: Path, tmp_path: Path) -> Workspace:
    """A workspace whose dataset has files, rows, a duplicate, a changed and a deleted item."""
    workspace.ingest([folder], "stones")
    rows = tmp_path / "rows.jsonl"
    lines = ({"n": f"r{n}", "body": f"Row {n} of a table", "year": 1990 + n} for n in range(7))
    rows.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    workspace.ingest([rows], "stones", text=["body"], id="n")
    (folder / "sub/chalk.txt").write_text("Chalk is soft. Flint is found in it.")
    workspace.ingest([folder], "stones")
    (gone,) = [item for item in workspace.items("stones") if item.name == "gone.txt"]
    workspace.delete("stones", [gone.item_id])
    return workspace


def store_of(workspace: Workspace) -> Store:
    return workspace._store


def found(workspace: Workspace, reference: str) -> list[object]:
    """Return the hits of vector search, scores to the last bit: all but where they are found."""
    results = [workspace.search(q, reference, k=50, mode="vector") for q in QUESTIONS]
    return [
        [to_json(replace(hit, dataset="", version=0)) for hit in result.hits] for result in results
    ]


def table(folder: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for path in sorted((folder / name).glob("*.parquet")):
        rows += pq.read_table(path).to_pylist()
    return rows


# ---------------------------------------------------------------- export


def test_export_holds_the_live_items_and_their_originals(stones: Workspace, tmp_path: Path) -> None:
    result = export_version(store_of(stones), "stones", tmp_path / "out")
    head = store_of(stones).head("stones")
    assert (result.version, result.digest, result.content) == (4, head.digest, head.content)
    assert (result.items, result.chunks, result.originals) == (head.items, head.chunks, 3)
    items = table(tmp_path / "out", "data")
    assert len(items) == head.items == 10
    assert all("Marble" not in item["text"] for item in items)
    for item in items:
        if item["original"] is None:
            content = item["content"]
        else:
            content = (tmp_path / "out" / item["original"]).read_bytes()
        assert digest_bytes(content) == item["item_id"]
        assert len(content) == item["size"]
    on_disk = [path for path in (tmp_path / "out" / "originals").rglob("*") if path.is_file()]
    assert {path.suffix for path in on_disk} == {".txt", ".md"}
    assert len(on_disk) == 3
    (granite,) = [item for item in items if "Granite" in item["text"]]
    assert {entry["name"] for entry in granite["sources"]} == {"granite.txt", "sub/copy.txt"}
    every = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert (result.files, result.bytes) == (len(every), sum(p.stat().st_size for p in every))


def test_chunks_point_to_their_items_and_carry_their_vectors(
    stones: Workspace, encoder: TextEncoder, tmp_path: Path
) -> None:
    export_version(store_of(stones), "stones", tmp_path / "out")
    items, chunks = table(tmp_path / "out", "data"), table(tmp_path / "out", "chunks")
    assert [sum(c["item"] == n for c in chunks) for n in range(len(items))] == [
        item["chunks"] for item in items
    ]
    for chunk in chunks:
        item = items[chunk["item"]]
        assert item["item_id"] == chunk["item_id"]
        assert item["text"][chunk["start"] : chunk["end"]] == chunk["text"]
    texts = ["\n".join(filter(None, (c["heading"], c["text"]))) for c in chunks]
    vectors = np.array([chunk["vector"] for chunk in chunks], np.float32)
    assert np.sum(vectors * encoder.encode_documents(texts), axis=1) == pytest.approx(1, abs=0.01)


def test_an_old_version_is_exported_as_it_was(stones: Workspace, tmp_path: Path) -> None:
    export_version(store_of(stones), "stones@1", tmp_path / "out")
    texts = {item["text"] for item in table(tmp_path / "out", "data")}
    assert any("Marble" in text for text in texts)
    assert any("Cretaceous" in text for text in texts)
    assert (
        read_export_file(tmp_path / "out").content == store_of(stones).resolve("stones@1").content
    )


def test_the_card_names_both_tables_and_says_what_is_there(
    stones: Workspace, tmp_path: Path
) -> None:
    stones.ingest([tmp_path / "rows.jsonl"], "rows", text=["body"], message="two\n---\nlines | x")
    export_version(store_of(stones), "rows", tmp_path / "out", licence="cc0-1.0")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    top = card.split("\n---\n")[0].splitlines()
    assert top[0] == "---"
    assert 'license: "cc0-1.0"' in top
    assert [line for line in top if "config_name" in line or "path" in line or "def" in line] == [
        "- config_name: items",
        "  default: true",
        "    path: data/train-*.parquet",
        "- config_name: chunks",
        "    path: chunks/train-*.parquet",
    ]
    head = store_of(stones).head("rows")
    for said in ("| items | 7 (text 7) |", head.digest, head.content, head.space, "    ---\n"):
        assert said in card
    for name, column in (("data", "`item_id`"), ("chunks", "`vector` | 384 float16")):
        assert column in card
        for field in pq.read_schema(next((tmp_path / "out" / name).glob("*"))).names:
            assert f"| `{field}` |" in card


def test_large_tables_become_several_files(stones: Workspace, tmp_path: Path) -> None:
    store, out = store_of(stones), tmp_path / "out"
    result = export_version(store, "stones", out, shard_bytes=1)
    for name, rows in (("data", result.items), ("chunks", result.chunks)):
        files = sorted(path.name for path in (out / name).iterdir())
        assert files == [f"train-{n:05d}-of-{rows:05d}.parquet" for n in range(rows)]
    import_version(store, out, "rocks")
    assert store.head("rocks").content == result.content
    assert found(stones, "rocks") == found(stones, "stones")


def test_originals_get_no_suffix_that_could_harm() -> None:
    digest = "ab" * 32
    assert original_path(digest, "a/b.PDF") == f"originals/ab/{digest}.pdf"
    for name in ("x", ".hidden", "a.b/c", "a.p df", "a.sh;rm", "a.\u202etxt", "a." + "x" * 30):
        assert original_path(digest, name) == f"originals/ab/{digest}"


def test_nothing_is_written_where_something_is(stones: Workspace, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    for target, expected in (
        (full, "a new or an empty folder"),
        (full / "mine.txt", "a new or an empty folder"),
        (stones.path / "out", "a folder outside the workspace"),
    ):
        with pytest.raises(InvalidArgument, match=f"folder is .*{target.name}.*{expected}"):
            export_version(store_of(stones), "stones", target)
    assert [path.name for path in full.iterdir()] == ["mine.txt"]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert export_version(store_of(stones), "stones", empty).items == 10
    with pytest.raises(UnknownVersion):
        export_version(store_of(stones), "stones@9", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("what", ["parts/*/items.parquet", "parts/*/vectors-*.npy", "blob"])
def test_a_damaged_version_is_not_exported(stones: Workspace, tmp_path: Path, what: str) -> None:
    head = store_of(stones).head("stones")
    if what == "blob":
        (item_id, *_) = [i.item_id for i in stones.items("stones") if i.name == "granite.txt"]
        victim = store_of(stones).blobs.path(item_id)
    else:
        victim = next((stones.path / "datasets" / head.dataset_id).glob(what))
    flip(victim)
    with pytest.raises(DamagedFile, match=victim.name):
        export_version(store_of(stones), "stones", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".tmp-*"))


def flip(path: Path) -> None:
    """Change one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_progress_ends_where_it_should(stones: Workspace, tmp_path: Path) -> None:
    for call in (
        lambda tell: export_version(store_of(stones), "stones", tmp_path / "o", on_progress=tell),
        lambda tell: import_version(store_of(stones), tmp_path / "o", "new", on_progress=tell),
    ):
        heard: list[tuple[int, int]] = []
        call(lambda done, total, heard=heard: heard.append((done, total)))
        assert [done for done, _ in heard] == sorted(done for done, _ in heard)
        assert len({total for _, total in heard}) == 1
        assert 0 < heard[0][0] < heard[-1][0] <= heard[-1][1]


# ---------------------------------------------------------------- import


def test_an_import_is_what_was_exported(
    stones: Workspace, encoder: TextEncoder, tmp_path: Path
) -> None:
    export_version(store_of(stones), "stones", tmp_path / "out")
    before = store_of(stones).head("stones")
    expected = found(stones, "stones")
    with ragstone.open(tmp_path / "other", create=True, encoder=encoder) as other:
        result = import_version(store_of(other), tmp_path / "out", "rocks")
        assert (result.version, result.content) == (1, before.content)
        assert (result.origin, result.origin_digest) == ("stones@4", before.digest)
        assert (result.chunks, result.originals) == (before.chunks, 3)
        assert result.items == ItemCounts(added=10, duplicate=1)
        head = store_of(other).head("rocks")
        assert (head.content, head.items, head.chunks) == (
            before.content,
            before.items,
            before.chunks,
        )
        assert (head.settings, head.space) == (before.settings, before.space)
        assert head.message == "import of stones@4: delete 1 item(s)"
        assert found(other, "rocks") == expected
        assert other.doctor().findings == []
        for summary in other.items("rocks"):
            ours, theirs = stones.show(summary.item_id), other.show(summary.item_id)
            for name in ("text", "metadata", "sources", "title", "media_type", "size", "modality"):
                assert getattr(ours, name) == getattr(theirs, name)
        again = export_version(store_of(other), "rocks", tmp_path / "again")
        assert again.content == before.content
        for name in ("data", "chunks"):
            assert table(tmp_path / "again", name) == table(tmp_path / "out", name)


def test_what_an_import_made_is_known_to_ingestion(
    stones: Workspace, folder: Path, encoder: TextEncoder, tmp_path: Path
) -> None:
    (folder / "gone.txt").unlink()
    export_version(store_of(stones), "stones", tmp_path / "out")
    with ragstone.open(
        tmp_path / "other", create=True, encoder=encoder, ingestion={"workers": 0}
    ) as other:
        import_version(store_of(other), tmp_path / "out", "stones")
        result = other.ingest([folder], "stones")
        assert result.items == ItemCounts(unchanged=4)
        assert result.version == 1


def test_a_fork_and_a_restored_version_are_exported_alike(
    stones: Workspace, tmp_path: Path
) -> None:
    store = store_of(stones)
    fork(store, "stones@1", "branch", "")
    restore(store, "stones@1", "")
    for number, reference in enumerate(["stones@1", "branch", "stones"]):
        out = tmp_path / f"out{number}"
        assert export_version(store, reference, out).content == store.resolve("stones@1").content
        import_version(store, out, f"copy{number}")
        assert found(stones, f"copy{number}") == found(stones, "stones@1")


def test_import_into_a_dataset_replaces_source_by_source(
    stones: Workspace, folder: Path, tmp_path: Path
) -> None:
    store = store_of(stones)
    export_version(store, "stones", tmp_path / "out")
    (folder / "granite.txt").write_text("Granite is igneous.")
    (folder / "more.txt").write_text("Basalt is dark.")
    (folder / "gone.txt").unlink()
    stones.ingest([folder], "stones")
    changed = store.head("stones")
    result = import_version(store, tmp_path / "out", "stones", message="back")
    assert result.items == ItemCounts(updated=1, unchanged=10)
    head = store.head("stones")
    assert (result.version, head.version, head.message) == (changed.version + 1, 6, "back")
    live = store.live_sources(head).to_pylist()
    texts = {
        Path(row["source"]).name: store.item_text(head.dataset_id, row["item_key"]) for row in live
    }
    assert texts["granite.txt"] == TEXTS["granite.txt"]
    assert texts["more.txt"] == "Basalt is dark."  # the export does not name it, so it stays
    assert "Granite is igneous." not in texts.values()
    assert stones.doctor().findings == []
    again = import_version(store, tmp_path / "out", "stones")
    assert (again.version, again.items) == (6, ItemCounts(unchanged=11))


def test_a_dataset_with_other_vectors_is_left_alone(stones: Workspace, tmp_path: Path) -> None:
    store = store_of(stones)
    export_version(store, "stones", tmp_path / "out")
    strange = tmp_path / "strange"
    with ragstone.open(strange, create=True) as other:
        with store_of(other).change("stones", "seeded-00000000") as change:
            fill_one(store_of(other), change)
        before = store_of(other).head("stones").digest
        with pytest.raises(SpaceMismatch, match="seeded-00000000"):
            import_version(store_of(other), tmp_path / "out", "stones")
        assert store_of(other).head("stones").digest == before
        assert import_version(store_of(other), tmp_path / "out", "rocks").version == 1


def fill_one(store: Store, change: Any) -> None:
    """Commit one item with vectors of another space."""
    from ragstone.storage.parts import PartRows

    item = {"item_key": 0, "item_id": store.blobs.put(b"x"), "media_type": "text/plain"}
    item |= {"modality": "text", "title": "", "size": 1, "metadata": "{}", "work_key": "w"}
    item |= {"chunks": 0, "text": "x", "content": None}
    source = {"source_key": 0, "source": "x", "name": "x", "item_key": 0}
    change.next_item = change.next_source = 1
    change.add_part(PartRows([item], [source], []), np.empty((0, 8), np.float32))
    store.commit(change, "one", "settings")


def test_an_empty_version_goes_out_and_in(stones: Workspace, tmp_path: Path) -> None:
    store = store_of(stones)
    stones.delete("stones", [item.item_id for item in stones.items("stones")])
    assert export_version(store, "stones", tmp_path / "out").items == 0
    assert table(tmp_path / "out", "data") == []
    result = import_version(store, tmp_path / "out", "empty")
    assert (result.version, result.items) == (0, ItemCounts())
    assert "empty" not in {dataset.name for dataset in stones.datasets()}


# ---------------------------------------------------------------- what is not as it was


def test_a_foreign_folder_is_no_export(stones: Workspace, folder: Path, tmp_path: Path) -> None:
    store = store_of(stones)
    for foreign in (folder, tmp_path / "nothing"):
        with pytest.raises(InvalidArgument, match=r"ragstone\.json is not in it"):
            import_version(store, foreign, "rocks")
    (folder / "ragstone.json").write_text("{}")
    with pytest.raises(DamagedFile, match=r"ragstone\.json is damaged"):
        import_version(store, folder, "rocks")
    assert "rocks" not in {dataset.name for dataset in stones.datasets()}


def swap_original(out: Path) -> Path:
    victim = next(path for path in (out / "originals").rglob("*") if path.is_file())
    victim.write_bytes(victim.read_bytes()[::-1])
    return victim


def lose_original(out: Path) -> Path:
    victim = next(path for path in (out / "originals").rglob("*") if path.is_file())
    victim.unlink()
    return victim


def flipped(pattern: str) -> Callable[[Path], Path]:
    def damage(out: Path) -> Path:
        victim = next(out.glob(pattern))
        flip(victim)
        return victim

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        flipped("data/*.parquet"),
        flipped("chunks/*.parquet"),
        flipped("README.md"),
        flipped("ragstone.json"),
        swap_original,
        lose_original,
    ],
    ids=["items", "chunks", "card", "ragstone.json", "original", "lost"],
)
def test_damage_is_named_and_nothing_is_changed(
    stones: Workspace, tmp_path: Path, damage: Callable[[Path], Path]
) -> None:
    export_version(store_of(stones), "stones", tmp_path / "out")
    victim = damage(tmp_path / "out")
    blobs = set(store_of(stones).blobs)
    with pytest.raises(DamagedFile, match=victim.name):
        import_version(store_of(stones), tmp_path / "out", "rocks")
    assert "rocks" not in {dataset.name for dataset in stones.datasets()}
    assert set(store_of(stones).blobs) == blobs


def test_an_export_reaches_no_file_outside_itself(stones: Workspace, tmp_path: Path) -> None:
    """Whoever makes an export can also make its stamps: names in it are checked by their form."""
    out = tmp_path / "out"
    export_version(store_of(stones), "stones", out)
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (path,) = (out / "data").iterdir()
    items = pq.read_table(path)
    names = items["original"].to_pylist()
    names[0] = "../secret.txt"
    column = items.schema.get_field_index("original")
    pq.write_table(items.set_column(column, items.schema.field(column), [names]), path)
    restamp(out)
    with pytest.raises(DamagedFile, match="not named by the digest"):
        import_version(store_of(stones), out, "rocks")


def restamp(out: Path) -> None:
    from dataclasses import replace

    from ragstone.exchange.layout import write_export_file
    from ragstone.storage.files import stamp

    export = read_export_file(out)
    files = {name: stamp(out / name) for name in export.files}
    write_export_file(out, replace(export, files=files))


def test_rows_that_are_not_the_versions_are_refused(stones: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_version(store_of(stones), "stones", out)
    (path,) = (out / "data").iterdir()
    pq.write_table(pq.read_table(path).slice(0, 5), path)
    restamp(out)
    with pytest.raises(DamagedFile, match="its digest is not that of the"):
        import_version(store_of(stones), out, "rocks")


# ---------------------------------------------------------------- others read it


def test_the_datasets_library_loads_it(stones: Workspace, tmp_path: Path) -> None:
    """With DATASETS_PYTHON: a Python that has the library, which is no dependency."""
    python = os.environ.get("DATASETS_PYTHON") or sys.executable
    if subprocess.run([python, "-c", "import datasets"], capture_output=True).returncode:
        pytest.skip("the library datasets is not installed; DATASETS_PYTHON may name one with it")
    out = tmp_path / "out"
    export_version(store_of(stones), "stones", out)
    code = (
        "import json, sys\nfrom datasets import load_dataset\n"
        "items = load_dataset(sys.argv[1], split='train', cache_dir=sys.argv[2])\n"
        "chunks = load_dataset(sys.argv[1], 'chunks', split='train', cache_dir=sys.argv[2])\n"
        "print(json.dumps([items['text'][:], len(chunks), len(chunks[0]['vector'])]))\n"
    )
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    done = subprocess.run(
        [python, "-c", code, str(out), str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"},
    )
    texts, chunks, dimension = json.loads(done.stdout.splitlines()[-1])
    assert texts == [item["text"] for item in table(out, "data")]
    assert (chunks, dimension) == (store_of(stones).head("stones").chunks, 384)
