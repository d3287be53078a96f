"""Search on a real workspace: modes, filters, explanations, wrong queries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.errors import (
    InvalidArgument,
    InvalidFilter,
    InvalidQuery,
    UnknownDataset,
    UnknownField,
    UnknownVersion,
)
from ragstone.schemas.api import Mode
from ragstone.workspace import Workspace

ROWS = [
    {"id": "granite", "text": "Granite is a coarse igneous rock of quartz and feldspar.",
     "year": 1999, "tags": ["igneous", "hard"], "place": {"country": "Norway"}, "note": None},
    {"id": "basalt", "text": "Basalt is a dark, fine-grained volcanic rock.",
     "year": 2005, "tags": ["igneous"], "place": {"country": "Iceland"}},
    {"id": "slate", "text": "Slate splits into thin plates that cover roofs.",
     "year": 2021, "tags": ["metamorphic"], "place": {"country": "Wales"}},
    {"id": "chalk", "text": "Chalk is a soft white limestone made of tiny shells.",
     "year": "1850", "tags": [], "it's": "quoted"},
    {"id": "puppy", "text": "The dog sleeps in the kitchen all day."},
]  # fmt: skip


@pytest.fixture(scope="module")
def stones(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    root = tmp_path_factory.mktemp("stones")
    table = root / "stones.jsonl"
    table.write_text("\n".join(json.dumps(row) for row in ROWS))
    path = root / "workspace"
    settings = {"ingestion": {"workers": 0}, "retrieval": {"synonyms": "synonyms.txt"}}
    with ragstone.open(path, create=True, encoder=encoder, **settings) as opened:
        (path / "synonyms.txt").write_text("lava => volcanic\n")
        opened.ingest([table], "stones", text=["text"], id="id")
        yield opened


def names(workspace: Workspace, query: str, **options: object) -> list[str]:
    return [hit.name for hit in workspace.search(query, "stones", **options).hits]  # type: ignore[arg-type]


def test_keywords_find_words_by_their_stems(stones: Workspace) -> None:
    assert names(stones, "plate roof", mode="keyword") == ["slate"]
    assert names(stones, "the of and", mode="keyword") == []


def test_vectors_find_meaning(stones: Workspace) -> None:
    assert names(stones, "pet animal at home", mode="vector")[0] == "puppy"
    assert names(stones, "lava from a volcano", mode="vector")[0] == "basalt"


def test_hybrid_explains_both_arms(stones: Workspace) -> None:
    best, *rest = stones.search("dark volcanic rock", "stones", k=3).hits
    assert best.name == "basalt"
    assert best.arms["keyword"].rank == best.arms["vector"].rank == 1
    assert 0 < best.arms["vector"].score <= 1
    assert best.score == 1.0
    assert [hit.rank for hit in (best, *rest)] == [1, 2, 3]
    matched = [best.text[place.start : place.end] for place in best.highlights]
    assert matched == ["dark", "volcanic", "rock"]


def test_results_repeat_to_the_last_digit(stones: Workspace) -> None:
    for mode in get_args(Mode):
        first = stones.search("white rock", "stones", mode=mode)
        assert all(stones.search("white rock", "stones", mode=mode) == first for _ in range(3))


def test_threads_get_the_results_of_one(stones: Workspace) -> None:
    queries = [row["text"] for row in ROWS] * 4
    alone = [stones.search(str(query), "stones").hits for query in queries]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda q: stones.search(str(q), "stones").hits, queries))
    assert [[h.chunk_id for h in hits] for hits in together] == [
        [h.chunk_id for h in hits] for hits in alone
    ]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (["year>=2005"], {"basalt", "slate"}),
        (["year<2000"], {"granite", "chalk"}),
        (["year=1850"], {"chalk"}),
        (["year!=2021"], {"granite", "basalt", "chalk"}),
        (["year>1900", "year<2010"], {"granite", "basalt"}),
        (["tags=igneous"], {"granite", "basalt"}),
        (["tags = igneous", "tags=hard"], {"granite"}),
        (["place.country=Wales"], {"slate"}),
        (["place.country~LAND"], {"basalt"}),
        (["it's=quoted"], {"chalk"}),
        (["name=puppy"], {"puppy"}),
        (["source~stones.jsonl#gr"], {"granite"}),
        (["modality=text"], {str(row["id"]) for row in ROWS}),
        (["modality!=text"], set()),
        (["size>0", "added=1"], {str(row["id"]) for row in ROWS}),
        (["place.country=x' OR '1'='1"], set()),
        (["place.country=\"x' OR '1'='1\""], set()),
    ],
)
@pytest.mark.parametrize("mode", ["vector", "hybrid"])
def test_filters(stones: Workspace, mode: str, where: list[str], expected: set[str]) -> None:
    assert set(names(stones, "rock", mode=mode, where=where)) == expected


def test_filter_comes_before_ranking(stones: Workspace) -> None:
    assert names(stones, "igneous rock", k=1, where=["name=slate"], mode="vector") == ["slate"]
    assert names(stones, "plates", k=1, where=["year<2000"], mode="keyword") == []


@pytest.mark.parametrize("where", ["year", "year>", ">=3", "", "year 2000", "=x"])
def test_unreadable_filter_shows_the_form(stones: Workspace, where: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        stones.search("rock", "stones", where=[where])
    assert "year>=2020" in caught.value.hint


def test_unknown_field_lists_the_known(stones: Workspace) -> None:
    with pytest.raises(UnknownField, match="'yaer'") as caught:
        stones.search("rock", "stones", where=["yaer>3"])
    assert "modality" in caught.value.hint


@pytest.mark.parametrize("query", ["", "   ", "\n\t"])
def test_empty_query(stones: Workspace, query: str) -> None:
    with pytest.raises(InvalidQuery, match="is empty"):
        stones.search(query, "stones")


def test_query_of_ten_thousand_words(stones: Workspace) -> None:
    with pytest.raises(InvalidQuery, match="10,000 words"):
        stones.search("rock " * 10_000, "stones")
    assert stones.search("rock " * 999, "stones").hits


@pytest.mark.parametrize("k", [0, -1, 1_001])
def test_k_outside_its_bounds(stones: Workspace, k: int) -> None:
    with pytest.raises(InvalidArgument, match=f"k is {k}"):
        stones.search("rock", "stones", k=k)


def test_k_above_the_candidates_is_kept(stones: Workspace) -> None:
    settings = stones._retriever._settings
    stones._retriever._settings = settings.model_copy(update={"candidates": 2})
    try:
        assert len(names(stones, "rock", k=5, mode="vector")) == 5
    finally:
        stones._retriever._settings = settings


@pytest.mark.parametrize("version", ["9" * 5_000, "", "1@1"])
def test_odd_versions_are_unknown(stones: Workspace, version: str) -> None:
    with pytest.raises(UnknownVersion):
        stones.search("rock", f"stones@{version}")


def test_offset_beyond_all_numbers(stones: Workspace) -> None:
    with pytest.raises(InvalidArgument, match="offset"):
        stones.items("stones", offset=10**21)
    assert stones.items("stones", offset=10**15) == []


def test_filters_given_as_one_string(stones: Workspace) -> None:
    with pytest.raises(InvalidArgument, match="a list of filters"):
        stones.search("rock", "stones", where="year>2000")


def test_unknown_mode_dataset_and_version(stones: Workspace) -> None:
    with pytest.raises(InvalidArgument, match="keyword, vector, hybrid"):
        stones.search("rock", "stones", mode="fuzzy")  # type: ignore[arg-type]
    with pytest.raises(UnknownDataset, match="'stnoes'"):
        stones.search("rock", "stnoes")
    with pytest.raises(UnknownVersion, match="'7'"):
        stones.search("rock", "stones@7")


@pytest.mark.parametrize(
    "query",
    [
        '"unbalanced',
        "a AND OR NOT",
        "title:(",
        "*",
        "~~~",
        "rock^2 +x -y",
        "\\",
        "日本語",
        "🪨",
        "x" * 5_000,
        "\x00",
    ],
)
def test_no_query_is_a_syntax_error(stones: Workspace, query: str) -> None:
    for mode in get_args(Mode):
        stones.search(query, "stones", mode=mode)


def test_the_result_says_how_the_query_was_read(stones: Workspace) -> None:
    assert stones.search("dark rock", "stones").reading == "words"
    assert stones.search("Is it a dark -rock?", "stones").reading == "words"
    assert stones.search("dark -rock", "stones").reading == "query"


@pytest.mark.parametrize("mode", get_args(Mode))
def test_what_a_query_demands_holds_in_every_mode(stones: Workspace, mode: str) -> None:
    assert set(names(stones, "rock -volcanic", mode=mode)).isdisjoint({"basalt"})
    assert names(stones, '"white limestone" rock', mode=mode) == ["chalk"]
    assert names(stones, "soft AND white", mode=mode) == ["chalk"]
    assert names(stones, '"limestone white"', mode=mode) == []
    assert names(stones, "rock -volcanic", mode=mode, where=["year>2000"]) == (
        [] if mode == "keyword" else ["slate"]
    )


def test_the_vectors_see_the_plain_words(stones: Workspace) -> None:
    plain = stones.search("dark volcanic", "stones", mode="vector").hits
    asked = stones.search("dark AND volcanic", "stones", mode="vector").hits
    assert asked[0].arms["vector"] == plain[0].arms["vector"]


def test_did_you_mean(stones: Workspace) -> None:
    for mode, expected in (("keyword", ["limestone"]), ("hybrid", ["limestone"]), ("vector", [])):
        result = stones.search("white limstone", "stones", mode=mode)  # type: ignore[arg-type]
        assert [word for meant in result.suggestions for word in meant.instead] == expected


def test_synonyms_of_the_settings(stones: Workspace) -> None:
    (hit,) = stones.search("lava", "stones", mode="keyword").hits
    assert hit.name == "basalt"
    assert [hit.text[place.start : place.end] for place in hit.highlights] == ["volcanic"]


def test_evaluation_ranks_items(stones: Workspace, tmp_path: Path) -> None:
    queries = tmp_path / "queries.jsonl"
    queries.write_text(
        '{"_id": 1, "text": "dark volcanic rock"}\n{"_id": "2", "text": "roof plates"}\n'
        '{"_id": "unjudged", "text": "x"}\n'
    )
    qrels = tmp_path / "qrels.tsv"
    qrels.write_text("query-id\tcorpus-id\tscore\n1\tbasalt\t1\n2\tslate\t2\n2\tmissing\t1\n")
    result = stones.evaluate_retrieval("stones", queries, qrels)
    assert (result.queries, set(result.modes)) == (2, set(get_args(Mode)))
    assert result.modes["keyword"]["mrr@10"] == 1.0
    assert result.modes["hybrid"]["recall@100"] == 0.75
    assert 0.5 < result.modes["hybrid"]["ndcg@10"] < 1


@pytest.mark.parametrize(
    ("queries", "qrels", "problem"),
    [
        ("not json", "1\ta\t1", "JSON lines"),
        ('{"_id": "1"}', "1\ta\t1", "JSON lines"),
        ('{"_id": "1", "text": "x"}', "1\ta\t1\n1\ta", "line 2"),
        ('{"_id": "1", "text": "x"}', "2\ta\t1", "at least one"),
        ('{"_id": "1", "text": "x"}', "1\tnobody\t1", "by their names, such as"),
    ],
)
def test_evaluation_names_the_bad_line(
    stones: Workspace, tmp_path: Path, queries: str, qrels: str, problem: str
) -> None:
    (tmp_path / "q").write_text(queries)
    (tmp_path / "r").write_text(qrels)
    with pytest.raises(InvalidArgument, match=problem):
        stones.evaluate_retrieval("stones", tmp_path / "q", tmp_path / "r")
