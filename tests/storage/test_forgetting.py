"""forget: what is erased is in no file any more, and versions that held it say so."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pyroaring import BitMap64

from ragstone.errors import UnknownId, WorkspaceInUse
from ragstone.storage import branches
from ragstone.storage.blobs import Blobs
from ragstone.storage.changes import keyword_documents
from ragstone.storage.doctor import examine
from ragstone.storage.files import digest_bytes
from ragstone.storage.forgetting import forget
from ragstone.storage.keyword_segments import Layout
from ragstone.storage.keywords import layout_in, write_generation
from ragstone.storage.manifests import seal
from ragstone.storage.parts import PartRows, read_table, read_vectors
from ragstone.storage.retention import Policy, collect
from ragstone.storage.store import Store

from .conftest import DIMENSION, SPACE, commit, fill, remove, unit_vectors
from .stored_answers import found, keep, record
from .test_versions import results, sources

Opener = Callable[[], Store]
CANARY = "Zanzibarite is a stone nobody has seen"
SECRET = f"{CANARY}. Its finder lives in Zanzibar"
STONES = {
    "granite": "Granite is coarse and hard. Quartz and feldspar make it up",
    "secret": SECRET,
    "slate": "Slate splits into thin plates. Roofs are covered with slate",
}
ITEM = digest_bytes(SECRET.encode())
WORDS = (b"zanzibar", b"Zanzibar")


def holding(root: Path) -> list[str]:
    """Return the files that hold the canary: as bytes, in a column, in an index, as a vector."""
    vectors = unit_vectors([CANARY, "Its finder lives in Zanzibar"])
    found = [
        path
        for path in root.rglob("*")
        if path.is_file() and any(word in unpacked(path.read_bytes()) for word in WORDS)
    ]
    for path in root.rglob("part.json"):
        tables = [read_table(path.parent, name) for name in ("items", "sources", "chunks")]
        if any(word in str(table.to_pylist()).encode() for table in tables for word in WORDS):
            found.append(path)
        near = np.asarray(read_vectors(path.parent, SPACE), np.float32) @ vectors.T
        if near.size and near.max() > 0.99:
            found.append(path)
    for path in root.rglob("*.faiss"):
        halves = vectors.astype(np.float16)
        if any(half.tobytes() in path.read_bytes() for half in halves):
            found.append(path)
    return sorted({path.relative_to(root).as_posix() for path in found})


def unpacked(content: bytes) -> bytes:
    """Return `content` with what zlib would unpack at its start; LZ4 keeps words whole."""
    try:
        return content + zlib.decompress(content)
    except zlib.error:
        return content


@pytest.fixture(params=["vectors in the part", "vectors in a segment"])
def filled(store: Store, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Versions that hold the secret, in several ways, and versions that do not."""
    if request.param == "vectors in a segment":
        monkeypatch.setattr("ragstone.storage.changes.SMALLEST", 0)  # as if they were many
    commit(store, {"marble": "Marble is hard"})
    commit(store, STONES)
    commit(store, {"chalk": "Chalk is soft"})
    branches.fork(store, "docs@3", "copy", "")
    remove(store, "secret")
    commit(store, {"basalt": "Basalt is black"})
    branches.restore(store, "docs@3", "")
    commit(store, {"flint": "Flint is sharp"}, "copy")
    commit(store, {"flint": "Flint is sharp"}, "other")
    return store


def test_the_probe_finds_the_canary(filled: Store) -> None:
    kinds = ["blobs/", "/parts/", "/keywords/"]
    if "/vectors/" in filled.resolve("docs@2").segments[-1].path:
        kinds.append("/vectors/")
    filled.close()
    held = holding(filled.root)
    assert all(any(kind in path for path in held) for kind in kinds), held


def test_forgotten_item_is_in_no_file(filled: Store, open_store: Opener) -> None:
    store = filled
    version = store.resolve("docs@2")
    keep(store, version, record(version, "01A", [found(ITEM, SECRET)]))
    keep(store, version, record(version, "01B", []))
    receipt = forget(store, [ITEM], "asked to")
    assert (receipt.items, receipt.answers, receipt.reason) == ([ITEM], ["01A"], "asked to")
    assert holding(store.root) == []
    store.close()
    assert holding(store.root) == []
    store = open_store()
    assert examine(store).findings == []
    assert store.catalog.rows("SELECT answer_id FROM answers") == [("01B",)]
    assert holding(store.root) == []


