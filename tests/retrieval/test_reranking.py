"""Reranking: the best candidates are read again, said so in each hit, and tuned per dataset."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import ragstone
from ragstone.config import EncoderSettings
from ragstone.encoders.rerankers import RERANKER
from ragstone.encoders.text import open_text_encoder
from ragstone.errors import InvalidCursor, RerankerUnavailable
from ragstone.retrieval.question import Question
from ragstone.schemas.api import FusionChoice, SearchResult
from ragstone.workspace import Workspace

# What is asked for in other words than the texts have.
SUBJECTS = {
    "granite": "hard rock of mountains",
    "bread": "a loaf from the bakery",
    "violins": "fiddles and other string instruments",
    "sailing": "boats on the sea",
    "taxes": "money owed to the treasury",
    "bees": "insects that make honey",
    "tulips": "flowers in spring",
    "engines": "motors of cars",
}
PLACES = ("north", "south", "east", "west")


@dataclass(frozen=True)
class Texts:
    """A dataset whose vectors, of an encoder with random weights, and words find nothing."""

    workspace: Workspace
    queries: Path
    qrels: Path

    def search(self, query: str, reference: str = "texts", **options: object) -> SearchResult:
        return self.workspace.search(query, reference, k=4, **options)  # type: ignore[arg-type]


@pytest.fixture
def texts(tmp_path: Path, small_model: Path) -> Iterator[Texts]:
    rows = [
        {"id": f"{subject}-{place}", "text": f"We were told about {subject} in the {place}."}
        for subject in SUBJECTS
        for place in PLACES
    ]
    (tmp_path / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    queries, qrels = tmp_path / "queries.jsonl", tmp_path / "qrels.tsv"
    asked = [(f"q{n}-{s}", f"{words}, {n}", s) for s, words in SUBJECTS.items() for n in (1, 2)]
    queries.write_text("\n".join(json.dumps({"_id": q, "text": text}) for q, text, _ in asked))
    qrels.write_text("\n".join(f"{q}\t{s}-{place}\t1" for q, _, s in asked for place in PLACES))
    weak = open_text_encoder(EncoderSettings(name=str(small_model), device="cpu"))
    path = tmp_path / "workspace"
    with ragstone.open(path, create=True, encoder=weak, ingestion={"workers": 0}) as opened:
        opened.ingest([tmp_path / "texts.jsonl"], "texts", text=["text"], id="id")
        yield Texts(opened, queries, qrels)


def subjects(result: SearchResult) -> set[str]:
    return {hit.name.partition("-")[0] for hit in result.hits}


def test_a_reranker_finds_what_the_arms_had_far_down(texts: Texts) -> None:
    plain = texts.search("insects that make honey")
    reranked = texts.search("insects that make honey", rerank=True)
    assert subjects(plain) != {"bees"}
    assert subjects(reranked) == {"bees"}
    assert plain.fusion == FusionChoice("minmax", 0.5, "default")
    assert reranked.fusion == FusionChoice("minmax", 0.5, "default", RERANKER, 0.4)


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
def test_a_hit_says_what_the_reranker_gave_it(texts: Texts, mode: str) -> None:
    result = texts.search("told about boats in the north", mode=mode, rerank=True)
    for hit in result.hits:
        parts = [(arm.weight or 0) * (arm.normalised or 0) for arm in hit.arms.values()]
        assert hit.score == pytest.approx(sum(parts), abs=1e-5)
        assert hit.arms["reranker"].weight == pytest.approx(0.4)
        assert -1 <= hit.arms["reranker"].score <= 1
    assert min(hit.arms["reranker"].rank for hit in result.hits) == 1


def test_only_the_best_candidates_are_read(texts: Texts) -> None:
    few = texts.workspace._retriever.with_settings(
        texts.workspace.settings.retrieval.model_copy(update={"rerank_candidates": 3})
    )
    found = few.search(Question("boats", rerank=True), ["texts"])
    assert sum("reranker" in hit.arms for hit in found.hits) == 3


def test_pages_and_several_datasets_are_read_once_as_a_whole(texts: Texts) -> None:
    search, query = texts.workspace.search, "insects that make honey"
    texts.workspace.fork("texts", "twin")
    for datasets in (["texts"], ["texts", "twin"]):
        whole = search(query, datasets, k=24, rerank=True).hits
        first = search(query, datasets, k=3, rerank=True)
        rest = search(query, datasets, k=21, rerank=True, after=first.next)
        assert first.hits + rest.hits == whole
        assert {hit.name.partition("-")[0] for hit in whole[:4]} == {"bees"}
        with pytest.raises(InvalidCursor, match="another reranking"):
            search(query, datasets, after=first.next)


def test_the_settings_turn_it_on_and_the_call_off(texts: Texts) -> None:
    texts.workspace.close()
    with ragstone.open(
        texts.workspace.path,
        encoder=texts.workspace._encoders.chosen(),
        retrieval={"reranker": RERANKER, "rerank_weight": 0.7},
    ) as opened:
        result = opened.search("insects that make honey", "texts", k=4)
        assert result.fusion == FusionChoice("minmax", 0.5, "settings", RERANKER, 0.7)
        assert subjects(result) == {"bees"}
        off = opened.search("insects that make honey", "texts", k=4, rerank=False)
        assert off.fusion is not None
        assert off.fusion.reranker == ""
        assert all("reranker" not in hit.arms for hit in off.hits)


def test_tuning_turns_it_on_where_it_is_clearly_better(texts: Texts) -> None:
    report = texts.workspace.tune("texts", texts.queries, texts.qrels, reranker=RERANKER)
    assert report.chosen.reranker == RERANKER
    assert report.held_out.after > report.held_out.before + 0.2
    assert {row.rerank_weight for row in report.rows} == {n / 10 for n in range(10)}
    tuned = texts.search("motors of cars")
    assert tuned.fusion == report.chosen
    assert subjects(tuned) == {"engines"}
    assert f"reranked by {RERANKER}" in texts.workspace.log("texts")[0].message
    assert texts.search("motors of cars", "texts@1").fusion == report.before
    off = texts.search("motors of cars", rerank=False).fusion
    assert off is not None
    assert (off.origin, off.reranker) == ("tuned", "")


def test_tuning_with_one_that_is_no_better_leaves_it_off(texts: Texts, small_model: Path) -> None:
    report = texts.workspace.tune("texts", texts.queries, texts.qrels, reranker=str(small_model))
    assert report.chosen.reranker == ""


def test_another_one_of_the_name_is_not_taken_for_the_tuned_one(
    texts: Texts, encoder: object, tmp_path: Path, small_model: Path
) -> None:
    named = tmp_path / "reranker"
    shutil.copytree(Path(encoder.tokenizer_file).parent, named)  # type: ignore[attr-defined]
    report = texts.workspace.tune("texts", texts.queries, texts.qrels, reranker=str(named))
    assert report.chosen.reranker == str(named)
    shutil.rmtree(named)
    shutil.copytree(small_model, named)
    with pytest.raises(RerankerUnavailable, match="not the one that texts@2 was tuned with"):
        texts.search("motors of cars")
    assert texts.search("motors of cars", rerank=False).hits


def test_evaluation_measures_what_search_does(texts: Texts) -> None:
    measured = texts.workspace.evaluate_retrieval(
        "texts",
        texts.queries,
        texts.qrels,
        modes=["hybrid"],
        settings=[f"retrieval.reranker={RERANKER}", "retrieval.rerank_weight=0.8"],
    )
    (compared,) = measured.comparisons
    assert compared.measures["ndcg@10"].difference > 0.2
