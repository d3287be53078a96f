"""Ragstone beside txtai, LanceDB and Chroma on the same chunks with the same vectors.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/peers.py [scifact cranfield]
     [--keep FOLDER] [--environment FOLDER]

The chunks are those that Ragstone makes of a collection with default settings; every system gets
their texts (title, headings, text) and all-MiniLM-L6-v2 vectors, made once, and each query with its
vector. The peers run in a process and an environment of their own, which this makes, with default
settings; each writes its index to disk. Each query goes through all systems in turn: 10 hits for
the times, which are taken inside each process, then 100 for nDCG@10 of items by their best chunk.

Ragstone is indexed twice: `commit` is what the peers do, texts and vectors into one durable
version; `ingest` also reads the rows, cuts them, and signs them for duplicates and language. With
`--keep` the ingested workspaces stay in FOLDER, and those that are there are used.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from _environment import Environment

import ragstone
from ragstone.encoders.base import TextEncoder, Vectors
from ragstone.evaluation.judged import JudgedQueries, read_judged
from ragstone.evaluation.retrieval import NDCG, means, scores
from ragstone.retrieval.search import MODES
from ragstone.storage.manifests import Manifest
from ragstone.storage.parts import PartRows, read_tables, read_vectors
from ragstone.text import embed_text, without_stops
from ragstone.workspace import Workspace

PACKAGES = ["txtai==9.14.0", "lancedb==0.40.0", "chromadb==1.5.9"]
SHARED = ("numpy", "pyarrow", "faiss-cpu", "transformers", "tokenizers")  # pinned as here
PEERS = ("txtai", "LanceDB", "Chroma")
OURS = "Ragstone"
DATASET = "d"
SHOWN, RANKED = 10, 100


@dataclass(frozen=True)
class Part:
    """A part's rows and its vectors, float16 of shape (chunks, dimension)."""

    rows: PartRows
    vectors: np.ndarray


@dataclass(frozen=True)
class Corpus:
    """What all systems get; chunk n is `texts[n]`, of the item `names[n]`."""

    parts: list[Part]
    head: Manifest
    texts: list[str]
    names: list[str]
    vectors: Vectors
    judged: JudgedQueries
    asked: Vectors


@dataclass
class Runs:
    """What one system did in one mode: seconds of each query, and its items, best first."""

    seconds: list[float] = field(default_factory=list)
    ranked: list[list[str]] = field(default_factory=list)