def test_versions_read_on_without_it(filled: Store, open_store: Opener) -> None:
    store = filled
    heads = {head.dataset: head for head in store.heads()}
    references = [f"{name}@{n}" for name, head in heads.items() for n in range(1, head.version + 1)]
    before = {r: sources(store, store.resolve(r)) for r in references}
    untouched = results(store, store.resolve("docs@1")), results(store, store.resolve("other@1"))
    digests = {r: store.resolve(r).digest for r in references}
    receipt = forget(store, [ITEM], "")
    for _ in range(2):
        for reference in references:
            manifest = store.resolve(reference)
            held = {name: text for name, text in before[reference].items() if text != SECRET}
            assert sources(store, manifest) == held
            assert manifest.digest == digests[reference], "a version keeps its identity"
            assert manifest.items == len(held)
            concerned = store.erasures.concerning(manifest.dataset_id, manifest.version)
            assert bool(concerned) == (reference not in {"docs@1", "other@1"})
        now = results(store, store.resolve("docs@1")), results(store, store.resolve("other@1"))
        assert now == untouched
        store.close()
        (store.root / "catalog.duckdb").unlink()
        store = open_store()
    assert set(receipt.versions) == {heads["docs"].dataset_id, heads["copy"].dataset_id}
    after = commit(store, {"talc": "Talc is softest"})
    assert set(sources(store, after)) == {"marble", "granite", "slate", "chalk", "talc"}
    assert examine(store).findings == []


def test_what_is_left_is_found_as_before(filled: Store) -> None:
    store = filled
    before = results(store, store.resolve("docs"))
    forget(store, [ITEM], "")
    after = results(store, store.resolve("docs"))
    for (_, old), (_, new) in zip(before, after, strict=True):
        assert [pair for pair in old if pair in new] == new, "vectors keep their scores"
    assert [k for k, _ in after[0][0]] == [k for k, _ in before[0][0]]


def test_copies_of_an_item_go_with_it(store: Store) -> None:
    commit(store, STONES)
    with store.change("docs", SPACE) as change:
        held = {
            row["source"]: row["item_key"] for row in store.live_sources(change.head).to_pylist()
        }
        copy = {"source_key": change.next_source, "source": "Zanzibar again", "name": "Zanzibar"}
        change.next_source += 1
        rows = PartRows(sources=[{**copy, "item_key": held["secret"]}])
        change.add_part(rows, np.empty((0, DIMENSION), np.float32))
        store.commit(change, "a copy", "settings")
    receipt = forget(store, [ITEM], "")
    assert receipt.sources == 2
    assert set(sources(store, store.resolve("docs"))) == {"granite", "slate"}
    assert holding(store.root) == []
    assert examine(store).findings == []


def test_a_part_with_nothing_left_goes(store: Store) -> None:
    commit(store, {"secret": SECRET})
    forget(store, [ITEM], "")
    head = store.resolve("docs")
    assert (head.items, head.chunks, head.parts, head.segments) == (0, 0, [], [])
    assert holding(store.root) == []
    after = commit(store, {"chalk": "Chalk is soft"})
    assert results(store, after)[2][0]
    assert examine(store).findings == []


def test_quarantined_bytes_are_forgotten(store: Store) -> None:
    commit(store, {"chalk": "Chalk is soft"})
    kept = Blobs(store.root / "quarantine")
    kept.put(SECRET.encode())
    store.catalog.write(
        "INSERT INTO quarantine VALUES ('1', 'j', 'docs', 's', 'parse', 'c', 'r', 'h', ?, 9, "
        "now()::TIMESTAMP)",
        [ITEM],
    )
    forget(store, [ITEM], "")
    assert holding(store.root) == []
    assert store.catalog.rows("SELECT count(*) FROM quarantine") == [(0,)]


