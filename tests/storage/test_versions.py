"""As of: old versions, tags, times, restore and fork; nothing is copied, nothing changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ragstone.errors import (
    CollectedVersion,
    DatasetExists,
    InvalidArgument,
    SpaceMismatch,
    TagExists,
    UnknownTag,
    UnknownVersion,
    VersionConflict,
)
from ragstone.storage import branches, manifests
from ragstone.storage.doctor import examine
from ragstone.storage.manifests import Manifest
from ragstone.storage.merging import FAN_IN, segment_keys
from ragstone.storage.retention import Policy, collect
from ragstone.storage.store import Store

from .conftest import SPACE, by_words, commit, fill, remove, unit_vectors

Opener = Callable[[], Store]
STONES = {
    "granite": "Granite is coarse and hard. Quartz and feldspar make it up",
    "slate": "Slate splits into thin plates. Roofs are covered with slate",
}
QUERIES = ["slate", "quartz", "chalk", "plate", "roof"]


def results(store: Store, manifest: Manifest) -> list[object]:
    """Return all that both arms find for a few queries, with scores."""
    live = store.live_chunks(manifest.dataset_id, manifest.version)
    found: list[object] = []
    for word in QUERIES:
        keywords = by_words(store.generations, manifest.keywords, [word], 20)
        vector = unit_vectors([word])[0]
        vectors = store.segments.search(manifest.segments, vector, 20, live)
        found.append((keywords.pairs(), vectors.pairs()))
    return found


def sources(store: Store, manifest: Manifest) -> dict[str, str]:
    """Return what a version holds."""
    rows = store.live_sources(manifest).to_pylist()
    return {row["source"]: store.item_text(manifest.dataset_id, row["item_key"]) for row in rows}


# ---------------------------------------------------------------- tags and times


def test_tag_names_a_version(open_store: Opener) -> None:
    store = open_store()
    first = commit(store, STONES)
    commit(store, {"chalk": "Chalk is soft"})
    store.tags.set(first, "v1.0", "as sent to print", move=False)
    store = open_store()
    assert store.resolve("docs@v1.0") == first
    tag = store.tags.of(first.dataset_id)["v1.0"]
    assert (tag.version, tag.digest, tag.message) == (1, first.digest, "as sent to print")


def test_tag_moves_only_on_purpose(store: Store) -> None:
    first = commit(store, STONES)
    second = commit(store, {"chalk": "Chalk is soft"})
    store.tags.set(first, "stable", "", move=False)
    assert store.tags.set(first, "stable", "again", move=False).message == ""
    with pytest.raises(TagExists, match="'stable' of 'docs' names version 1"):
        store.tags.set(second, "stable", "", move=False)
    store.tags.set(second, "stable", "", move=True)
    assert store.resolve("docs@stable") == second
    store.tags.remove(second, "stable")
    with pytest.raises(UnknownVersion, match="no version 'stable'"):
        store.resolve("docs@stable")
    with pytest.raises(UnknownTag, match="no tag 'stable'"):
        store.tags.remove(second, "stable")


@pytest.mark.parametrize("name", ["3", "2026-11-21", "", "a/b", "a b", "../x", "é", "x" * 101])
def test_tag_that_reads_like_something_else_is_refused(store: Store, name: str) -> None:
    first = commit(store, STONES)
    with pytest.raises(InvalidArgument, match="tag is"):
        store.tags.set(first, name, "", move=False)


def test_time_means_the_newest_version_of_then(store: Store) -> None:
    made = [commit(store, {f"s{n}": f"Stone {n}"}) for n in range(3)]
    times = [manifest.created_at for manifest in made]
    assert times == sorted(set(times))
    for manifest, moment in zip(made, times, strict=True):
        assert store.resolve(f"docs@{moment.isoformat()}") == manifest
        naive = moment.replace(tzinfo=None).isoformat()
        assert store.resolve(f"docs@{naive}") == manifest, "without a zone it is UTC"
    east = (times[1] + timedelta(hours=2)).replace(tzinfo=None).isoformat()
    assert store.resolve(f"docs@{east}+02:00") == made[1]
    tomorrow = (datetime.now().astimezone() + timedelta(days=2)).date()
    assert store.resolve(f"docs@{tomorrow}") == made[2]
    with pytest.raises(UnknownVersion, match="no version '2020-01-01'"):
        store.resolve("docs@2020-01-01")
    with pytest.raises(UnknownVersion, match="no version '2026-13-45'"):
        store.resolve("docs@2026-13-45")


def test_clock_that_goes_back_does_not_reorder_versions(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = commit(store, STONES)
    past = first.created_at - timedelta(days=1)
    monkeypatch.setattr("ragstone.storage.composing.now", lambda: past)
    second = commit(store, {"chalk": "Chalk is soft"})
    assert second.created_at > first.created_at


# ---------------------------------------------------------------- restore and fork


def test_restored_version_is_equal_to_the_old_one(open_store: Opener) -> None:
    store = open_store()
    commit(store, STONES)
    old = remove(store, "slate")
    before = results(store, old), sources(store, old)
    commit(store, {"chalk": "Chalk is soft", "slate": "Slate was clay once"})
    remove(store, "granite")
    restored = branches.restore(store, "docs@2", "")
    assert (restored.version, restored.content, restored.origin) == (5, old.content, old.digest)
    assert (restored.added, restored.removed) == (1, 2)
    assert (results(store, restored), sources(store, restored)) == before
    after = commit(store, {"marble": "Marble is hard"})
    assert set(sources(store, after)) == {"granite", "marble"}
    assert after.next_item > restored.next_item >= 4
    store = open_store()
    for version in (2, 5):
        manifest = store.resolve(f"docs@{version}")
        assert (results(store, manifest), sources(store, manifest)) == before
    assert examine(store).healthy


def test_restore_to_and_fro(open_store: Opener) -> None:
    store = open_store()
    made = [commit(store, STONES), commit(store, {"chalk": "Chalk is soft"})]
    made.append(remove(store, "granite"))
    for version in (1, 3, 2, 1, 2, 3):
        branches.restore(store, f"docs@{version}", "back")
    expected = {v: sources(store, made[v - 1]) for v in (1, 2, 3)}
    store.close()
    (store.root / "catalog.duckdb").unlink()
    store = open_store()
    for number, version in enumerate((1, 2, 3, 1, 3, 2, 1, 2, 3), start=1):
        assert sources(store, store.resolve(f"docs@{number}")) == expected[version]
    assert examine(store).healthy


def test_fork_copies_nothing_and_goes_its_own_way(open_store: Opener) -> None:
    store = open_store()
    commit(store, STONES)
    origin = remove(store, "slate")
    before = results(store, origin), sources(store, origin)
    files = {path for path, _ in origin.files()}
    fork = branches.fork(store, "docs@2", "copy", "to try things")
    assert {path for path, _ in fork.files()} == files
    assert (fork.version, fork.parent, fork.content) == (1, None, origin.content)
    ours = commit(store, {"chalk": "Chalk is soft"}, "copy")
    theirs = commit(store, {"marble": "Marble is hard"})
    assert set(sources(store, ours)) == {"granite", "chalk"}
    assert set(sources(store, theirs)) == {"granite", "marble"}
    store.close()
    (store.root / "catalog.duckdb").unlink()
    store = open_store()
    for reference in ("docs@2", "copy@1"):
        manifest = store.resolve(reference)
        assert (results(store, manifest), sources(store, manifest)) == before
    assert examine(store).healthy
    with pytest.raises(DatasetExists, match="'copy' already"):
        branches.fork(store, "docs", "copy", "")


# ---------------------------------------------------------------- merging


def test_small_segments_are_merged_and_old_versions_keep_theirs(open_store: Opener) -> None:
    store = open_store()
    made = []
    for number in range(3 * FAN_IN):
        made.append(commit(store, {f"s{number}": f"Slate {number}. Chalk {number}"}))
    before = [results(store, manifest) for manifest in made]
    assert [len(manifest.segments) for manifest in made[:FAN_IN]] == [*range(1, FAN_IN), 1]
    assert len(made[-1].segments) < FAN_IN
    last = remove(store, "s3")
    store = open_store()
    assert [results(store, manifest) for manifest in made] == before
    merged = commit(store, {f"t{number}": "Slate" for number in range(40)})
    keys = [segment_keys(store.root, segment) for segment in merged.segments]
    live = store.live_chunks(merged.dataset_id, merged.version)
    assert live is not None
    assert not (live - keys[0].union(*keys))
    assert last.chunks == made[-1].chunks - 2
    assert examine(store).healthy


def test_dead_vectors_leave_with_a_merge(store: Store) -> None:
    commit(store, {f"s{number}": f"Slate {number}" for number in range(10)})
    for number in range(7):
        last = remove(store, f"s{number}")
    keys = [segment_keys(store.root, segment) for segment in last.segments]
    assert sum(map(len, keys)) < 10
    assert last.chunks == 3
    assert examine(store).healthy


# ---------------------------------------------------------------- two writers


def late(
    store: Store, first: dict[str, str], second: dict[str, str], staging: Path | None = None
) -> Manifest:
    """Commit `second` while `first`, which began before, is still being collected."""
    with store.change("docs", SPACE, staging) as change:
        fill(store, change, first)
        commit(store, second)
        return store.commit(change, "late", "settings")


def test_second_commit_is_carried_over(open_store: Opener) -> None:
    store = open_store()
    commit(store, STONES)
    manifest = late(store, {"chalk": "Chalk is soft"}, {"marble": "Marble is hard. Very"})
    assert (manifest.version, manifest.items, manifest.chunks) == (3, 4, 7)
    assert set(sources(store, manifest)) == {"granite", "slate", "chalk", "marble"}
    assert results(store, manifest)[2][0], "chalk is found"
    store.close()
    (store.root / "catalog.duckdb").unlink()
    store = open_store()
    assert sources(store, store.resolve("docs"))["chalk"] == "Chalk is soft"
    assert examine(store).healthy


def test_two_first_commits_make_one_dataset(store: Store) -> None:
    manifest = late(store, {"chalk": "Chalk is soft"}, {"marble": "Marble is hard"})
    assert (manifest.version, manifest.items) == (2, 2)
    assert len(store.heads()) == 1
    assert examine(store).healthy


def test_delete_meanwhile_is_kept(store: Store) -> None:
    commit(store, STONES)
    with store.change("docs", SPACE) as change:
        fill(store, change, {"chalk": "Chalk is soft"})
        remove(store, "slate")
        manifest = store.commit(change, "late", "settings")
    assert set(sources(store, manifest)) == {"granite", "chalk"}
    assert examine(store).healthy


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"chalk": "Chalk is soft"}, {"chalk": "Chalk is white"}),
        ({"chalk": "Chalk is soft"}, {"another": "Chalk is soft"}),
    ],
    ids=["same source", "same bytes"],
)
def test_second_commit_on_the_same_is_refused(
    store: Store, first: dict[str, str], second: dict[str, str]
) -> None:
    commit(store, STONES)
    with pytest.raises(VersionConflict, match="of 'docs'"):
        late(store, first, second)
    assert set(sources(store, store.resolve("docs"))) == {*STONES, *second}
    assert not list((store.root / "jobs").glob("*")), "nothing is left staged"
    assert examine(store).healthy


def test_staged_parts_are_the_callers_after_a_refusal(store: Store) -> None:
    commit(store, STONES)
    staging = store.root / "jobs" / "job" / "parts"
    with pytest.raises(VersionConflict):
        late(store, {"chalk": "Chalk is soft"}, {"chalk": "Chalk is white"}, staging)
    assert [path.name for path in staging.glob("*/chunks.parquet")] == ["chunks.parquet"]


# ---------------------------------------------------------------- gc


def test_gc_keeps_the_head_tags_and_what_the_policy_says(open_store: Opener) -> None:
    store = open_store()
    made = [commit(store, {f"s{n}": f"Slate {n}"}) for n in range(6)]
    store.tags.set(made[1], "print", "", move=False)
    kept = {n: results(store, made[n - 1]) for n in (2, 5, 6)}
    told = collect(store, Policy(newest=2), dry_run=True)
    assert store.resolve("docs@1") == made[0]
    report = collect(store, Policy(newest=2), dry_run=False)
    assert (told.versions, told.bytes, told.files) == (report.versions, report.bytes, report.files)
    assert report.versions == ["docs@1", "docs@3", "docs@4"]
    assert report.bytes > 0
    for _ in range(2):
        for number, before in kept.items():
            assert results(store, store.resolve(f"docs@{number}")) == before
        with pytest.raises(CollectedVersion, match="Version 3 of 'docs' was given up"):
            store.resolve("docs@3")
        assert examine(store).healthy
        store = open_store()
    after = commit(store, {"chalk": "Chalk is soft"})
    assert (after.version, after.parent) == (7, made[5].digest)


def test_gc_by_age(store: Store) -> None:
    made = [commit(store, {f"s{n}": f"Slate {n}"}) for n in range(3)]
    assert collect(store, Policy(days=1), dry_run=False).versions == []
    moment = made[-1].created_at + timedelta(days=2)
    assert Policy(days=1).gives_up(made, set(), moment) == [1, 2]
    assert Policy(days=1, newest=2).gives_up(made, set(), moment) == [1]
    assert Policy(days=1).gives_up(made, {1}, moment) == [2]
    assert Policy().gives_up(made, set(), moment) == []


def test_gc_frees_what_failed_jobs_left(store: Store) -> None:
    commit(store, STONES)
    orphan = store.blobs.put(b"nobody's")
    live = [digest for digest in store.blobs if digest != orphan]
    collect(store, Policy(), dry_run=False)
    assert sorted(store.blobs) == sorted(live)
    assert examine(store).healthy


def test_gc_deletes_blobs_of_items_that_no_version_holds(store: Store) -> None:
    commit(store, STONES)
    remove(store, "slate")
    last = commit(store, {"chalk": "Chalk is soft"})
    collect(store, Policy(newest=1), dry_run=False)
    assert len(list(store.blobs)) == 2
    assert set(sources(store, last)) == {"granite", "chalk"}
    assert examine(store).healthy


def test_gc_spares_what_a_fork_needs(store: Store) -> None:
    first = commit(store, STONES)
    fork = branches.fork(store, "docs@1", "copy", "")
    remove(store, "slate")
    remove(store, "granite")
    before = results(store, fork), sources(store, fork)
    assert collect(store, Policy(newest=1), ["docs"], dry_run=False).versions == [
        "docs@1",
        "docs@2",
    ]
    assert (results(store, fork), sources(store, fork)) == before
    assert fork.content == first.content
    assert examine(store).healthy


def test_gc_touches_nothing_that_the_catalog_does_not_know(store: Store) -> None:
    commit(store, STONES)
    store.catalog.write("DELETE FROM versions")
    from ragstone.errors import DamagedFile

    with pytest.raises(DamagedFile, match="does not know all"):
        collect(store, Policy(newest=1), dry_run=False)


# ---------------------------------------------------------------- older formats


def test_workspace_of_the_first_format_goes_on(open_store: Opener) -> None:
    store = open_store()
    first = commit(store, STONES)
    path = manifests.version_path(store.folder(first), 1)
    store.close()
    values = json.loads(path.read_bytes())
    del values["origin"], values["segments"][0]["keys"]
    values["format"] = 1
    values["digest"] = manifests.digest_of(values)
    path.write_text(json.dumps(values))
    store = open_store()
    for number in range(FAN_IN):
        last = commit(store, {f"s{number}": f"Slate {number}"})
    assert len(last.segments) < FAN_IN
    assert set(sources(store, store.resolve("docs@1"))) == set(STONES)


def test_vectors_of_another_space_are_refused_after_a_change_of_encoder(store: Store) -> None:
    commit(store, STONES)
    with pytest.raises(SpaceMismatch, match="another"), store.change("docs", "another"):
        pass
