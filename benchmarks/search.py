"""Hybrid search beside bare FAISS + bare Tantivy on the same chunks, query encoding apart.

Run: python benchmarks/search.py [--chunks 10000 100000] [--queries 200]
     python benchmarks/search.py --workspace PATH --dataset NAME --questions queries.jsonl

Texts and vectors are made from a seed, or taken from a dataset of a workspace. The bare parts do
what any user of both libraries has to: `IndexFlatIP.search` for 200 candidates, a Tantivy search
for 200 candidates, and the stored text of the first ten documents. Ragstone does the whole of
`Workspace.search(mode="hybrid", k=10)`: both arms, fusion, places, highlights, metadata, sources.
Both run the same queries in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import tantivy

import ragstone
from ragstone.encoders.base import EncoderIdentity
from ragstone.storage.analysis import analyzer
from ragstone.storage.changes import keyword_documents
from ragstone.storage.parts import PartRows, read_vectors
from ragstone.text import without_stops
from ragstone.workspace import Workspace

DIMENSION = 384
CANDIDATES = 200
WORDS = 30_000


class SeededEncoder:
    """Stands in for the encoder, whose time is not measured: a vector from the text's digest."""

    identity = EncoderIdentity("seeded", "0" * 64, DIMENSION, 256)

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self.vectors = vectors

    def encode_queries(self, texts: list[str]) -> np.ndarray:
        """Return the vectors made beforehand; of other texts, in turn, those of the first ones."""
        known = list(self.vectors.values())
        return np.stack([self.vectors.get(t, known[n % len(known)]) for n, t in enumerate(texts)])


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians of one comparison, and the median of the ratios query by query."""

    chunks: int
    ours_ms: float
    bare_ms: float
    ratio: float


def make_texts(count: int, words: int, rng: np.random.Generator) -> list[str]:
    """Return texts whose words follow Zipf's law."""
    ranks = np.minimum(rng.zipf(1.3, size=(count, words)), WORDS)
    return [" ".join(f"word{rank}" for rank in row) for row in ranks]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return `vectors` (n, d) at length 1, as they are stored."""
    scaled = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled.astype(np.float16).astype(np.float32)


def fill(workspace: Workspace, texts: list[str], vectors: np.ndarray) -> None:
    """Commit `texts` as items of one chunk each, with the given vectors."""
    store = workspace._store
    with store.change("d", SeededEncoder.identity.space) as change:
        for begin in range(0, len(texts), 4_096):
            rows = PartRows()
            for key in range(begin, min(begin + 4_096, len(texts))):
                rows.items.append(
                    {
                        "item_key": key, "item_id": f"{key:064x}", "media_type": "text/plain",
                        "modality": "text", "title": f"title {key}", "size": len(texts[key]),
                        "metadata": json.dumps({"year": 1900 + key % 120}), "work_key": str(key),
                        "chunks": 1, "text": texts[key], "content": b"",
                    }
                )  # fmt: skip
                rows.sources.append(
                    {"source_key": key, "source": f"/d#{key}", "name": str(key), "item_key": key}
                )
                rows.chunks.append(
                    {
                        "chunk_key": key, "chunk_id": f"{key:032x}", "item_key": key,
                        "ordinal": 0, "start": 0, "end": len(texts[key]), "page": None,
                        "heading": "", "tokens": 100, "text": texts[key],
                        "modality": "text",
                    }
                )  # fmt: skip
            change.add_part(rows, vectors[begin : begin + 4_096])
        change.next_item = change.next_source = change.next_chunk = len(texts)
        store.commit(change, "synthetic", "synthetic")


def bare(texts: list[str], vectors: np.ndarray, folder: Path) -> Callable[[str, np.ndarray], None]:
    """Return a search by the two libraries alone."""
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(vectors)
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("body", stored=True, tokenizer_name="same")
    schema = builder.build()
    keywords = tantivy.Index(schema, path=str(folder))
    keywords.register_tokenizer("same", analyzer())
    writer = keywords.writer(64_000_000, 1)
    for text in texts:
        document = tantivy.Document()
        document.add_text("body", text)
        writer.add_document(document)
    writer.commit()
    writer.wait_merging_threads()
    keywords.reload()
    searcher = keywords.searcher()

    def search(query: str, vector: np.ndarray) -> None:
        index.search(vector[None, :], CANDIDATES)
        terms = dict.fromkeys(analyzer().analyze(query))
        words = [tantivy.Query.term_query(schema, "body", term) for term in terms]
        parsed = tantivy.Query.boolean_query([(tantivy.Occur.Should, word) for word in words])
        hits = searcher.search(parsed, CANDIDATES, count=False).hits
        for _, address in hits[:10]:
            searcher.doc(address)["body"]

    return search


def measure(count: int, queries: int) -> Figures:
    """Compare on `count` synthetic chunks."""
    rng = np.random.default_rng(0)
    texts, asked = make_texts(count, 80, rng), make_texts(queries, 5, rng)
    vectors = unit(rng.normal(size=(count, DIMENSION)).astype(np.float32))
    asked_vectors = unit(rng.normal(size=(queries, DIMENSION)).astype(np.float32))
    encoder = SeededEncoder(dict(zip(asked, asked_vectors, strict=True)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workspace"
        with ragstone.open(path, create=True, encoder=encoder) as workspace:
            fill(workspace, texts, vectors)
            return compare(workspace, "d", texts, vectors, encoder.vectors)


def measure_dataset(path: Path, dataset: str, questions: Path) -> Figures:
    """Compare on a dataset and real queries (JSONL with `text`), which are encoded beforehand."""
    with questions.open() as file:
        asked = [str(json.loads(line)["text"]) for line in file]
    with ragstone.open(path) as workspace:
        head = workspace._store.head(dataset)
        found = workspace._encode_queries(asked, head)
        folders = [workspace.path / part.path for part in head.parts]
        vectors = np.concatenate([read_vectors(folder, head.space) for folder in folders])
        texts = [document.text for document in keyword_documents(workspace.path, head.parts)]
    encoder = SeededEncoder(dict(zip(map(without_stops, asked), found, strict=True)))
    encoder.identity = workspace._encoders.chosen().identity
    with ragstone.open(path, encoder=encoder) as workspace:
        return compare(workspace, dataset, texts, vectors.astype(np.float32), encoder.vectors)


def compare(
    workspace: Workspace,
    dataset: str,
    texts: list[str],
    vectors: np.ndarray,
    queries: dict[str, np.ndarray],
) -> Figures:
    """Run each query through both, in turn."""
    times = np.empty((len(queries), 2))
    with tempfile.TemporaryDirectory() as folder:
        theirs = bare(texts, vectors, Path(folder))
        for number, (query, vector) in enumerate(list(queries.items())[:1] + list(queries.items())):
            begin = time.perf_counter()
            workspace.search(query, dataset)
            middle = time.perf_counter()
            theirs(query, vector)
            if number:  # the first opens the files
                times[number - 1] = middle - begin, time.perf_counter() - middle
    ours_ms, bare_ms = np.median(times, axis=0) * 1e3
    ratio = statistics.median(times[:, 0] / times[:, 1])
    return Figures(len(texts), float(ours_ms), float(bare_ms), ratio)


def main() -> None:
    """Print one row per size, or one for the dataset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--dataset")
    parser.add_argument("--questions", type=Path)
    options = parser.parse_args()
    print("| chunks | ragstone p50 ms | bare p50 ms | ratio (goal: at most 1.5) |")
    print("| --- | --- | --- | --- |")
    if options.workspace:
        rows = [measure_dataset(options.workspace, options.dataset, options.questions)]
    else:
        rows = (measure(count, options.queries) for count in options.chunks)
    for row in rows:
        figures = f"{row.ours_ms:.2f} | {row.bare_ms:.2f} | {row.ratio:.2f}"
        print(f"| {row.chunks:,} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
