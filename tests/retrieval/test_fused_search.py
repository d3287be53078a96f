"""How hits explain their fusion, and how a weak arm is kept from harm, on a real workspace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import tantivy

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.schemas.api import FusionChoice, SearchResult
from ragstone.storage.keyword_index import KeywordIndex
from ragstone.workspace import Workspace

SUBJECTS = ["granite", "bread", "violins", "sailing", "taxes", "bees", "tulips", "engines"]


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory, encoder: TextEncoder) -> Iterator[Workspace]:
    root = tmp_path_factory.mktemp("notes")
    rows = [
        {"id": f"{subject}-{n}", "text": f"In note {n} we write about {subject}, as people do."}
        for subject in SUBJECTS
        for n in range(5)
    ]
    (root / "notes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = root / "workspace"
    options = {"ingestion": {"workers": 0}, "retrieval": {"candidates": 10}}
    with ragstone.open(path, create=True, encoder=encoder, **options) as opened:
        opened.ingest([root / "notes.jsonl"], "notes", text=["text"], id="id")
        yield opened


def weights(result: SearchResult, arm: str) -> set[float | None]:
    return {hit.arms[arm].weight for hit in result.hits if arm in hit.arms}


def test_a_hit_says_what_its_score_is_the_sum_of(notes: Workspace) -> None:
    result = notes.search("granite", "notes")
    assert result.fusion == FusionChoice("minmax", 0.5, "default")
    for hit in result.hits:
        parts = [(arm.weight or 0) * (arm.normalised or 0) for arm in hit.arms.values()]
        assert hit.score == pytest.approx(sum(parts), abs=1e-5)


def test_words_that_are_everywhere_do_not_count_against_the_meaning(notes: Workspace) -> None:
    result = notes.search("write about honey in a hive", "notes", k=5)
    assert weights(result, "keyword") <= {0.0}
    assert weights(result, "vector") == {1.0}
    assert {hit.name.partition("-")[0] for hit in result.hits} == {"bees"}


def test_nonsense_for_the_vectors_leaves_the_words_alone(notes: Workspace) -> None:
    result = notes.search("zqxv kkwj tulips pfgh", "notes", k=5)
    assert {hit.name.partition("-")[0] for hit in result.hits} == {"tulips"}


def test_a_narrow_filter_does_not_silence_the_vectors(notes: Workspace) -> None:
    result = notes.search("tulips in bloom", "notes", where=["name~bread"], k=5)
    assert weights(result, "vector") == {1.0}  # the words are in none of them


def test_one_arm_alone_is_not_fused(notes: Workspace) -> None:
    for mode in ("keyword", "vector"):
        result = notes.search("granite", "notes", mode=mode)  # type: ignore[arg-type]
        assert result.fusion is None
        assert {arm.normalised for hit in result.hits for arm in hit.arms.values()} == {None}


@pytest.mark.parametrize(
    ("settings", "choice"),
    [
        ({"fusion": "rrf"}, FusionChoice("rrf", 0.5, "settings")),
        ({"vector_weight": 0.2}, FusionChoice("minmax", 0.2, "settings")),
    ],
)
def test_the_settings_are_named_where_they_decide(
    tmp_path: Path, encoder: TextEncoder, settings: dict[str, object], choice: FusionChoice
) -> None:
    (tmp_path / "a.txt").write_text("Granite is hard.")
    options = {"ingestion": {"workers": 0}, "retrieval": settings}
    with ragstone.open(tmp_path / "ws", create=True, encoder=encoder, **options) as opened:
        opened.ingest([tmp_path / "a.txt"], "d")
        assert opened.search("granite", "d").fusion == choice


def test_what_a_query_demands_is_looked_up_once(
    notes: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    matching = KeywordIndex.matching

    def counted(index: KeywordIndex, query: tantivy.Query) -> list[int]:
        asked.append(query)
        return matching(index, query)

    monkeypatch.setattr(KeywordIndex, "matching", counted)
    result = notes.search('"about bees" -taxes', "notes")
    assert {hit.name.partition("-")[0] for hit in result.hits} == {"bees"}
    assert len(asked) == 1
    notes.search('"about bees"', "notes", mode="keyword")
    assert len(asked) == 1  # the keyword arm has it in its own query
