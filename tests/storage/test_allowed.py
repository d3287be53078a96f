"""What filters let through: kept for a version, and the same hits whichever way is taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pyroaring import BitMap64

from ragstone.errors import UnknownField
from ragstone.storage.allowed import Allowances, Allowed
from ragstone.storage.forgetting import forget
from ragstone.storage.keyword_segments import KeywordDocument
from ragstone.storage.keywords import Generations, write_generation
from ragstone.storage.store import Store

from .conftest import by_words, commit, unit_vectors

Opener = Callable[[], Store]
CHUNKS = 3_000


def test_keys_are_looked_up_as_they_are() -> None:
    allowed = Allowed(BitMap64([0, 7, 9]))
    assert allowed.has(np.array([0, 1, 7, 9, 10, 10**12])).tolist() == [1, 0, 1, 1, 0, 0]
    assert allowed.listed == [0, 7, 9]
    assert not Allowed(BitMap64()).has(np.array([0, 3])).any()


def test_a_filter_is_looked_up_once_for_a_version() -> None:
    made: list[int] = []

    def make() -> BitMap64:
        made.append(1)
        return BitMap64([len(made)])

    kept = Allowances()
    first = kept.get("v1", ["a>1"], make)
    assert kept.get("v1", ["a>1"], make) is first
    assert kept.get("v2", ["a>1"], make) is not first
    assert kept.get("v1", [], make) is not first
    kept.forget()
    assert kept.get("v1", ["a>1"], make) is not first
    assert len(made) == 4
    assert kept.get("v3", [], lambda: None) is None


def test_only_the_last_filters_are_kept() -> None:
    kept = Allowances()
    first = kept.get("v", ["0"], BitMap64)
    for number in range(1, 40):
        kept.get("v", [str(number)], BitMap64)
    assert kept.get("v", ["0"], BitMap64) is not first


def test_an_error_is_not_kept() -> None:
    kept = Allowances()

    def fail() -> BitMap64:
        raise UnknownField("colour", [])

    for _ in range(2):
        with pytest.raises(UnknownField, match="colour"):
            kept.get("v", ["colour=red"], fail)


@pytest.fixture(scope="module")
def generations(tmp_path_factory: pytest.TempPathFactory) -> tuple[Generations, object]:
    root: Path = tmp_path_factory.mktemp("keywords")
    draw = np.random.default_rng(0)
    words = np.array(["slate", "chalk", "marble", "flint"])
    texts = (" ".join(draw.choice(words, draw.integers(1, 9))) for _ in range(CHUNKS))
    documents = (KeywordDocument(n, {"heading": "", "text": t}) for n, t in enumerate(texts))
    return Generations(root), write_generation(root, root, None, documents, [])


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.01])
def test_the_same_are_found_by_clauses_by_a_set_of_terms_and_among_more(
    generations: tuple[Generations, object], monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    inside = np.random.default_rng(1).random(CHUNKS) < share
    allowed = BitMap64(np.flatnonzero(inside))
    found = []
    for many, few in ((float("inf"), CHUNKS), (float("inf"), 0), (0.0, 0)):
        monkeypatch.setattr("ragstone.storage.keyword_index._MANY", many)
        monkeypatch.setattr("ragstone.storage.keyword_index._FEW", few)
        found.append(by_words(*generations, ["slate", "flint"], 40, allowed).pairs())
    assert found[0] == found[1] == found[2]
    assert found[0]
    assert {key for key, _ in found[0]} <= set(allowed)


def test_what_is_asked_for_a_filter_is_made_once(generations: tuple[Generations, object]) -> None:
    allowed = Allowed(BitMap64(range(100)), lasting=True)
    first = by_words(*generations, ["slate"], 20, allowed)
    (made,) = allowed.filters.values()
    assert by_words(*generations, ["slate"], 20, allowed).pairs() == first.pairs()
    assert list(allowed.filters.values()) == [made]


def test_a_filter_that_lets_through_none_of_the_best(
    generations: tuple[Generations, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then more are found than were asked for, and still too few: a filter tells."""
    monkeypatch.setattr("ragstone.storage.keyword_index._MANY", 0.0)
    ranking = by_words(*generations, ["slate"], CHUNKS)
    worst = BitMap64(ranking.keys[-300:])
    found = by_words(*generations, ["slate"], 20, worst)
    assert len(found) == 20
    assert {*found.keys.tolist()} <= set(worst)


def test_what_is_erased_is_let_go(open_store: Opener) -> None:
    store = open_store()
    commit(store, {"slate": "Slate splits", "chalk": "Chalk is soft"})
    head = store.head("docs")
    kept = store.allowances.get(head.digest, [], lambda: BitMap64([0, 1]))
    rows = store.live_sources(head).to_pylist()
    forget(store, [row["item_id"] for row in rows if row["source"] == "slate"], "asked to")
    now = store.allowances.get(head.digest, [], lambda: BitMap64([1]))
    assert (kept is not now, now.listed if now else None) == (True, [1])
    found = store.segments.search(
        store.head("docs").segments, unit_vectors(["Slate splits"])[0], 5, now
    )
    assert found.keys.tolist() == [1]
