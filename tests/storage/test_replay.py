"""Replay: what was found in a version is found in it for ever, with the same scores."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

from ragstone.storage.doctor import examine
from ragstone.storage.manifests import Manifest
from ragstone.storage.retention import Policy, collect
from ragstone.storage.store import Store

from .conftest import SPACE, by_words, fill, unit_vectors

Opener = Callable[[], Store]
WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]
QUERIES = 200
CHANGES, AT_ONCE = 1_000, 10


def text(draw: random.Random) -> str:
    return ". ".join(" ".join(draw.choices(WORDS, k=8)) for _ in range(2))


def change(store: Store, sources: dict[str, str]) -> Manifest:
    """Commit `sources`; what they held before leaves."""
    with store.change("docs", SPACE) as begun:
        for row in store.live_sources(begun.head).to_pylist():
            if row["source"] in sources:
                begun.removed_sources.add(row["source_key"])
                begun.removed_items.add(row["item_key"])
        fill(store, begun, sources)
        return store.commit(begun, "change", "settings")


def record(store: Store, version: int, queries: list[list[str]]) -> list[object]:
    """Return ids and scores of both arms for each query."""
    manifest = store.resolve(f"docs@{version}")
    live = store.live_chunks(manifest.dataset_id, version)
    vectors = unit_vectors([" ".join(words) for words in queries])
    return [
        (
            by_words(store.generations, manifest.keywords, words, 10).pairs(),
            store.segments.search(manifest.segments, vector, 10, live).pairs(),
        )
        for words, vector in zip(queries, vectors, strict=True)
    ]


def test_queries_replay_after_a_thousand_changes(open_store: Opener) -> None:
    draw = random.Random(7)  # noqa: S311  # no secret
    store = open_store()
    queries = [draw.choices(WORDS, k=2) for _ in range(QUERIES)]
    change(store, {f"source {n}": text(draw) for n in range(200)})
    for _ in range(9):
        change(store, {f"source {n}": text(draw) for n in draw.sample(range(200), AT_ONCE)})
    before = {version: record(store, version, queries) for version in range(1, 11)}
    assert all(any(keywords for keywords, _ in found) for found in before.values())
    for version in before:
        store.tags.set(store.resolve(f"docs@{version}"), f"kept-{version}", "", move=False)
    sizes = [len(store.resolve("docs").segments)]
    for _ in range(CHANGES // AT_ONCE):
        sources = {f"source {n}": text(draw) for n in draw.sample(range(300), AT_ONCE)}
        sizes.append(len(change(store, sources).segments))
    assert any(after < earlier for earlier, after in pairwise(sizes)), "merged"
    store = open_store()
    assert {version: record(store, version, queries) for version in before} == before
    collect(store, Policy(newest=1), dry_run=False)
    store.close()
    (store.root / "catalog.duckdb").unlink()
    (store.root / "catalog.duckdb.wal").unlink(missing_ok=True)
    store = open_store()
    assert {version: record(store, version, queries) for version in before} == before
    assert examine(store).findings == []
