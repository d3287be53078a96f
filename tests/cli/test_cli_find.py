"""Search, answers and evaluation through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ragstone

Run = Callable[..., Any]
QUESTION = "Why does granite resist frost?"


def test_search_prints_the_documented_shape(run: Run, stones: Any) -> None:
    words = ["search", "granite frost", "-d", "stones@1", "-w", stones.workspace, "--json"]
    done = run(*words)
    assert done.status == 0
    assert {k: done.json[k] for k in ("dataset", "version", "query", "mode")} == {
        "dataset": "stones",
        "version": 1,
        "query": "granite frost",
        "mode": "hybrid",
    }
    hit = done.json["hits"][0]
    assert hit["rank"] == 1
    assert hit["source"] == str(stones.sources / "granite.md")
    assert set(hit["arms"]) == {"keyword", "vector"}
    assert hit["arms"]["vector"]["rank"] == 1
    for place in ("score", "chunk_id", "item_id", "text", "start", "end"):
        assert place in hit
    item = run("show", hit["item_id"], "--json", "-w", stones.workspace).json
    assert item["text"][hit["start"] : hit["end"]] == hit["text"]
    marked = [hit["text"][mark["start"] : mark["end"]] for mark in hit["highlights"]]
    assert {word.lower() for word in marked} == {"granite", "frost"}


def test_search_for_people(run: Run, stones: Any) -> None:
    words = ["search", "frost", "-d", "stones", "--mode", "keyword", "-w", stones.workspace]
    out = run(*words).out
    assert out.startswith("1 hit in stones@1, keyword\n")
    assert " 1. Granite" in out
    assert "keyword #1" in out
    assert "resists frost" in out
    assert str(stones.sources / "granite.md") in out.replace("\n", "")


def test_search_says_how_it_read_the_query(run: Run, stones: Any) -> None:
    words = ["-d", "stones", "--mode", "keyword", "-w", stones.workspace]
    assert "Read as a query with operators." in run("search", "granite AND frost", *words).out
    out = run("search", "grannite", *words).out
    assert out.startswith("No text has “grannite”. Did you mean granite?\nNothing found")
    found = run("search", "grannite", *words, "--json").json
    assert (found["reading"], found["suggestions"]) == (
        "words",
        [{"word": "grannite", "instead": ["granite"]}],
    )


def test_fewer_hits_on_request(run: Run, stones: Any) -> None:
    words = ["search", "stone", "-d", "stones", "--mode", "vector", "-w", stones.workspace]
    assert len(run(*words, "--json").json["hits"]) == 2
    assert len(run(*words, "-k", "1", "--json").json["hits"]) == 1


def test_the_same_search_twice_is_the_same(run: Run, stones: Any) -> None:
    words = ["search", "heated panels", "-d", "stones", "-w", stones.workspace, "--json"]
    assert run(*words).out == run(*words).out


def test_an_answer_cites_a_quote_that_is_there(run: Run, stones: Any) -> None:
    done = run("ask", QUESTION, "-d", "stones", "-w", stones.workspace, "--json")
    assert done.status == 0
    answer = done.json
    assert answer["found"] is True
    assert (answer["dataset"], answer["version"], answer["generator"]) == (
        "stones",
        1,
        "extractive",
    )
    cited = answer["citations"][0]
    assert f"[{cited['number']}]" in answer["answer"]
    item = run("show", cited["item_id"], "--json", "-w", stones.workspace).json
    assert item["text"][cited["start"] : cited["end"]] == cited["quote"]
    stored = run("show", answer["answer_id"], "--json", "-w", stones.workspace).json
    assert stored["answer"]["answer"] == answer["answer"]
    assert QUESTION in stored["prompt"]
    shown = run("show", answer["answer_id"], "-w", stones.workspace).out
    assert QUESTION in shown
    assert "The prompt:" in shown


def test_an_answer_for_people_lists_its_sources(run: Run, stones: Any) -> None:
    out = run("ask", QUESTION, "-d", "stones", "-w", stones.workspace).out
    assert "[1] Granite" in out
    assert "“" in out
    assert str(stones.sources / "granite.md") in out.replace("\n", "")


def test_no_answer_is_no_error(run: Run, stones: Any) -> None:
    words = ["ask", "Who won the chess championship of 1985?", "-d", "stones"]
    done = run(*words, "-w", stones.workspace, "--json")
    assert done.status == 0
    assert done.json["found"] is False
    assert done.json["citations"] == []
    assert "not found" in done.json["answer"].lower()


def test_an_unknown_generator(run: Run, stones: Any) -> None:
    words = ["ask", QUESTION, "-d", "stones", "--generator", "oracle", "-w", stones.workspace]
    done = run(*words, "--json")
    assert done.status in {1, 2}
    assert done.error["code"] in {"generator_unavailable", "invalid_argument"}
    assert "oracle" in done.error["message"]


def test_evaluation_in_the_beir_layout(run: Run, stones: Any, tmp_path: Path) -> None:
    queries = tmp_path / "queries.jsonl"
    asked = [{"_id": "q1", "text": "frost"}, {"_id": "q2", "text": "panels that bow"}]
    queries.write_text("".join(json.dumps(query) + "\n" for query in asked), encoding="utf-8")
    qrels = tmp_path / "qrels.tsv"
    lines = ["query-id\tcorpus-id\tscore", "q1\tgranite.md\t1", "q2\tmarble.md\t1"]
    qrels.write_text("\n".join(lines) + "\n", encoding="utf-8")
    words = ["evaluate", "retrieval", "stones", "--queries", queries, "--qrels", qrels]
    place = ["-w", stones.workspace]
    done = run(*words, "--json", *place)
    assert done.status == 0
    assert (done.json["dataset"], done.json["version"], done.json["queries"]) == ("stones", 1, 2)
    assert list(done.json["modes"]) == ["keyword", "vector", "hybrid"]
    assert done.json["modes"]["hybrid"] == {"ndcg@10": 1.0, "recall@100": 1.0, "mrr@10": 1.0}
    table = run(*words, "--mode", "keyword", *place).out
    assert "1.0000" in table
    assert "vector" not in table


def test_bench_prints_figures_of_this_machine(run: Run, stones: Any) -> None:
    done = run("bench", "stones", "--queries", "3", "-w", stones.workspace)
    assert done.status == 0, done.err
    assert "stones@1: 2 items, 2 chunks" in done.out
    for line in ("query encoding", "keyword search", "hybrid search", "queries per second, 4"):
        assert line in done.out
    report = run("bench", "stones", "--queries", "3", "--json", "-w", stones.workspace).json
    assert (report["dataset"], report["queries"], report["origin"]) == ("stones", 2, "sampled")
    assert report["encoding"]["runs"] == 3
    refused = run("bench", "stones", "--queries", "0", "--json", "-w", stones.workspace)
    assert (refused.status, refused.error["code"]) == (2, "invalid_argument")


def test_an_answer_is_replayed_explained_and_traced(run: Run, own_stones: Any) -> None:
    place = ["-w", own_stones.workspace]
    answer = run("ask", "Why does granite resist frost?", "-d", "stones", "--json", *place).json
    same = run("replay", answer["answer_id"], *place)
    assert (same.status, "byte for byte" in same.out) == (0, True)
    explained = run("explain", answer["answer_id"], *place)
    quote = " ".join(answer["citations"][0]["quote"].split())
    assert quote[:40] in explained.out
    assert "word for word" in explained.out
    assert "blobs/" in explained.out
    traced = run("trace", answer["citations"][0]["item_id"], *place)
    assert answer["answer_id"] in traced.out
    with ragstone.open(own_stones.workspace) as ws:
        sql = "UPDATE answers SET record = replace(CAST(record AS VARCHAR), 'hardly', 'barely')"
        ws._store.catalog.write(sql)
    other = run("replay", answer["answer_id"], "--json", *place)
    assert (other.status, other.error["code"]) == (4, "answer_differs")
    assert other.json["differences"][0]["kind"] == "tampered"
    assert run("doctor", *place).status == 1
