"""Fusion of a good arm with a weak one, with the guard and without.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/fusion.py [cranfield musique_100] --keep FOLDER

`--keep` names the workspaces of `benchmarks/retrieval.py`, which are made when they are not there.
Each query is searched three times: as it is; with the keyword arm hearing only its two commonest
words; and with the vector arm hearing its letters scrambled. At most 400 queries of a collection.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from retrieval import ours

import ragstone
from ragstone.evaluation.judged import JudgedQueries, item_names, read_judged
from ragstone.evaluation.retrieval import NDCG, items_of, means, scores
from ragstone.retrieval import fusion
from ragstone.retrieval.noise import Noise
from ragstone.schemas.api import FusionChoice
from ragstone.storage.ranked import Ranked
from ragstone.workspace import Workspace

MOST = 400  # queries
ALTERED = 0.6  # of the letters
CASES = ("as asked", "weak words", "weak vectors")
COLUMNS = ("words", "vectors", "reciprocal rank", "min-max", "guarded")


def some(judged: JudgedQueries) -> JudgedQueries:
    """Return `MOST` of the queries, always the same ones."""
    source = random.Random(0)  # noqa: S311 - no secret
    chosen = sorted(source.sample(sorted(judged.queries), min(MOST, len(judged.queries))))
    return JudgedQueries(
        {key: judged.queries[key] for key in chosen}, {k: judged.judgements[k] for k in chosen}
    )


def word_counts(corpus: Path) -> Counter[str]:
    """Return in how many documents each word is."""
    counts: Counter[str] = Counter()
    with corpus.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            counts.update(set(re.findall(r"\w+", f"{row.get('title', '')} {row['text']}".lower())))
    return counts


def commonest(text: str, counts: Mapping[str, int], stop: int) -> str:
    """Return the two words of `text` that most documents have, but for those of nearly all."""
    words = {word for word in re.findall(r"\w+", text.lower()) if counts[word] < stop}
    return " ".join(sorted(words, key=lambda word: (-counts[word], word))[:2])


def scrambled(text: str, source: random.Random) -> str:
    """Return `text` with most of its letters replaced."""
    return "".join(
        chr(97 + source.randrange(26)) if c.isalpha() and source.random() < ALTERED else c
        for c in text
    )


def measure(workspace: Workspace, collection: Path) -> dict[str, dict[str, float]]:
    """Return nDCG@10 by case and way to rank."""
    store, retriever = workspace._store, workspace._retriever
    judged = some(read_judged(collection / "queries.jsonl", collection / "qrels.tsv"))
    counts = word_counts(collection / "corpus.jsonl")
    head = store.head("d")
    names, allowed = item_names(store, head), store.live_chunks(head.dataset_id, head.version)
    texts = list(judged.queries.values())
    source = random.Random(1)  # noqa: S311 - no secret
    common = [commonest(text, counts, head.items // 4) for text in texts]
    vectors = workspace._encode_queries(texts, head)
    junk = workspace._encode_queries([scrambled(text, source) for text in texts], head)
    plan = retriever.plan(head, ("keyword", "vector"))
    plans = {
        "reciprocal rank": fusion.Plan(FusionChoice("rrf", 0.5, "settings"), Noise({}, 0)),
        "min-max": replace(plan, noise=Noise({}, 0)),
        "guarded": plan,
    }
    table = {}
    for case, words, heard in zip(
        CASES, (texts, common, texts), (vectors, vectors, junk), strict=True
    ):
        found: dict[str, list[list[str]]] = {column: [] for column in COLUMNS}
        for text, vector in zip(words, heard, strict=True):
            arms = retriever.arms(head, text, vector, "hybrid", allowed)
            lists: dict[str, Ranked] = {"words": arms["keyword"], "vectors": arms["vector"]}
            lists |= {name: fusion.fuse(arms, way).ranked for name, way in plans.items()}
            for name, ranked in lists.items():
                found[name].append(items_of(names, ranked, 10))
        table[case] = {name: means(scores(judged, r))[NDCG] for name, r in found.items()}
    return table


def main() -> None:
    """Print a row per collection and case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="*", default=["cranfield", "musique_100"])
    parser.add_argument("--keep", type=Path, required=True)
    options = parser.parse_args()
    data = Path(os.environ["RAGSTONE_DATA"])
    print(f"| collection | queries | {' | '.join(COLUMNS)} |")
    print(f"| --- | --- |{' --- |' * len(COLUMNS)}")
    for name in options.collections:
        place = options.keep.absolute() / name
        if not place.exists():
            ours(data / name, place)
        with ragstone.open(place) as workspace:
            for case, values in measure(workspace, data / name).items():
                row = " | ".join(f"{values[column]:.4f}" for column in COLUMNS)
                print(f"| {name} | {case} | {row} |", flush=True)


if __name__ == "__main__":
    main()
