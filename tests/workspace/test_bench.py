"""`Workspace.bench`: what is measured, and of what. How long anything takes is not asserted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder, Vectors
from ragstone.encoders.remembering import QueryMemory, RememberingText
from ragstone.errors import InvalidArgument, UnknownDataset
from ragstone.evaluation.sampled import sample_queries, sample_texts
from ragstone.workspace import Workspace

SENTENCES = [
    "Granite resists frost because hardly any water gets into it.",
    'Marble "bows" when it is heated, AND cooled, for many years.',
    "Sandstone weathers quickly in the wind and the rain of the coast.",
]


@pytest.fixture
def stones(workspace: Workspace, tmp_path: Path) -> Workspace:
    rows = [
        {"id": f"s{n}", "text": text, "kind": "hard" if n < 2 else "soft", "lab": "north"}
        for n, text in enumerate(SENTENCES)
    ]
    (tmp_path / "stones.jsonl").write_text("\n".join(map(json.dumps, rows)))
    workspace.ingest(tmp_path / "stones.jsonl", "stones", text="text", id="id")
    return workspace


def test_every_figure_is_there_and_of_this_version(stones: Workspace) -> None:
    report = stones.bench("stones", queries=5)
    assert (report.dataset, report.version, report.items, report.chunks) == ("stones", 1, 3, 3)
    assert (report.origin, report.queries, report.encoded) == ("sampled", 3, 3)
    assert [(s.mode, s.where) for s in report.searches] == [
        ("keyword", []),
        ("vector", []),
        ("hybrid", []),
        ("hybrid", ["kind=hard"]),  # of most items; all of them have lab=north
    ]
    for timing in (report.encoding, *(search.timing for search in report.searches)):
        assert timing.runs == 5
        assert 0 < timing.p50_ms <= timing.p95_ms
    assert [t.threads for t in report.throughput] == [1, 4]
    assert all(t.per_second > 0 for t in report.throughput)
    assert min(report.open_ms, report.encoded_per_second, report.cores) > 0


def test_bytes_are_those_of_the_files_of_the_version(stones: Workspace) -> None:
    folder = stones.path / "datasets"
    files = [path for path in folder.rglob("*") if path.is_file()]
    named = [path for path in files if {"parts", "keywords", "vectors"} & {*path.parts}]
    least = sum(path.stat().st_size for path in named if path.name != "part.json")
    most = sum(path.stat().st_size for path in named)
    assert least <= stones.bench("stones", queries=1).bytes_per_chunk * 3 + 1 <= most + 2


def test_golden_queries_are_asked_when_there_are_some(stones: Workspace, tmp_path: Path) -> None:
    queries, qrels = tmp_path / "q.jsonl", tmp_path / "r.tsv"
    queries.write_text('{"_id": "1", "text": "frost"}\n{"_id": "2", "text": "rain"}\n')
    qrels.write_text("1\ts0\t1\n2\ts2\t1\n")
    stones.add_golden("stones", queries, qrels)
    report = stones.bench("stones", queries=3)
    assert (report.origin, report.queries, report.encoding.runs) == ("golden", 2, 3)
    assert stones.bench("stones", queries=1).queries == 1


def test_timed_searches_do_not_wait_for_the_encoder_and_new_ones_do(
    stones: Workspace, encoder: TextEncoder
) -> None:
    class Watched(RememberingText):
        asked: list[str] = []  # noqa: RUF012 - one object, one test

        def encode_queries(self, texts: Sequence[str]) -> Vectors:
            if len(texts) == 1:
                self.asked.append(texts[0])
            return self.encoder.encode_queries(texts)

    stones.close()
    watched = Watched(encoder, QueryMemory())
    with ragstone.open(stones.path, encoder=watched) as workspace:
        workspace.bench("stones", queries=6)  # twice each of three
    # Loading 1, timed encoding 6, each once before the searches 3, and the throughput 1 + 6 + 6.
    assert len(watched.asked) == 1 + 6 + 3 + 13


def test_the_seed_draws_and_marks_are_no_query_language(stones: Workspace) -> None:
    store, head = stones._store, stones._store.head("stones")
    drawn = {seed: sample_texts(store, head, 3, seed) for seed in range(8)}
    assert drawn[0] == sample_texts(store, head, 3, 0)
    assert len({tuple(texts) for texts in drawn.values()}) > 1
    assert len(sample_texts(store, head, 2, 0)) == 2
    asked = sample_queries(drawn[0], 3, 0)
    assert "marble bows when it is heated and cooled for many years" in asked
    assert sample_queries([*drawn[0], *drawn[0]], 9, 0) == asked
    assert sample_queries(["Short.", "...", "One two three four. Five."], 9, 0) == [
        "short",
        "one two three four",
    ]


def test_what_cannot_be_measured_says_why(stones: Workspace) -> None:
    for count in (0, 10_001):
        with pytest.raises(InvalidArgument, match="a number from 1 to 10,000"):
            stones.bench("stones", queries=count)
    with pytest.raises(UnknownDataset):
        stones.bench("nothing")
    for item in stones.items("stones"):
        stones.delete("stones", [item.item_id])
    with pytest.raises(InvalidArgument, match="one that holds text"):
        stones.bench("stones")
    assert stones.bench("stones@1", queries=1).chunks == 3
