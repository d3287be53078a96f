"""Chunks per second of `ragstone ingest` beside the bare encoder on the same chunks.

Run: python benchmarks/ingest.py [corpus.jsonl] [--documents 1500] [--rounds 3]

Without a corpus it takes scifact from RAGSTONE_DATA. Each round runs both in turn, in a fresh
process each: `ragstone ingest` as a whole command less its start-up (the seconds it reports), and
`SentenceTransformer.encode(texts, batch_size=32)` over the texts that Ragstone embedded. The ratio
of a round compares neighbours in time; the median of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path

BARE = """
import json, sys, time
from sentence_transformers import SentenceTransformer
texts = json.load(open(sys.argv[1]))
model = SentenceTransformer(sys.argv[2], device="cpu")
model.encode(texts[:64], batch_size=32)
begin = time.monotonic()
model.encode(texts, batch_size=32)
print(time.monotonic() - begin)
"""


def run_ingest(workspace: Path, corpus: Path) -> dict[str, object]:
    """Ingest `corpus` into a new workspace through the command line; return its last line."""
    base = [sys.executable, "-m", "ragstone.cli", "--workspace", str(workspace)]
    subprocess.run([*base, "init"], check=True, capture_output=True)
    command = [*base, "ingest", str(corpus), "--dataset", "d", "--json"]
    columns = ["--text", "title,text", "--id", "_id"]
    done = subprocess.run([*command, *columns], check=False, capture_output=True, text=True)
    if done.returncode not in {0, 3}:
        raise SystemExit(done.stderr)
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


def embedded_texts(workspace: Path) -> tuple[list[str], str]:
    """Return the texts that were embedded, in the order of the chunks, and the model's folder."""
    import ragstone
    from ragstone.storage.changes import keyword_documents

    with ragstone.open(workspace) as opened:
        head = opened._store.head("d")
        texts = [document.text for document in keyword_documents(opened.path, head.parts)]
        return texts, str(opened._encoders.chosen().tokenizer_file.parent)


def main() -> None:
    """Print one row per round and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", type=Path)
    parser.add_argument("--documents", type=int, default=1_500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    corpus = options.corpus or Path(os.environ["RAGSTONE_DATA"]) / "scifact" / "corpus.jsonl"
    ratios = []
    print("| round | chunks | ragstone chunks/s | bare chunks/s | ratio |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / "corpus.jsonl"
        with corpus.open() as file:
            sample.write_text("".join(islice(file, options.documents)))
        for number in range(options.rounds):
            workspace = Path(folder) / f"workspace-{number}"
            result = run_ingest(workspace, sample)
            texts, model = embedded_texts(workspace)
            listed = Path(folder) / "texts.json"
            listed.write_text(json.dumps(texts))
            bare = subprocess.run(
                [sys.executable, "-c", BARE, str(listed), model],
                check=True,
                capture_output=True,
                text=True,
            )
            ours = len(texts) / float(str(result["seconds"]))
            theirs = len(texts) / float(bare.stdout)
            ratios.append(ours / theirs)
            row = f"{ours:.1f} | {theirs:.1f} | {ratios[-1]:.2f}"
            print(f"| {number + 1} | {len(texts)} | {row} |", flush=True)
    print(f"\nmedian ratio {statistics.median(ratios):.2f} (goal: at least 0.90)")


if __name__ == "__main__":
    main()
