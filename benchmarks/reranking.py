"""Reranking of the best candidates: how much better, and how long it takes.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/reranking.py [cranfield] --keep FOLDER

`--keep` names the workspaces of `benchmarks/retrieval.py`, which are made when they are not there.
Each reranker reads the best 50 candidates of each query once; the columns are nDCG@10 by its
weight, 0 being the search without it. At most `--queries` of a collection, always the same ones.
With `--timed` also the seconds of a reranked search over one that is not, each query asked once, so
that most passages are read for the first time.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from retrieval import ours

import ragstone
from ragstone.encoders import loaded_rerankers
from ragstone.encoders.rerankers import RERANKER
from ragstone.evaluation.judged import JudgedQueries, item_names, read_judged
from ragstone.evaluation.retrieval import NDCG, items_of, means, scores
from ragstone.retrieval.fusion import RERANKER_ARM
from ragstone.workspace import Workspace

WEIGHTS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
TIMED = 10  # queries


def some(judged: JudgedQueries, most: int) -> JudgedQueries:
    """Return `most` of the queries, always the same ones."""
    source = random.Random(0)  # noqa: S311 - no secret
    chosen = sorted(source.sample(sorted(judged.queries), min(most, len(judged.queries))))
    return JudgedQueries(
        {key: judged.queries[key] for key in chosen}, {k: judged.judgements[k] for k in chosen}
    )


def quality(
    workspace: Workspace, judged: JudgedQueries, rerankers: Sequence[str]
) -> dict[str, list[float]]:
    """Return nDCG@10 at each weight, by reranker."""
    retriever, head = workspace._retriever, workspace._store.head("d")
    names, allowed = item_names(workspace._store, head), retriever.allowed(head)
    texts = list(judged.queries.values())
    found: dict[tuple[str, float], list[list[str]]] = {}
    for text, vector in zip(texts, workspace._encode_queries(texts, head), strict=True):
        arms = retriever.arms(head, text, vector, "hybrid", allowed)
        plan = retriever.plan(head, arms, rerank=False)
        first = retriever.fuse(arms, "hybrid", plan)
        for name in rerankers:
            read = retriever.read_again(head, text, first, name)
            for weight in WEIGHTS:
                choice = replace(plan.choice, reranker=name, rerank_weight=weight)
                heard = {**arms, RERANKER_ARM: read} if weight else arms
                ranked = retriever.fuse(heard, "hybrid", replace(plan, choice=choice)).ranked
                found.setdefault((name, weight), []).append(items_of(names, ranked, 10))
    return {
        name: [means(scores(judged, found[name, weight]))[NDCG] for weight in WEIGHTS]
        for name in rerankers
    }


def slower(place: Path, texts: Sequence[str], reranker: str) -> tuple[float, float]:
    """Return the median seconds of a reranked search, and its ratio to one that is not."""
    plain, reranked = [], []
    with ragstone.open(place, retrieval={"reranker": reranker}) as workspace:
        for number, text in enumerate(texts[: TIMED + 1]):
            begin = time.perf_counter()
            workspace.search(text, "d", rerank=False)
            middle = time.perf_counter()
            workspace.search(text, "d", rerank=True)
            if number:  # the first opens the files and loads the weights
                plain.append(middle - begin)
                reranked.append(time.perf_counter() - middle)
    ratios = [b / a for a, b in zip(plain, reranked, strict=True)]
    return statistics.median(reranked), statistics.median(ratios)


def main() -> None:
    """Print a row per collection and reranker."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="*", default=["scifact", "cranfield", "musique_100"])
    parser.add_argument("--reranker", nargs="+", default=[RERANKER])
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--timed", action="store_true")
    parser.add_argument("--keep", type=Path, required=True)
    options = parser.parse_args()
    data = Path(os.environ["RAGSTONE_DATA"])
    loaded_rerankers._KEPT_BYTES = 2**31  # each passage of a collection is read once
    heads = " | ".join(f"{weight:g}" for weight in WEIGHTS)
    print(f"| collection | queries | reranker | {heads} | seconds | times as long |")
    print(f"| --- | --- | --- |{' --- |' * len(WEIGHTS)} --- | --- |")
    for name in options.collections:
        place = options.keep.absolute() / name
        if not place.exists():
            ours(data / name, place)
        judged = read_judged(data / name / "queries.jsonl", data / name / "qrels.tsv")
        judged = some(judged, options.queries)
        with ragstone.open(place) as workspace:
            found = quality(workspace, judged, options.reranker)
        for reranker, values in found.items():
            row = " | ".join(f"{value:.4f}" for value in values)
            times = "- | -"
            if options.timed:
                seconds, ratio = slower(place, [*judged.queries.values()], reranker)
                times = f"{seconds:.2f} | {ratio:.0f}"
            short = Path(reranker).name
            print(f"| {name} | {len(judged.queries)} | {short} | {row} | {times} |", flush=True)


if __name__ == "__main__":
    main()
