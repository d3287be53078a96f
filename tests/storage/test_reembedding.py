"""Re-embedding: the next version has other vectors, the ones before it keep theirs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ragstone.errors import SpaceMismatch, VersionConflict
from ragstone.storage import branches, parts
from ragstone.storage.doctor import examine
from ragstone.storage.files import digest_bytes
from ragstone.storage.forgetting import forget
from ragstone.storage.manifests import Manifest, PartRef
from ragstone.storage.reembedding import NewSpace, living_parts, switch
from ragstone.storage.retention import Policy, collect
from ragstone.storage.store import Store

from .conftest import commit, remove
from .test_versions import STONES, results, sources

Opener = Callable[[], Store]
GREEN = NewSpace("green-11111111", "a/green/encoder", "other settings")


def green(texts: list[str]) -> np.ndarray:
    """Return unit vectors of four dimensions, the same for the same text."""
    rows = [
        np.random.default_rng(int(digest_bytes(b"green" + t.encode())[:8], 16)).normal(size=4)
        for t in texts
    ]
    made = np.asarray(rows, np.float32).reshape(-1, 4)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def stage(store: Store, head: Manifest) -> list[PartRef]:
    staging = store.root / "jobs" / "job" / "parts"
    made = []
    for part in living_parts(store.root, head):
        texts = parts.read_table(store.root / part.path, "chunks", ["text"])["text"].to_pylist()
        vectors = green(texts).astype(np.float16)
        made.append(parts.write_vectors(store.root, staging, part, GREEN.space, vectors))
    return made


def reembed(store: Store) -> Manifest:
    head = store.head("docs")
    return switch(store, head, GREEN, stage(store, head), "")


def nearest(store: Store, manifest: Manifest, text: str) -> list[tuple[int, float]]:
    live = store.live_chunks(manifest.dataset_id, manifest.version)
    return store.segments.search(manifest.segments, green([text])[0], 3, live).pairs()


def test_rows_stay_and_vectors_change(open_store: Opener) -> None:
    store = open_store()
    commit(store, STONES)
    commit(store, {"chalk": "Chalk is soft"})
    old = remove(store, "granite")
    before = results(store, old), sources(store, old)
    made = reembed(store)
    assert (made.space, made.encoder, made.settings) == tuple(
        (GREEN.space, GREEN.encoder, GREEN.settings)
    )
    assert (made.content, made.keywords, made.version) == (old.content, old.keywords, 4)
    for _ in range(2):
        new = store.resolve("docs")
        assert sources(store, new) == before[1]
        assert (results(store, old), sources(store, old)) == before
        assert nearest(store, new, "Chalk is soft")[0][1] == pytest.approx(1, abs=1e-3)
        assert examine(store).findings == []
        store.close()
        (store.root / "catalog.duckdb").unlink()
        store = open_store()


def test_parts_without_anything_alive_are_left_out(store: Store) -> None:
    commit(store, STONES)
    commit(store, {"chalk": "Chalk is soft"})
    remove(store, "chalk")
    assert [part.items for part in reembed(store).parts] == [2]
    assert examine(store).findings == []


def test_nothing_of_the_old_space_gets_in(store: Store) -> None:
    commit(store, STONES)
    reembed(store)
    with pytest.raises(SpaceMismatch, match="green"):
        commit(store, {"chalk": "Chalk is soft"})


def test_a_head_that_moved_is_a_conflict_and_keeps_the_work(store: Store) -> None:
    head = commit(store, STONES)
    made = stage(store, head)
    later = commit(store, {"chalk": "Chalk is soft"})
    with pytest.raises(VersionConflict):
        switch(store, head, GREEN, made, "")
    assert all((store.root / part.path / "part.json").exists() for part in made)
    assert store.resolve("docs") == later


def test_back_to_the_old_space(store: Store) -> None:
    old = commit(store, STONES)
    before = results(store, old)
    reembed(store)
    back = branches.restore(store, "docs@1", "the new encoder was worse")
    assert (back.space, results(store, back)) == (old.space, before)
    commit(store, {"chalk": "Chalk is soft"})
    assert examine(store).findings == []


def test_forget_and_gc_after_it(store: Store) -> None:
    commit(store, STONES)
    reembed(store)
    forget(store, [digest_bytes(STONES["slate"].encode())], "")
    for reference in ("docs@1", "docs@2"):
        assert set(sources(store, store.resolve(reference))) == {"granite"}
    assert examine(store).findings == []
    collect(store, Policy(newest=1), dry_run=False)
    assert set(sources(store, store.resolve("docs"))) == {"granite"}
    assert {
        path.name for path in store.root.glob("datasets/*/vectors/*") if any(path.iterdir())
    } == {GREEN.space}
    assert examine(store).findings == []
