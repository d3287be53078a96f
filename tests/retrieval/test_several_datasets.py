"""Several datasets in one search: comparable scores, other spaces, and whose each hit is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import InvalidArgument, UnknownDataset, UnknownField
from ragstone.schemas.api import Mode, SearchResult
from ragstone.workspace import Workspace

STONES = ["granite", "basalt", "slate", "marble", "chalk", "flint"]
TOWNS = ["harbour", "market", "bridge", "castle", "railway", "garden"]


def text_of(number: int) -> str:
    """Return a note; in half of the first kind stands "granite", in one of the second."""
    word = "granite" if number % 2 else STONES[number % 6]
    return f"Note {number} on {word}, one of the stones that builders use."


def town_of(number: int) -> str:
    word = "granite harbour" if number == 3 else TOWNS[number % 6]
    return f"Note {number} on the {word}, one of the sights that visitors see."


def table(path: Path, texts: list[str], **more: object) -> Path:
    rows = ({"id": f"{path.stem}-{n}", "text": text, **more} for n, text in enumerate(texts))
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture(scope="module")
def shelves(
    tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder, small_model: Path
) -> Iterator[Workspace]:
    root = tmp_path_factory.mktemp("shelves")
    stones = [text_of(n) for n in range(12)]
    towns = [town_of(n) for n in range(12)]
    path = root / "workspace"
    with ragstone.open(path, create=True, encoder=encoder, ingestion={"workers": 0}) as opened:
        for name, texts, more in (
            ("stones", stones, {"hardness": 5}),
            ("towns", towns, {"country": "Wales"}),
            ("whole", stones + towns, {}),
            ("pebbles", stones, {}),
        ):
            opened.ingest(
                [table(root / f"{name}.jsonl", texts, **more)], name, text="text", id="id"
            )
        opened.reembed("pebbles", str(small_model))
        yield opened


def texts(result: SearchResult) -> list[str]:
    return [hit.text for hit in result.hits]


@pytest.mark.parametrize("mode", ["keyword", "vector", "hybrid"])
def test_two_datasets_are_ranked_as_one_that_holds_both(shelves: Workspace, mode: Mode) -> None:
    for query in ("granite", "granite harbour", '"granite harbour" -castle', "old stone bridges"):
        apart = shelves.search(query, ["stones", "towns"], mode=mode, k=24)
        whole = shelves.search(query, "whole", mode=mode, k=24)
        assert sorted(texts(apart)) == sorted(texts(whole))
        for hit, other in zip(apart.hits, whole.hits, strict=True):
            assert hit.score == pytest.approx(other.score, abs=0.05)


def test_words_weigh_the_same_in_each(shelves: Workspace) -> None:
    """In towns the word is rare, in stones it is not: alone, towns would come first by far."""
    alone = [shelves.search("granite", name, mode="keyword").hits[0].score for name in
             ("stones", "towns")]  # fmt: skip
    assert alone[1] > 2.5 * alone[0]
    together = shelves.search("granite", ["stones", "towns"], mode="keyword", k=24).hits
    best = {hit.dataset: hit.score for hit in reversed(together)}
    assert best["towns"] == pytest.approx(best["stones"], rel=0.1)
    whole = shelves.search("granite", "whole", mode="keyword").hits
    assert best["towns"] == pytest.approx(whole[0].score, rel=0.1)


def test_each_hit_says_whose_it_is(shelves: Workspace) -> None:
    result = shelves.search("granite harbour", ["towns", "stones@1"], k=24)
    assert result.datasets == ["towns@1", "stones@1"]
    assert (result.dataset, result.version) == ("towns", 1)
    for hit in result.hits:
        assert hit.name.startswith(f"{hit.dataset}-")
        assert hit.version == 1
        assert hit.arms.keys() <= {"keyword", "vector"}


def test_the_order_of_the_names_changes_nothing(shelves: Workspace) -> None:
    one, other = (
        shelves.search("granite", names, k=24).hits
        for names in (["stones", "towns"], ["towns", "stones"])
    )
    assert one == other


def test_datasets_of_different_spaces(shelves: Workspace) -> None:
    result = shelves.search("granite", ["pebbles", "towns"], k=24)
    names = {name for hit in result.hits for name in hit.arms}
    assert len(names) == 3
    assert "keyword" in names
    own = {
        hit.dataset: {name for name in hit.arms if name.startswith("vector.")}
        for hit in result.hits
    }
    assert len(own["pebbles"] & own["towns"]) == 0
    for hit in result.hits:
        parts = [(arm.weight or 0) * (arm.normalised or 0) for arm in hit.arms.values()]
        assert hit.score == pytest.approx(sum(parts), abs=1e-5)
    assert {hit.dataset for hit in result.hits} == {"pebbles", "towns"}


def test_pages_and_groups_and_neighbours_of_several(shelves: Workspace) -> None:
    asked = ["stones", "towns"]
    whole = shelves.search("granite", asked, k=24, neighbours=1, group=True)
    assert len({(hit.dataset, hit.item_id) for hit in whole.hits}) == 24
    first = shelves.search("granite", asked, k=5, neighbours=1, group=True)
    rest = shelves.search("granite", asked, k=24, neighbours=1, group=True, after=first.next)
    assert first.hits + rest.hits == whole.hits


def test_a_field_of_one_of_them_is_known(shelves: Workspace) -> None:
    asked = ["stones", "towns"]
    by = {
        where: {hit.dataset for hit in shelves.search("granite", asked, where=[where], k=24).hits}
        for where in ("country=Wales", "country missing", "hardness=5 or country=Wales")
    }
    assert list(by.values()) == [{"towns"}, {"stones"}, {"stones", "towns"}]
    with pytest.raises(UnknownField) as caught:
        shelves.search("granite", asked, where=["weight>1"])
    assert "country, hardness" in caught.value.hint
    with pytest.raises(UnknownField):
        shelves.search("granite", "stones", where=["country=Wales"])


def test_did_you_mean_only_what_none_of_them_has(shelves: Workspace) -> None:
    result = shelves.search("harbor", ["stones", "towns"], mode="keyword")
    assert [meant.instead for meant in result.suggestions] == [["harbour"]]
    assert shelves.search("harbour", ["stones", "towns"], mode="keyword").suggestions == []


@pytest.mark.parametrize("names", [[], ["stones", "stones@1"], [f"d{n}" for n in range(65)]])
def test_wrong_lists_of_datasets(shelves: Workspace, names: list[str]) -> None:
    with pytest.raises(InvalidArgument, match="each of them once"):
        shelves.search("granite", names)


def test_one_of_them_unknown(shelves: Workspace) -> None:
    with pytest.raises(UnknownDataset, match="'rivers'"):
        shelves.search("granite", ["stones", "rivers"])
