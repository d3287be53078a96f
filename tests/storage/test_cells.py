"""Segments that are sorted into cells: the same bytes, exact scores, and what a filter leaves."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faiss
import numpy as np
import pytest
from pyroaring import BitMap64

from ragstone.storage.allowed import Allowed
from ragstone.storage.cells import assigned, cell_count, centres_of, probed
from ragstone.storage.doctor import examine
from ragstone.storage.forgetting import forget
from ragstone.storage.manifests import SegmentRef, unpack_bitmap
from ragstone.storage.merging import FAN_IN
from ragstone.storage.ranked import Ranked
from ragstone.storage.segments import Segments
from ragstone.storage.store import Store
from ragstone.storage.vectors import IN_CELLS, open_segment, read_keys, write_segment

from .conftest import SPACE, commit, unit_vectors

Opener = Callable[[], Store]
COUNT, WIDE = 20_000, 32


def around(centres: int, count: int, seed: int) -> np.ndarray:
    """Return unit vectors around as many places, the same for every seed; float16."""
    places = np.random.default_rng(0).normal(size=(centres, WIDE))
    draw = np.random.default_rng(seed)
    rows = places[draw.integers(0, centres, count)] + 0.5 * draw.normal(size=(count, WIDE))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Vectors of the chunks 0, 3, 6 and so on."""
    assert COUNT >= IN_CELLS
    return around(200, COUNT, 1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cells")


@pytest.fixture(scope="module")
def segment(root: Path, vectors: np.ndarray) -> SegmentRef:
    return write_segment(root, root, SPACE, 3 * np.arange(COUNT), vectors)


def exact(vectors: np.ndarray, query: np.ndarray, k: int, allowed: BitMap64 | None) -> list[int]:
    """Return the keys of the nearest, by looking at all."""
    scores = vectors.astype(np.float32) @ query
    keys = 3 * np.arange(COUNT)
    if allowed is not None:
        inside = np.isin(keys, np.asarray(allowed.to_array(), np.int64))
        keys, scores = keys[inside], scores[inside]
    return [int(key) for key in keys[np.argsort(-scores, kind="stable")][:k]]


def recall(found: list[Ranked], best: list[list[int]]) -> float:
    pairs = zip(found, best, strict=True)
    return sum(len({*f.keys[:10].tolist()} & {*b}) for f, b in pairs) / sum(map(len, best))


QUERIES = around(200, 40, 2).astype(np.float32)


# ---------------------------------------------------------------- cells


def test_every_vector_is_in_the_cell_of_its_nearest_centre(vectors: np.ndarray) -> None:
    centres = centres_of(vectors, cell_count(COUNT))
    scores = vectors.astype(np.float64) @ centres.astype(np.float64).T
    chosen = scores[np.arange(COUNT), assigned(vectors, centres)]
    np.testing.assert_allclose(chosen, scores.max(axis=1), atol=4)  # of 4,000
    assert 0.6 * cell_count(COUNT) < len(centres) <= cell_count(COUNT)


def test_cells_do_not_depend_on_the_order_in_which_products_are_added(vectors: np.ndarray) -> None:
    """As another processor, or another number of threads, would add them."""
    mixed = np.random.default_rng(3).permutation(WIDE)
    centres = centres_of(vectors, 60)
    other = centres_of(np.ascontiguousarray(vectors[:, mixed]), 60)
    assert other.tobytes() == np.ascontiguousarray(centres[:, mixed]).tobytes()
    moved = assigned(np.ascontiguousarray(vectors[:, mixed]), other)
    assert moved.tobytes() == assigned(vectors, centres).tobytes()


def test_equal_vectors_make_one_cell() -> None:
    same = np.tile(around(1, 1, 1), (300, 1))
    assert assigned(same, centres_of(same, 34)).max() == 0


def test_a_smaller_share_looks_into_more_cells() -> None:
    steps = [probed(700, share) for share in (1, 0.5, 0.1, 0.01, 0.0001)]
    assert steps == sorted(set(steps))
    assert probed(700, 1e-9) == 700
    assert probed(5) == 5


# ---------------------------------------------------------------- segments


def test_the_same_vectors_give_the_same_bytes(
    root: Path, vectors: np.ndarray, segment: SegmentRef
) -> None:
    order = np.random.default_rng(4).permutation(COUNT)
    again = write_segment(root, root, SPACE, 3 * order, vectors[order])
    assert again.file == segment.file
    assert again.keys == segment.keys


def test_a_segment_gives_back_what_it_holds(
    root: Path, vectors: np.ndarray, segment: SegmentRef
) -> None:
    keys, held = Segments(root).contents(segment)
    assert keys.tolist() == (3 * np.arange(COUNT)).tolist()
    assert held.tobytes() == vectors.tobytes()
    assert read_keys(root / segment.path).tolist() == keys.tolist()
    assert unpack_bitmap(segment.keys) == BitMap64(keys)


def test_the_nearest_are_found_with_the_scores_of_a_flat_segment(
    root: Path, vectors: np.ndarray, segment: SegmentRef
) -> None:
    flat = write_segment(root, root, SPACE, 3 * np.arange(COUNT), vectors, sorted_into_cells=False)
    segments = Segments(root)
    found = [segments.search([segment], query, 100, None) for query in QUERIES]
    every = [segments.search([flat], query, COUNT, None) for query in QUERIES]
    best = [[key for key, _ in one.pairs(10)] for one in every]
    assert recall(found, best) >= 0.95
    for one, other in zip(found, every, strict=True):
        assert {*one.pairs()} <= {*other.pairs()}


@pytest.mark.parametrize("lasting", [True, False])
@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
def test_filters_of_every_share_find_the_nearest(
    root: Path,
    vectors: np.ndarray,
    segment: SegmentRef,
    share: float,
    lasting: bool,  # noqa: FBT001
) -> None:
    chosen = np.random.default_rng(5).random(COUNT) < share
    keys = BitMap64(3 * np.flatnonzero(chosen))
    segments, allowed = Segments(root), Allowed(keys, lasting=lasting)
    found = [segments.search([segment], query, 50, allowed) for query in QUERIES]
    assert all(BitMap64(one.keys.tolist()) <= keys for one in found)
    assert {len(one) for one in found} == {min(50, len(keys))}
    best = [exact(vectors, query, 10, keys) for query in QUERIES]
    assert recall(found, best) >= (1 if share < 0.1 and lasting else 0.95)


def test_a_filter_far_from_the_query_is_looked_for_everywhere(
    root: Path, vectors: np.ndarray, segment: SegmentRef
) -> None:
    segments = Segments(root)
    for query in QUERIES[:5]:
        far = np.argsort(vectors.astype(np.float32) @ query)[: COUNT // 10]
        found = segments.search([segment], query, 2_000, BitMap64(3 * far))
        assert BitMap64(found.keys.tolist()) == BitMap64(3 * far)


def test_threads_find_what_one_finds(root: Path, segment: SegmentRef) -> None:
    keys = BitMap64(range(0, 3 * COUNT, 30))

    def search(number: int) -> list[tuple[int, float]]:
        allowed = (None, shared, keys)[number % 3]
        return segments.search([segment], QUERIES[number % 40], 30, allowed).pairs()

    segments, shared = Segments(root), Allowed(keys, lasting=True)
    alone = [search(number) for number in range(120)]
    segments, shared = Segments(root), Allowed(keys, lasting=True)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(search, range(120))) == alone


# ---------------------------------------------------------------- a dataset with cells


@pytest.fixture
def few_make_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ragstone.storage.vectors.IN_CELLS", 20)
    monkeypatch.setattr("ragstone.storage.changes.SMALLEST", 0)


def sentences(name: str, count: int) -> str:
    return ". ".join(f"{name} {number}" for number in range(count))


def nearest(store: Store, text: str, reference: str = "docs") -> list[tuple[int, float]]:
    manifest = store.resolve(reference)
    live = store.live_chunks(manifest.dataset_id, manifest.version)
    return store.segments.search(manifest.segments, unit_vectors([text])[0], 9, live).pairs()


@pytest.mark.usefixtures("few_make_cells")
def test_segments_with_cells_are_merged_and_sound(open_store: Opener) -> None:
    store = open_store()
    for number in range(FAN_IN):
        commit(store, {f"s{number}": sentences(f"Slate {number}", 25)})
    assert [segment.vectors for segment in store.head("docs").segments] == [25 * FAN_IN]
    before = {f"docs@{n}": nearest(store, "Slate 3 7", f"docs@{n}") for n in (4, 7, FAN_IN)}
    assert before["docs@7"][0] == before["docs@12"][0] == (82, pytest.approx(1, abs=1e-3))
    store = open_store()
    assert {name: nearest(store, "Slate 3 7", name) for name in before} == before
    assert examine(store).findings == []


@pytest.mark.parametrize("cells", [True, False])
@pytest.mark.usefixtures("few_make_cells")
def test_a_damaged_segment_is_made_again_with_or_without_cells(
    open_store: Opener,
    monkeypatch: pytest.MonkeyPatch,
    cells: bool,  # noqa: FBT001
) -> None:
    store = open_store()
    with monkeypatch.context() as before:
        if not cells:  # as an earlier release wrote it
            before.setattr("ragstone.storage.vectors.IN_CELLS", 1_000)
        commit(store, {"slate": sentences("Slate", 60)})
    path = store.root / store.head("docs").segments[0].path
    whole = path.read_bytes()
    expected = nearest(store, "Slate 5")
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    store = open_store()
    examine(store, rebuild=True)
    assert path.read_bytes() == whole
    assert nearest(store, "Slate 5") == expected
    assert examine(open_store()).healthy


@pytest.mark.usefixtures("few_make_cells")
def test_nothing_of_an_erased_vector_stays(open_store: Opener) -> None:
    """Neither itself nor a centre that it has a part in: they come from what is left."""
    store = open_store()
    commit(store, {"secret": "Hush", "slate": sentences("Slate", 60)})
    rows = store.live_sources(store.head("docs")).to_pylist()
    forget(store, [row["item_id"] for row in rows if row["source"] == "secret"], "asked to")
    vector = unit_vectors(["Hush"])[0].astype(np.float16).tobytes()
    assert not [p for p in store.root.rglob("*") if p.is_file() and vector in p.read_bytes()]
    commit(store, {"slate": sentences("Slate", 60)}, "without")
    with_it, without = (store.head(name).segments[0] for name in ("docs", "without"))
    centres = [
        faiss.vector_to_array(faiss.downcast_index(index.quantizer).codes).tobytes()
        for index in (open_segment(store.root, segment) for segment in (with_it, without))
    ]
    assert centres[0] == centres[1]
    assert examine(open_store()).healthy
