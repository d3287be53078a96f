"""Versions: what was committed stays as it was, and damage is named."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest
from pyroaring import BitMap64

from ragstone.config import StorageSettings
from ragstone.errors import (
    DamagedFile,
    SpaceMismatch,
    UnknownDataset,
    UnknownVersion,
    VersionConflict,
    WorkspaceBusy,
)
from ragstone.storage import manifests
from ragstone.storage.doctor import examine
from ragstone.storage.manifests import Manifest
from ragstone.storage.store import Store
from ragstone.storage.vectors import SUFFIX

from .conftest import SPACE, by_words, commit, fill, remove, unit_vectors

Opener = Callable[[], Store]
DOCUMENTS = {
    "granite": "Granite is coarse and hard. Quartz and feldspar make it up",
    "slate": "Slate splits into thin plates. Roofs are covered with slate",
}


Pairs = list[tuple[int, float]]


def found(store: Store, manifest: Manifest, word: str, like: str) -> tuple[Pairs, Pairs]:
    """Return what both arms find in a version."""
    allowed = store.live_chunks(manifest.dataset_id, manifest.version)
    keywords = by_words(store.generations, manifest.keywords, [word], 10, allowed)
    vectors = store.segments.search(manifest.segments, unit_vectors([like])[0], 10, allowed)
    return keywords.pairs(), vectors.pairs()


def test_versions_are_numbered_and_chained(store: Store) -> None:
    first = commit(store, DOCUMENTS)
    second = commit(store, {"chalk": "Chalk is soft"})
    assert (first.version, first.parent) == (1, None)
    assert (second.version, second.parent) == (2, first.digest)
    assert (second.items, second.chunks, second.added) == (3, 5, 1)
    assert store.resolve("docs").version == 2
    assert store.resolve("docs@1") == first


def test_old_version_gives_the_old_results(open_store: Opener) -> None:
    store = open_store()
    first = commit(store, DOCUMENTS)
    before = found(store, first, "slate", "Slate splits into thin plates")
    commit(store, {f"slate {n}": f"Slate number {n}. More slate" for n in range(20)})
    last = remove(store, "slate")
    assert found(store, first, "slate", "Slate splits into thin plates") == before
    store = open_store()
    assert found(store, first, "slate", "Slate splits into thin plates") == before
    removed_chunks = {2, 3}
    after = found(store, last, "slate", "Slate splits into thin plates")
    for arm in after:
        assert removed_chunks.isdisjoint(key for key, _ in arm)


def test_content_digest_is_of_the_data_alone(store: Store) -> None:
    first = commit(store, DOCUMENTS)
    commit(store, {"chalk": "Chalk is soft"})
    third = remove(store, "chalk")
    assert third.content == first.content
    assert third.digest != first.digest
    one_by_one = [commit(store, {name: text}, "other") for name, text in DOCUMENTS.items()]
    assert one_by_one[-1].content == first.content
    assert one_by_one[0].content != first.content


def test_unknown_names_say_what_there_is(store: Store) -> None:
    with pytest.raises(UnknownDataset, match="no dataset 'docs'") as caught:
        store.resolve("docs")
    assert caught.value.hint == "There are no datasets yet."
    commit(store, DOCUMENTS)
    with pytest.raises(UnknownDataset) as caught:
        store.resolve("dosc")
    assert "docs" in caught.value.hint
    for wanted in ("2", "0", "-1", "x", "1.5", "²"):
        with pytest.raises(UnknownVersion, match="no version"):
            store.resolve(f"docs@{wanted}")


def fail(store: Store, documents: dict[str, str]) -> None:
    """Begin a change, write its parts and indexes, and fail before the commit."""
    with store.change("docs", SPACE) as change:
        fill(store, change, documents)
        change.place()
        change.write_indexes(store.segments, None, BitMap64(), BitMap64())
        raise KeyError("on purpose")


def test_failed_change_leaves_nothing(store: Store) -> None:
    first = commit(store, DOCUMENTS)
    files = sorted(store.root.rglob("*"))
    with pytest.raises(KeyError, match="on purpose"):
        fail(store, {"chalk": "Chalk is soft"})
    after = [path for path in sorted(store.root.rglob("*")) if "blobs" not in path.parts]
    assert after == [path for path in files if "blobs" not in path.parts]
    assert store.resolve("docs") == first


def test_failed_first_change_leaves_no_dataset(store: Store) -> None:
    with pytest.raises(KeyError, match="on purpose"):
        fail(store, DOCUMENTS)
    assert not list((store.root / "datasets").iterdir())


def test_version_taken_by_another_is_a_conflict(store: Store) -> None:
    first = commit(store, DOCUMENTS)
    folder = store.root / "datasets" / first.dataset_id
    stranger = manifests.version_path(folder, 2)
    stranger.write_text("somebody else's")
    with pytest.raises(VersionConflict, match="Version 2 of 'docs'"):
        commit(store, {"chalk": "Chalk is soft"})
    assert stranger.read_text() == "somebody else's"


def test_vectors_of_two_encoders_are_never_mixed(store: Store) -> None:
    commit(store, DOCUMENTS)
    with pytest.raises(SpaceMismatch, match="another-space"), store.change("docs", "another-space"):
        pass


def test_filter_is_applied_before_ranking(store: Store) -> None:
    manifest = commit(store, {f"s{n}": f"Slate number {n}" for n in range(50)})
    keywords, vectors, query = manifest.keywords, manifest.segments, unit_vectors(["x"])[0]
    allowed = BitMap64([7, 31])
    by_word = by_words(store.generations, keywords, ["slate"], 2, allowed)
    by_vector = store.segments.search(vectors, query, 5, allowed)
    assert set(by_word.keys.tolist()) == set(by_vector.keys.tolist()) == {7, 31}
    unfiltered = by_words(store.generations, keywords, ["slate"], 50)
    assert set(by_word.pairs()) <= set(unfiltered.pairs())
    assert len(by_words(store.generations, keywords, ["slate"], 5, BitMap64())) == 0
    assert len(store.segments.search(vectors, query, 5, BitMap64())) == 0


# ---------------------------------------------------------------- one owner


def _try_to_open(root: Path, answer: multiprocessing.Queue[str]) -> None:
    try:
        Store(root, StorageSettings(lock_seconds=0)).close()
        answer.put("opened")
    except WorkspaceBusy as error:
        answer.put(str(error))


def test_second_process_is_told_who_owns_the_workspace(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    other = context.Process(target=_try_to_open, args=(store.root, answer))
    other.start()
    message = answer.get(timeout=60)
    other.join()
    owner = json.loads((store.root / "owner.json").read_text())
    assert f"process {owner['pid']}" in message


def test_owner_file_is_private_and_goes_with_the_owner(store: Store) -> None:
    path = store.root / "owner.json"
    assert path.stat().st_mode & 0o777 == 0o600
    store.close()
    assert not path.exists()
    Store(store.root, StorageSettings()).close()


# ---------------------------------------------------------------- recovery


def crash(store: Store) -> None:
    """Close as a killed process would: the owner file stays behind."""
    owner = store.root / "owner.json"
    content = owner.read_bytes()
    store.close()
    owner.write_bytes(content)


def test_catalog_behind_catches_up(open_store: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store()
    commit(store, DOCUMENTS)
    with monkeypatch.context() as patch:
        patch.setattr("ragstone.storage.projection.apply", lambda *_: None)
        second = commit(store, {"chalk": "Chalk is soft"})
    assert store.catalog.rows("SELECT max(version) FROM versions") == [(1,)]
    store = open_store()
    assert store.recovered == ["version 2 of docs"]
    assert store.resolve("docs") == second
    assert examine(store).healthy


def test_catalog_ahead_of_the_manifests_is_rebuilt(open_store: Opener) -> None:
    store = open_store()
    first = commit(store, DOCUMENTS)
    second = commit(store, {"chalk": "Chalk is soft"})
    store.close()
    manifests.version_path(store.root / "datasets" / second.dataset_id, 2).unlink()
    store = open_store()
    assert store.resolve("docs") == first
    assert store.live_sources(first).num_rows == 2


@pytest.mark.parametrize("damage", [b"", b"no database" * 500, None])
def test_damaged_catalog_is_moved_aside_and_rebuilt(
    open_store: Opener, damage: bytes | None
) -> None:
    store = open_store()
    commit(store, DOCUMENTS)
    last = remove(store, "slate")
    store.close()
    catalog = store.root / "catalog.duckdb"
    content = catalog.read_bytes()
    catalog.write_bytes(content[:5000] if damage is None else damage)
    store = open_store()
    assert store.resolve("docs") == last
    assert examine(store).healthy
    if damage:
        assert sorted(store.root.glob("catalog.duckdb.damaged-*"))[0].read_bytes() == damage


def test_crash_leftovers_are_swept_and_nothing_else(open_store: Opener) -> None:
    store = open_store()
    manifest = commit(store, DOCUMENTS)
    folder = store.root / "datasets" / manifest.dataset_id
    named = {path for path in store.root.rglob("*") if path.name[:5] not in {"owner", "catal"}}
    leftovers = [
        folder / "parts" / ".tmp-01ABC",
        folder / "parts" / "01UNNAMED",
        folder / "keywords" / "01UNNAMED",
        folder / "vectors" / SPACE / "01UNNAMED.faiss",
        folder / "versions" / ".tmp-7-000002.json",
        store.root / "blobs" / "ab" / "cd" / ".tmp-7-abcd",
    ]
    for path in leftovers:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("left behind")
    open_store()
    assert all(path.exists() for path in leftovers), "a clean start sweeps nothing"
    crash(open_store())
    store = open_store()
    assert not any(path.exists() for path in leftovers)
    assert all(path.exists() for path in named)
    assert examine(store).healthy


def test_nothing_is_swept_while_a_manifest_is_unreadable(open_store: Opener) -> None:
    store = open_store()
    first = commit(store, DOCUMENTS)
    second = commit(store, {"chalk": "Chalk is soft"})
    path = manifests.version_path(store.root / "datasets" / second.dataset_id, 1)
    parts = [store.root / part.path for part in first.parts]
    crash(store)
    path.write_bytes(path.read_bytes()[:-40])
    store = open_store()
    assert all(part.exists() for part in parts)
    assert [finding.check for finding in examine(store).findings][:1] == ["manifests"]


def test_damaged_part_holds_up_no_other_dataset(open_store: Opener) -> None:
    store = open_store()
    broken = commit(store, DOCUMENTS)
    whole = commit(store, {"chalk": "Chalk is soft"}, "other")
    part = store.root / broken.parts[0].path / "items.parquet"
    store.close()
    part.write_bytes(b"no parquet")
    (store.root / "catalog.duckdb").unlink()
    store = open_store()
    assert store.heads() == [whole]
    places = [finding.where for finding in examine(store, rebuild=True).findings]
    assert part.relative_to(store.root).as_posix() in places
    assert store.resolve("other") == whole


# ---------------------------------------------------------------- damage


def test_damaged_index_is_refused_not_searched(store: Store) -> None:
    manifest = commit(store, DOCUMENTS)
    segment = store.root / manifest.segments[0].path
    content = bytearray(segment.read_bytes())
    content[-3] ^= 1
    segment.write_bytes(bytes(content))
    with pytest.raises(DamagedFile, match="bytes have changed"):
        found(store, manifest, "slate", "x")


def test_rebuild_mends_what_is_derived(store: Store) -> None:
    commit(store, DOCUMENTS)
    commit(store, {"chalk": "Chalk is soft"})
    head = remove(store, "slate")
    before = found(store, head, "quartz", "Chalk is soft")
    derived = [segment.path for segment in head.segments if segment.path.endswith(SUFFIX)]
    assert derived
    for path in derived:
        (store.root / path).write_bytes(b"broken")
    assert head.keywords
    (store.root / head.keywords.path / "meta.json").unlink()
    assert not examine(store).healthy
    report = examine(store, rebuild=True)
    assert [f for f in report.findings if head.keywords.path not in f.where] == []
    newest = store.resolve("docs")
    assert (newest.version, newest.content) == (4, head.content)
    assert found(store, newest, "quartz", "Chalk is soft")[1] == before[1]
    assert [k for k, _ in found(store, newest, "quartz", "x")[0]] == [k for k, _ in before[0]]


def test_manifest_of_an_unknown_format_is_refused(store: Store) -> None:
    manifest = commit(store, DOCUMENTS)
    path = manifests.version_path(store.root / "datasets" / manifest.dataset_id, 1)
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "format": 99}))
    with pytest.raises(DamagedFile, match="format 99"):
        manifests.read(path)
