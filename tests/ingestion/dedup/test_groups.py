"""Groups: connected components, named by what is in them, explained by the pairs between."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ragstone.ingestion.dedup.base import DuplicateKind, Pair, Signed
from ragstone.ingestion.dedup.exact import exact_pairs
from ragstone.ingestion.dedup.groups import NEAREST, Forest, backbone, groups, path

IDS = {key: f"{97 * key % 1009:064x}" for key in range(1_000)}


def pair(
    first: int, second: int, distance: float = 0.1, kind: DuplicateKind = DuplicateKind.TEXT
) -> Pair:
    return Pair(first, second, kind, distance, "test")


EDGES = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from([0.0, 0.1, 0.2, 0.3])).filter(
        lambda edge: edge[0] < edge[1]
    ),
    max_size=40,
    unique_by=lambda edge: edge[:2],
)


def brute_components(edges: list[tuple[int, int]]) -> set[frozenset[int]]:
    """Connected components by flooding."""
    left = {key for edge in edges for key in edge}
    found = set()
    while left:
        flood = {left.pop()}
        while more := {k for edge in edges if flood & set(edge) for k in edge} - flood:
            flood |= more
        left -= flood
        found.add(frozenset(flood))
    return found


def test_a_chain_is_one_group_named_by_its_least_id() -> None:
    chain = [pair(3, 8, 0.2), pair(8, 11, 0.1)]
    (group,) = groups(chain, IDS)
    least = min(IDS[key] for key in (3, 8, 11))
    assert group.id == f"text-{least[:16]}"
    assert sorted(group.members, key=lambda key: IDS[key]) == list(group.members)
    assert [p.distance for p in group.pairs] == [0.1, 0.2]
    assert group.kept is None


@settings(deadline=None)
@given(EDGES)
def test_groups_are_the_connected_components(edges: list[tuple[int, int, float]]) -> None:
    made = groups([pair(*edge) for edge in edges], IDS)
    assert {frozenset(group.members) for group in made} == brute_components(
        [edge[:2] for edge in edges]
    )
    assert sorted(p.first for group in made for p in group.pairs) == sorted(e[0] for e in edges)


@settings(deadline=None)
@given(EDGES, st.randoms())
def test_order_has_no_part(edges: list[tuple[int, int, float]], shuffle: object) -> None:
    pairs = [pair(*edge) for edge in edges]
    mixed = list(pairs)
    shuffle.shuffle(mixed)  # type: ignore[attr-defined]
    assert groups(mixed, IDS) == groups(pairs, IDS)


def test_pairs_of_what_is_hidden_count_for_what_stands_for_it() -> None:
    standing = {5: 2, 9: 2}
    lifted = groups([pair(5, 7), pair(2, 9)], IDS, lambda key: standing.get(key, key))
    assert [set(group.members) for group in lifted] == [{2, 7}]


def test_path_takes_the_fewest_steps_and_of_those_the_shortest() -> None:
    pairs = [
        pair(1, 2, 0.05),
        pair(2, 3, 0.05),
        pair(3, 9, 0.05),
        pair(1, 4, 0.3),
        pair(4, 9, 0.3),
        pair(1, 5, 0.2),
        pair(5, 9, 0.2),
        pair(5, 9, 0.4, DuplicateKind.SEMANTIC),
    ]
    assert [(p.first, p.second, p.distance) for p in path(pairs, 1, 9)] == [
        (1, 5, 0.2),
        (5, 9, 0.2),
    ]
    assert [p.first for p in path(pairs, 9, 1)] == [5, 1]
    assert path(pairs, 1, 77) == ()
    assert path(pairs, 1, 1) == ()


@settings(deadline=None)
@given(EDGES, st.sampled_from([0.0, 0.1, 0.2, 0.3]))
def test_backbone_keeps_the_components_at_every_threshold(
    edges: list[tuple[int, int, float]], threshold: float
) -> None:
    keys = np.array([edge[:2] for edge in edges], np.int64).reshape(-1, 2)
    kept = backbone(keys, np.array([edge[2] for edge in edges]), nearest=1)
    near = [edge[:2] for edge in edges if edge[2] <= threshold]
    thin = [edge[:2] for edge, keep in zip(edges, kept, strict=True) if keep]
    assert brute_components([e for e in near if e in thin]) == brute_components(near)


def test_backbone_thins_a_crowd_and_nothing_else() -> None:
    crowd = np.stack(np.triu_indices(200, 1), axis=1).astype(np.int64)
    distances = np.random.default_rng(1).random(len(crowd))
    kept = backbone(crowd, distances)
    assert kept.sum() <= 200 * (NEAREST + 1)
    one = crowd[(crowd < NEAREST + 1).all(axis=1)]
    assert backbone(one, distances[: len(one)]).all()


def test_forest_joins_once() -> None:
    forest = Forest()
    assert forest.join(1, 2)
    assert forest.join(3, 4)
    assert forest.join(2, 3)
    assert not forest.join(4, 1)
    assert sorted(map(sorted, forest.trees().values())) == [[1, 2, 3, 4]]


def test_equal_payloads_make_a_star() -> None:
    signed = Signed(np.array([4, 7, 2, 9, 5]), [b"a", b"b", b"a", b"c", b"a"])
    found = exact_pairs(signed, "blake3-text-1")
    assert sorted((p.first, p.second) for p in found) == [(2, 4), (2, 5)]
    assert {(p.kind, p.distance, p.algorithm) for p in found} == {
        (DuplicateKind.EXACT, 0.0, "blake3-text-1")
    }