class Prepared:
    """An encoder whose vectors were made beforehand."""

    def __init__(self, encoder: TextEncoder, corpus: Corpus) -> None:
        self.identity, self.tokenizer_file = encoder.identity, encoder.tokenizer_file
        self._encoder = encoder
        self._known = dict(zip(corpus.texts, corpus.vectors, strict=True))
        queries = map(without_stops, corpus.judged.queries.values())  # as they are encoded
        self._known |= dict(zip(queries, corpus.asked, strict=True))

    def encode_documents(
        self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        """Return the vectors of known texts; others are encoded."""
        new = [text for text in texts if text not in self._known]
        self._known |= dict(zip(new, self._encoder.encode_documents(new), strict=True))
        if on_batch is not None:
            on_batch(len(texts))
        return np.stack([self._known[text] for text in texts])

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As `encode_documents`: this encoder has no prompts."""
        return self.encode_documents(texts)


class OtherProcess:
    """The peers, asked by one line of JSON each."""

    def __init__(self, python: Path, folder: Path) -> None:
        script = Path(__file__).with_name("_peers.py")
        self._process = subprocess.Popen(
            [str(python), str(script), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **command: Any) -> dict[str, Any]:
        """Return the answer to one command."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()


def corpus_of(collection: Path, folder: Path) -> tuple[Corpus, TextEncoder]:
    """Return the chunks of a collection, ingested unless that was done, and their encoder."""
    with ragstone.open(folder, create=True) as workspace:
        if not workspace.datasets():
            ingest(workspace, collection)
        head = workspace._store.head(DATASET)
        parts = list(parts_of(workspace, head))
        items = [{row["item_key"]: row for row in part.rows.sources} for part in parts]
        chunks = [
            (embed_text(row["heading"], row["text"]), sources[row["item_key"]]["name"])
            for part, sources in zip(parts, items, strict=True)
            for row in part.rows.chunks
        ]
        judged = read_judged(collection / "queries.jsonl", collection / "qrels.tsv")
        encoder = workspace._encoders.chosen()
        asked = workspace._encode_queries([*judged.queries.values()], head)
    vectors = np.concatenate([part.vectors for part in parts]).astype(np.float32)
    texts, names = [text for text, _ in chunks], [name for _, name in chunks]
    return Corpus(parts, head, texts, names, vectors, judged, asked), encoder


def parts_of(workspace: Workspace, head: Manifest) -> Iterator[Part]:
    """Yield what the version holds."""
    for reference in head.parts:
        tables = read_tables(workspace.path, reference)
        rows = PartRows(**{name: table.to_pylist() for name, table in tables.items()})
        yield Part(rows, read_vectors(workspace.path / reference.path, head.space))


def ingest(workspace: Workspace, collection: Path) -> None:
    """Take the rows of a collection in."""
    rows = collection / "corpus.jsonl"
    workspace.ingest(rows, DATASET, text="title,text", id="_id")


def commit(workspace: Workspace, corpus: Corpus) -> None:
    """Publish texts and vectors as one version."""
    store, head = workspace._store, corpus.head
    with store.change(DATASET, head.space) as change:
        for part in corpus.parts:
            change.add_part(part.rows, part.vectors)
        change.next_item, change.next_source = head.next_item, head.next_source
        change.next_chunk = head.next_chunk
        store.commit(change, "the same chunks", head.settings)


def compare(collection: Path, folder: Path, environment: Environment, temporary: Path) -> None:
    """Print the tables of one collection."""
    corpus, encoder = corpus_of(collection, folder)
    (temporary / "texts.json").write_text(json.dumps(corpus.texts))
    (temporary / "queries.json").write_text(json.dumps([*corpus.judged.queries.values()]))
    np.save(temporary / "vectors.npy", corpus.vectors)
    np.save(temporary / "queries.npy", corpus.asked)
    prepared = Prepared(encoder, corpus)
    others = OtherProcess(environment.python, temporary)
    with ragstone.open(temporary / "commit", create=True, encoder=prepared) as workspace:
        seconds = {f"{OURS}, commit": timed(lambda: commit(workspace, corpus))}
        answers = {peer: others.ask(index=peer) for peer in PEERS}
        with ragstone.open(temporary / "ingest", create=True, encoder=prepared) as second:
            seconds[f"{OURS}, ingest"] = timed(lambda: ingest(second, collection))
        seconds |= {peer: answer["seconds"] for peer, answer in answers.items()}
        modes = {peer: answer["modes"] for peer, answer in answers.items()}
        runs = asked_in_turn(workspace, corpus, others, modes)
    others.close()
    show_indexing(collection.name, corpus, seconds)
    show_searches(collection.name, corpus.judged, runs)


def asked_in_turn(
    workspace: Workspace, corpus: Corpus, others: OtherProcess, modes: dict[str, list[str]]
) -> dict[tuple[str, str], Runs]:
    """Return the runs by mode and system, every query through all systems in turn."""
    runs: dict[tuple[str, str], Runs] = {}
    for number, text in [(0, ""), *enumerate(corpus.judged.queries.values())]:
        for mode in MODES:
            for k in (SHOWN, RANKED):
                found = {OURS: ours(workspace, text or "opens the files", mode, k)}
                for peer in PEERS:
                    if mode in modes[peer]:
                        answer = others.ask(search=peer, mode=mode, query=number, k=k)
                        names = [corpus.names[chunk] for chunk in answer["found"]]
                        found[peer] = answer["seconds"], names
                for system, (seconds, names) in found.items() if text else ():
                    run = runs.setdefault((mode, system), Runs())
                    if k == SHOWN:
                        run.seconds.append(seconds)
                    else:
                        run.ranked.append([*dict.fromkeys(names)])
    return runs


def ours(workspace: Workspace, text: str, mode: Any, k: int) -> tuple[float, list[str]]:
    """Return the seconds of one search, and the items it found."""
    begin = time.perf_counter()
    hits = workspace.search(text, DATASET, k=k, mode=mode).hits
    return time.perf_counter() - begin, [hit.name for hit in hits]


def timed(do: Callable[[], object]) -> float:
    """Return the seconds that `do` takes."""
    begin = time.perf_counter()
    do()
    return time.perf_counter() - begin


def show_indexing(name: str, corpus: Corpus, seconds: dict[str, float]) -> None:
    """Print how long indexing took; the ratio is to Ragstone's commit."""
    print(f"\n{name}: {len(corpus.texts):,} chunks, {len(corpus.judged.queries):,} queries\n")
    print("| system | indexing, s | ratio to Ragstone's commit |\n| --- | --- | --- |")
    base = seconds[f"{OURS}, commit"]
    for system, took in seconds.items():
        print(f"| {system} | {took:.2f} | {took / base:.2f} |")


def show_searches(name: str, judged: JudgedQueries, runs: dict[tuple[str, str], Runs]) -> None:
    """Print quality and times; the ratio is the median over queries of a system to Ragstone."""
    print("\n| collection | mode | system | nDCG@10 | p50 ms | p95 ms | ratio |")
    print("| --- " * 7 + "|")
    for (mode, system), run in runs.items():
        quality = means(scores(judged, run.ranked))[NDCG]
        middle, high = np.percentile(run.seconds, [50, 95]) * 1_000
        base = runs[mode, OURS].seconds
        ratio = statistics.median(t / b for t, b in zip(run.seconds, base, strict=True))
        figures = f"{quality:.4f} | {middle:.2f} | {high:.2f} | {ratio:.2f}"
        print(f"| {name} | {mode} | {system} | {figures} |", flush=True)


def pins() -> list[str]:
    """Return the project's pins of packages that both environments have."""
    lines = (Path(__file__).parents[1] / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line.split("==")[0] in SHARED]


def main() -> None:
    """Compare on all collections."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="*", default=["scifact", "cranfield"])
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--environment", type=Path, help="keep the peers' environment here")
    options = parser.parse_args()
    data = Path(os.environ["RAGSTONE_DATA"])
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.environment or Path(temporary) / "venv"
        environment = Environment(folder, [*PACKAGES, *pins()], torch=True)
        for name in options.collections:
            kept = (options.keep or Path(temporary) / "kept").absolute() / name
            place = Path(temporary) / name
            place.mkdir()
            compare(data / name, kept, environment, place)


if __name__ == "__main__":
    main()
