"""The static encoder beside the default one: speed, quality, and the way from one to the other.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/static.py [scifact cranfield vaswani_npl]
     [--texts 300] [--rounds 3] [--flow cranfield] [--documents N]
     python benchmarks/static.py --write-texts texts.jsonl

Speed: both embed the same abstracts of SciFact in turn, in one process, models loaded; texts per
second, and the ratio of the processor time of a text in each round. Quality: `ragstone ingest` with
the static encoder and `ragstone evaluate retrieval`, as in benchmarks/retrieval.py. Flow: ingest
with the static encoder, measure, `ragstone reembed` to the default encoder, measure again.

`--write-texts` writes the texts that the shipped table was fitted to. None of the three collections
is among them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from retrieval import command

from ragstone.config import EncoderSettings
from ragstone.encoders.base import TextEncoder
from ragstone.encoders.static_files import STATIC_MODEL
from ragstone.encoders.text import open_text_encoder

DEFAULT_MODEL = "all-MiniLM-L6-v2"
MANY = 20  # the static encoder embeds so many times the texts, so that its time can be measured
FITTED = 5_500  # texts that the shipped table was fitted to, or measured with
WORDS = 100  # of a passage that is cut out of a longer text


def rows(path: Path) -> Iterator[str]:
    """Yield title and text of each row of a BEIR file."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield f"{row.get('title', '')} {row['text']}".strip()


def write_texts(data: Path, out: Path) -> None:
    """Write encyclopedia passages and questions, news, speeches, finance and medicine, mixed."""
    texts = list(rows(data / "squadshifts_new_wiki" / "corpus.jsonl"))
    texts += list(rows(data / "squadshifts_new_wiki" / "queries.jsonl"))[::2]
    for path in sorted((data / "chunking_evaluation" / "corpora").iterdir()):
        words = path.read_text(encoding="utf-8").split()
        texts += [" ".join(words[i : i + WORDS]) for i in range(0, len(words), WORDS)]
    for text in rows(data / "neardup_articles_minhash" / "articles_2500.jsonl"):
        texts.append(" ".join(text.split()[:WORDS]))
    random.Random(0).shuffle(texts)  # noqa: S311 - no secret
    out.write_text(
        "".join(json.dumps({"text": text}) + "\n" for text in texts[:FITTED]), encoding="utf-8"
    )


def timed(encoder: TextEncoder, texts: list[str]) -> tuple[float, float]:
    """Return texts per second, and seconds of processor time per text.

    The second leaves out what other programs took meanwhile: on a busy machine it is the fair one.
    """
    begin, used = time.perf_counter(), time.process_time()
    encoder.encode_documents(texts)
    used = time.process_time() - used
    return len(texts) / (time.perf_counter() - begin), used / len(texts)


def speed(texts: list[str], rounds: int) -> None:
    """Print texts per second of both encoders, in turn, and the median ratio."""
    begin = time.perf_counter()
    static = open_text_encoder(EncoderSettings(name=STATIC_MODEL))
    static.encode_queries(["warm up"])
    opening = time.perf_counter() - begin
    default = open_text_encoder(EncoderSettings())
    default.encode_documents(texts[:16])
    many = texts * MANY
    print("| round | texts | default texts/s | static texts/s | ratio | ratio of CPU time |")
    print("| --- | --- | --- | --- | --- | --- |")
    ratios = []
    for number in range(rounds):
        slow, slow_work = timed(default, texts)
        fast, fast_work = timed(static, many)
        ratios.append(slow_work / fast_work)
        row = f"{slow:.1f} | {fast:,.0f} | {fast / slow:.0f} | {ratios[-1]:.0f}"
        print(f"| {number + 1} | {len(texts)} | {row} |", flush=True)
    print(f"\nmedian ratio of CPU time {statistics.median(ratios):.0f} (goal: at least 50)")
    print(f"opening the static encoder: {opening:.2f} s\n", flush=True)


def judged(collection: Path) -> list[str]:
    """Return the options that name a collection's queries and judgements."""
    queries, qrels = collection / "queries.jsonl", collection / "qrels.tsv"
    return ["--queries", str(queries), "--qrels", str(qrels)]


def ingest(collection: Path, workspace: Path, documents: int) -> tuple[int, float]:
    """Ingest the first `documents` with the static encoder; return chunks and seconds."""
    command(workspace, "init")
    corpus = str(workspace.with_suffix(".jsonl"))
    with (collection / "corpus.jsonl").open() as file:
        Path(corpus).write_text("".join(islice(file, documents)))
    columns = ["--text", "title,text", "--id", "_id"]
    done = command(workspace, "ingest", corpus, "--dataset", "d", *columns)
    return int(str(done["chunks"])), float(str(done["seconds"]))


def measure(collection: Path, workspace: Path, encoder: str) -> None:
    """Print a row per mode."""
    modes = command(workspace, "evaluate", "retrieval", "d", *judged(collection))["modes"]
    assert isinstance(modes, dict)
    for mode, found in modes.items():
        row = " | ".join(f"{found[m]:.4f}" for m in ("ndcg@10", "recall@100", "mrr@10"))
        print(f"| {collection.name} | {encoder} | {mode} | {row} |", flush=True)


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="*", default=["scifact", "cranfield", "vaswani_npl"])
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flow", default="cranfield")
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--write-texts", type=Path)
    options = parser.parse_args()
    data = Path(os.environ["RAGSTONE_DATA"])
    if options.write_texts:
        write_texts(data, options.write_texts)
        return
    speed(list(islice(rows(data / "scifact" / "corpus.jsonl"), options.texts)), options.rounds)
    os.environ["RAGSTONE_ENCODER__NAME"] = STATIC_MODEL
    print("| collection | encoder | mode | nDCG@10 | recall@100 | MRR@10 |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        taken = {}
        for name in options.collections:
            workspace = Path(folder) / name
            taken[name] = ingest(data / name, workspace, options.documents)
            measure(data / name, workspace, STATIC_MODEL)
        workspace = Path(folder) / options.flow
        done = command(workspace, "reembed", "d", "--encoder", DEFAULT_MODEL)
        measure(data / options.flow, workspace, f"{DEFAULT_MODEL}, re-embedded")
    print("\n| collection | chunks | ingested in s (whole command) | re-embedded in s |")
    print("| --- | --- | --- | --- |")
    for name, (chunks, seconds) in taken.items():
        later = done["seconds"] if name == options.flow else "-"
        print(f"| {name} | {chunks} | {seconds} | {later} |")


if __name__ == "__main__":
    main()
