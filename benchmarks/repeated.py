"""A query that is asked again: search with the memory of encoded queries, and without.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/repeated.py [--queries 50] [--keep FOLDER]

Cranfield with default settings. Each query is searched (hybrid) without the memory, then twice with
it, in turn; the results have to be the same. `--keep` leaves the workspace in FOLDER, or uses the
one that is there.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import ragstone
from ragstone.encoders.remembering import QueryMemory
from ragstone.evaluation.judged import read_judged
from ragstone.workspace import Workspace

DATASET = "d"
COLUMNS = ("without the memory", "asked first", "asked again")


def seconds_of(workspace: Workspace, text: str) -> tuple[float, object]:
    """Return the time of one search, and what it found."""
    begin = time.perf_counter()
    hits = workspace.search(text, DATASET).hits
    return time.perf_counter() - begin, hits


def measure(workspace: Workspace, queries: list[str]) -> np.ndarray:
    """Return the seconds of each query, of shape (queries, columns)."""
    memory, none = QueryMemory(), QueryMemory(0)
    rows = []
    for text in ["opens the files", *queries]:
        found = []
        for used in (none, memory, memory):
            workspace._memory = used
            found.append(seconds_of(workspace, text))
        if any(hits != found[0][1] for _, hits in found):
            sys.exit(f"{text!r} finds something else with the memory")
        rows.append([seconds for seconds, _ in found])
    return np.array(rows[1:])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    collection = Path(os.environ["RAGSTONE_DATA"]) / "cranfield"
    judged = read_judged(collection / "queries.jsonl", collection / "qrels.tsv")
    queries = list(judged.queries.values())[: options.queries]
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)) / "cranfield"
        with ragstone.open(folder, create=True) as workspace:
            if not workspace.datasets():
                rows = collection / "corpus.jsonl"
                workspace.ingest(rows, DATASET, text="title,text", id="_id")
            times = measure(workspace, queries)
    print("| search | p50 ms | p95 ms | ratio |\n| --- | --- | --- | --- |")
    for number, name in enumerate(COLUMNS):
        middle, high = np.percentile(times[:, number], [50, 95]) * 1_000
        ratio = np.median(times[:, number] / times[:, 0])
        print(f"| {name} | {middle:.2f} | {high:.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
