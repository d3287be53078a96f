"""The table of bands: what shares one is found, in any dataset but another's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ragstone.config import StorageSettings
from ragstone.storage.bands import BUCKET, CREATE_TABLE, BandTable
from ragstone.storage.catalog import Catalog

BANDS = 4
Rows = tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64]]


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(tmp_path / "catalog.duckdb", StorageSettings())
    there = opened.rows("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'minhash_bands'")
    if there == [(0,)]:
        opened.write(CREATE_TABLE)
    yield opened
    opened.close()


@pytest.fixture
def table(catalog: Catalog) -> Iterator[BandTable]:
    with catalog.transaction() as cursor:
        yield BandTable(cursor, "d", "a")


def rows(*items: tuple[int, str]) -> Rows:
    """Items as (key, word): each letter of the word is what it has in that band."""
    keys = np.array([key for key, _ in items], np.int64)
    words = [word for _, word in items]
    bands = [[(2**60 * place + ord(letter)) for place, letter in enumerate(word)] for word in words]
    digests = [int.from_bytes(word.encode()[:7], "little") + 2**63 for word in words]
    return keys, np.array(digests, np.uint64), np.array(bands, np.uint64).reshape(-1, BANDS)


def test_new_items_meet_each_other_and_the_stored_ones(table: BandTable) -> None:
    table.add(*rows((1, "abcd"), (2, "xyzw"), (3, "pqrs")))
    found = table.candidates(*rows((10, "abXX"), (11, "YYzY"), (12, "ZZZZ"), (13, "VVVZ")))
    assert found.tolist() == [[1, 10], [2, 11], [12, 13]]
    assert found.dtype == np.int64


def test_a_letter_in_another_band_is_another_key(table: BandTable) -> None:
    table.add(*rows((1, "abcd")))
    assert table.candidates(*rows((2, "dabc"))).shape == (0, 2)


def test_equal_sets_make_a_star_and_one_of_them_meets_the_others(table: BandTable) -> None:
    table.add(*rows((4, "abcd"), (5, "abcd"), (6, "aXYZ")))
    found = table.candidates(*rows((20, "abcd"), (21, "abUV"), (22, "abUV")))
    assert found.tolist() == [[4, 20], [4, 21], [6, 21], [21, 22]]


def test_datasets_and_algorithms_do_not_meet(table: BandTable) -> None:
    BandTable(table.cursor, "other", "a").add(*rows((1, "abcd")))
    BandTable(table.cursor, "d", "other").add(*rows((2, "abcd")))
    assert table.candidates(*rows((3, "abcd"))).tolist() == []
    table.add(*rows((4, "abcd")))
    assert table.candidates(*rows((5, "abcd"))).tolist() == [[4, 5]]


def test_what_is_removed_or_does_not_live_is_not_met(table: BandTable) -> None:
    other = BandTable(table.cursor, "other", "a")
    for each in (table, other):
        each.add(*rows((1, "abcd"), (2, "abcd"), (3, "abXY")))
    new = rows((9, "abPQ"))
    assert table.candidates(*new).tolist() == [[1, 9], [3, 9]]
    assert table.candidates(*new, living=np.array([2, 7])).tolist() == [[2, 9]]
    assert table.candidates(*new, living=np.empty(0, np.int64)).tolist() == []
    table.remove(np.array([1, 3, 77]))
    assert table.candidates(*new).tolist() == [[2, 9]]
    assert other.candidates(*new).tolist() == [[1, 9], [3, 9]]


def test_nothing_is_left_behind_and_it_is_all_or_nothing(catalog: Catalog) -> None:
    def broken_off() -> None:
        with catalog.transaction() as cursor:
            table = BandTable(cursor, "d", "a")
            table.add(*rows((1, "abcd")))
            assert table.candidates(*rows((2, "abcd")), living=np.array([1])).tolist() == [[1, 2]]
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken_off()
    assert catalog.rows("SELECT count(*) FROM minhash_bands") == [(0,)]
    names = "SELECT view_name FROM duckdb_views() WHERE view_name IN ('incoming', 'living', 'gone')"
    assert catalog.rows(names) == []


def test_large_keys_survive_the_way_through_the_catalog(table: BandTable) -> None:
    """Keys use all 64 bits; a join's bounds must not trip over the highest one."""
    generator = np.random.default_rng(2)
    digests = generator.integers(2**63, 2**64, 50, dtype=np.uint64)
    bands = generator.integers(2**62, 2**64, (50, 21), dtype=np.uint64)
    table.add(np.arange(25), digests[:25], bands[:25])
    bands[25:, 20] = bands[:25, 20]
    found = table.candidates(np.arange(25, 50), digests[25:], bands[25:])
    assert found.tolist() == [[key, key + 25] for key in range(25)]


@pytest.mark.parametrize("seed", range(3))
def test_candidates_are_those_of_brute_force(table: BandTable, seed: int) -> None:
    generator = np.random.default_rng(seed)
    words = generator.choice(list("abcdefghijklmnopqrstuvwxyz" * 2), (160, BANDS))
    texts = list(dict.fromkeys("".join(word) for word in words))
    items = list(enumerate(texts))
    table.add(*rows(*items[:100]))
    found = {tuple(pair) for pair in table.candidates(*rows(*items[100:])).tolist()}
    expected = {
        (one, other)
        for (one, first), (other, second) in combinations(items, 2)
        if other >= 100 and any(a == b for a, b in zip(first, second, strict=True))
    }
    assert found == expected
    assert len(expected) > 500


def test_forms_meet_the_first_of_their_band_alone(table: BandTable) -> None:
    count = 5 * BUCKET
    keys = np.arange(count)
    bands = keys[:, None].astype(np.uint64) + np.arange(BANDS, dtype=np.uint64) * np.uint64(2**40)
    bands[:, 2] = 7
    digests = np.random.default_rng(1).permutation(count).astype(np.uint64)
    stored = 2 * BUCKET
    table.add(keys[:stored], digests[:stored], bands[:stored])
    found = table.candidates(keys[stored:], digests[stored:], bands[stored:])
    degree = np.bincount(found.ravel(), minlength=count)
    assert len(found) <= 3 * BUCKET * BUCKET
    assert degree[stored:].min() >= BUCKET - 1
    assert np.count_nonzero(degree > BUCKET) == BUCKET
