"""Retrieval quality through the command line, beside the same methods made of plain tools.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/retrieval.py [scifact cranfield vaswani_npl]
     [--plain] [--keep FOLDER]

Each collection is in the BEIR layout. Ragstone: `ragstone ingest --text title,text --id _id`, then
`ragstone evaluate retrieval`. Plain tools (`--plain`): bm25s with English stop words and Porter2
stems over whole documents, the bare encoder over whole documents (it reads the first 256 tokens),
and the equal-weight min-max blend of their best 100. `--keep` leaves the workspaces in FOLDER and
uses those that are there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import ir_measures
import numpy as np
from ir_measures import ScoredDoc, nDCG

from ragstone.evaluation.judged import read_judged

TOP = 100


def command(workspace: Path, *arguments: str) -> dict[str, object]:
    """Run `ragstone` with `--json` and return the last line."""
    line = [sys.executable, "-m", "ragstone.cli", "--workspace", str(workspace), *arguments]
    done = subprocess.run([*line, "--json"], check=False, capture_output=True, text=True)
    if done.returncode not in {0, 3}:
        raise SystemExit(done.stderr)
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


def ours(collection: Path, workspace: Path) -> dict[str, dict[str, float]]:
    """Return the measures per mode, through the command line alone."""
    if not workspace.exists():
        command(workspace, "init")
        columns = ["--text", "title,text", "--id", "_id"]
        command(workspace, "ingest", str(collection / "corpus.jsonl"), "--dataset", "d", *columns)
    files = [
        "--queries",
        str(collection / "queries.jsonl"),
        "--qrels",
        str(collection / "qrels.tsv"),
    ]
    modes = command(workspace, "evaluate", "retrieval", "d", *files)["modes"]
    assert isinstance(modes, dict)
    return modes


def plain(collection: Path) -> dict[str, float]:
    """Return nDCG@10 of the plain tools."""
    import bm25s
    import Stemmer
    from sentence_transformers import SentenceTransformer

    from ragstone.config import EncoderSettings
    from ragstone.encoders.text import open_text_encoder

    with (collection / "corpus.jsonl").open() as file:
        rows = [json.loads(line) for line in file]
    names = np.array([str(row["_id"]) for row in rows])
    texts = [f"{row.get('title', '')} {row['text']}".strip() for row in rows]
    judged = read_judged(collection / "queries.jsonl", collection / "qrels.tsv")
    queries = list(judged.queries.values())
    folder = open_text_encoder(EncoderSettings()).tokenizer_file.parent
    model = SentenceTransformer(str(folder), device="cpu")
    vectors = model.encode(texts, batch_size=32, normalize_embeddings=True)
    by_vector = model.encode(queries, normalize_embeddings=True) @ vectors.T
    options = {"stopwords": "en", "stemmer": Stemmer.Stemmer("english"), "show_progress": False}
    index = bm25s.BM25(k1=1.2, b=0.75)
    index.index(bm25s.tokenize(texts, **options), show_progress=False)
    tokens = bm25s.tokenize(queries, return_ids=False, **options)
    by_word = np.stack([index.get_scores(words) for words in tokens])
    blend = stretched(by_vector) + stretched(by_word)
    scores = {"keyword": by_word, "vector": by_vector, "hybrid": blend}
    values = {}
    for mode, matrix in scores.items():
        run = []
        for query, row in zip(judged.queries, matrix, strict=True):
            best = np.argsort(-row)[:TOP]
            run += [ScoredDoc(query, str(names[i]), float(row[i])) for i in best]
        values[mode] = float(
            ir_measures.calc_aggregate([nDCG @ 10], judged.judgements, run)[nDCG @ 10]
        )
    return values


def stretched(matrix: np.ndarray) -> np.ndarray:
    """Return the scores (queries, documents) of the best 100 as 0..1, all others as 0."""
    low = -np.sort(-matrix, axis=1)[:, TOP - 1 : TOP]
    high = matrix.max(axis=1, keepdims=True)
    return np.clip((matrix - low) / (high - low + 1e-9), 0, None)


def main() -> None:
    """Print a row per collection and mode."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="*", default=["scifact", "cranfield", "vaswani_npl"])
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    data = Path(os.environ["RAGSTONE_DATA"])
    print("| collection | mode | nDCG@10 | recall@100 | MRR@10 | plain tools nDCG@10 |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        for name in options.collections:
            workspace = (options.keep or Path(temporary)).absolute() / name
            modes = ours(data / name, workspace)
            peers = plain(data / name) if options.plain else {}
            for mode, found in modes.items():
                row = " | ".join(f"{found[m]:.4f}" for m in ("ndcg@10", "recall@100", "mrr@10"))
                peer = f"{peers[mode]:.4f}" if mode in peers else "-"
                print(f"| {name} | {mode} | {row} | {peer} |", flush=True)


if __name__ == "__main__":
    main()