def test_damaged_part_of_a_stopped_job_goes_and_holds_nothing_up(
    filled: Store, open_store: Opener
) -> None:
    staged = filled.root / "jobs" / "01J" / "parts" / "01P" / "items.parquet"
    staged.parent.mkdir(parents=True)
    staged.write_bytes(SECRET.encode())
    forget(filled, [ITEM], "")
    assert not staged.exists()
    assert holding(filled.root) == []
    assert examine(open_store()).findings == []


def test_taken_in_again_it_is_there_again(store: Store, open_store: Opener) -> None:
    commit(store, STONES)
    forget(store, [ITEM], "")
    commit(store, {"secret": SECRET})
    store.close()
    (store.root / "catalog.duckdb").unlink()  # the receipt is carried out again
    store = open_store()
    assert sources(store, store.resolve("docs"))["secret"] == SECRET
    assert "secret" not in sources(store, store.resolve("docs@1"))
    assert store.blobs.get(ITEM) == SECRET.encode()
    assert examine(store).findings == []


def test_forgetting_twice_and_gc(filled: Store) -> None:
    store = filled
    forget(store, [ITEM], "")
    forget(store, [digest_bytes(STONES["granite"].encode())], "")
    collect(store, Policy(newest=1), dry_run=False)
    assert set(sources(store, store.resolve("docs"))) == {"marble", "slate", "chalk"}
    assert set(sources(store, store.resolve("copy"))) == {"marble", "slate", "chalk", "flint"}
    assert examine(store).findings == []
    assert holding(store.root) == []


def test_unknown_item_changes_nothing(store: Store) -> None:
    commit(store, STONES)
    files = sorted(store.root.rglob("*"))
    with pytest.raises(UnknownId, match="'ffff'"):
        forget(store, ["ffff", ITEM], "")
    assert sorted(store.root.rglob("*")) == files


def test_not_while_a_job_builds_on_what_would_go(store: Store) -> None:
    commit(store, STONES)
    with store.change("docs", SPACE) as change:
        fill(store, change, {"chalk": "Chalk is soft"})
        with pytest.raises(WorkspaceInUse, match="is running in"):
            forget(store, [ITEM], "")
        store.commit(change, "after all", "settings")
    assert "secret" in sources(store, store.resolve("docs"))


def test_a_part_that_loses_a_copy_alone_keeps_its_vectors(store: Store, open_store: Opener) -> None:
    """The part is written anew, and with it the place of the vectors that are its segment."""
    (first,) = store.live_sources(commit(store, {"a": "Granite is hard"})).to_pylist()
    with store.change("docs", SPACE) as change:
        fill(store, change, {"b": "Slate splits"}, copies={"c": first["item_key"]})
        store.commit(change, "one new, one copy", "settings")
    forget(store, [first["item_id"]], "")
    store = open_store()
    assert examine(store).healthy
    segments = store.head("docs").segments
    found = store.segments.search(segments, unit_vectors(["Slate splits"])[0], 1, None)
    assert found.pairs()[0][1] > 0.99


def test_indexes_keep_the_layout_they_had(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 1 has an index of the old layout, version 2 one of the new layout."""
    old = partial(write_generation, layout=Layout.BODY)
    monkeypatch.setattr("ragstone.storage.changes.write_generation", old)
    commit(store, STONES)
    head = store.head("docs")
    live = store.live_chunks(head.dataset_id, head.version) or BitMap64(range(head.chunks))
    documents = [d for d in keyword_documents(store.root, head.parts) if d.key in live]
    anew = write_generation(store.root, store.folder(head), None, documents, [])
    like = replace(head, version=2, parent=head.digest, keywords=anew, digest="")
    store.publish(seal(like), head)
    forget(store, [ITEM], "asked to")
    layouts = [
        layout_in(store.root, manifest.keywords)
        for manifest in (store.resolve("docs@1"), store.resolve("docs@2"))
        if manifest.keywords
    ]
    assert layouts == [Layout.BODY, Layout.FIELDS]
    assert results(store, store.resolve("docs@1"))
    assert examine(store).findings == []
