"""The peers of `peers.py`, which runs this in an environment that has them.

Run: python benchmarks/_peers.py FOLDER

FOLDER holds texts.json, vectors.npy, queries.json and queries.npy. Reads one JSON command a line
and answers with one: {"index": PEER}, or {"search": PEER, "mode": MODE, "query": NUMBER, "k": K}.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import chromadb
import lancedb
import numpy as np
import pyarrow as pa
from chromadb.config import Settings
from lancedb.index import FTS
from lancedb.rerankers import RRFReranker
from txtai import Embeddings


class Corpus:
    """Texts and queries with their vectors, float32 of shape (n, dimension)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.texts: list[str] = json.loads((folder / "texts.json").read_text())
        self.vectors = np.load(folder / "vectors.npy")
        self.queries: list[str] = json.loads((folder / "queries.json").read_text())
        self.asked = np.load(folder / "queries.npy")


class Txtai:
    """txtai: SQLite for the texts, its own BM25, FAISS; a blend of normalised scores."""

    modes = ("keyword", "vector", "hybrid")

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.known = dict(zip(corpus.texts, corpus.vectors, strict=True))
        self.known |= dict(zip(corpus.queries, corpus.asked, strict=True))
        self.indexes: dict[str, Any] = {}

    def index(self) -> float:
        """Index for every mode; return the seconds of the hybrid index."""
        transform = lambda texts: self.vectors_of(texts)  # noqa: E731 - it has to be a function
        dense = {"method": "external", "transform": transform}
        kinds = {"keyword": {"keyword": True}, "vector": dense, "hybrid": {**dense, "hybrid": True}}
        seconds = 0.0
        for mode, settings in kinds.items():
            seconds = timed(lambda m=mode, s=settings: self._build(m, {**s, "content": True}))
        return seconds

    def _build(self, mode: str, settings: dict[str, Any]) -> None:
        embeddings = Embeddings(settings)
        embeddings.index(list(enumerate(self.corpus.texts)))
        embeddings.save(str(self.corpus.folder / f"txtai-{mode}"))
        self.indexes[mode] = embeddings

    def vectors_of(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors made beforehand."""
        return np.stack([self.known[text] for text in texts])

    def search(self, mode: str, number: int, k: int) -> list[int]:
        """Return the best texts by number."""
        found = self.indexes[mode].search(self.corpus.queries[number], k)
        return [int(row["id"]) for row in found]


class LanceDB:
    """LanceDB: full text (stems, stop words) and exact vectors; reciprocal ranks."""

    modes = ("keyword", "vector", "hybrid")

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.table: Any = None

    def index(self) -> float:
        """Write the table and its full-text index; return the seconds."""
        return timed(self._build)

    def _build(self) -> None:
        vectors = self.corpus.vectors
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
        numbers = pa.array(range(len(vectors)))
        rows = pa.table({"id": numbers, "text": self.corpus.texts, "vector": column})
        database = lancedb.connect(str(self.corpus.folder / "lancedb"))
        self.table = database.create_table("texts", rows)
        self.table.create_index("text", config=FTS())

    def search(self, mode: str, number: int, k: int) -> list[int]:
        """Return the best texts by number."""
        text, vector = self.corpus.queries[number], self.corpus.asked[number]
        if mode == "keyword":
            query = self.table.search(text, query_type="fts")
        elif mode == "vector":
            query = self.table.search(vector).distance_type("cosine")
        else:
            query = self.table.search(query_type="hybrid").vector(vector).text(text)
            query = query.distance_type("cosine").rerank(RRFReranker())
        return [row["id"] for row in query.limit(k).to_list()]


class Chroma:
    """Chroma: HNSW vectors alone."""

    modes = ("vector",)

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.collection: Any = None

    def index(self) -> float:
        """Add all texts to a persistent collection; return the seconds."""
        return timed(self._build)

    def _build(self) -> None:
        settings = Settings(anonymized_telemetry=False)
        client = chromadb.PersistentClient(str(self.corpus.folder / "chroma"), settings)
        self.collection = client.create_collection(
            "texts", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )
        most = client.get_max_batch_size()
        for begin in range(0, len(self.corpus.texts), most):
            end = min(begin + most, len(self.corpus.texts))
            self.collection.add(
                ids=[str(number) for number in range(begin, end)],
                documents=self.corpus.texts[begin:end],
                embeddings=self.corpus.vectors[begin:end],
            )

    def search(self, mode: str, number: int, k: int) -> list[int]:  # noqa: ARG002 - it has one
        """Return the best texts by number."""
        found = self.collection.query(
            query_embeddings=self.corpus.asked[number : number + 1], n_results=k
        )
        return [int(name) for name in found["ids"][0]]


def timed(do: Callable[[], object]) -> float:
    """Return the seconds that `do` takes."""
    begin = time.perf_counter()
    do()
    return time.perf_counter() - begin


def main() -> None:
    """Answer commands until there are no more."""
    answers, sys.stdout = sys.stdout, sys.stderr  # the libraries print as well
    corpus = Corpus(Path(sys.argv[1]))
    peers = {"txtai": Txtai(corpus), "LanceDB": LanceDB(corpus), "Chroma": Chroma(corpus)}
    for line in sys.stdin:
        command = json.loads(line)
        if "index" in command:
            peer = peers[command["index"]]
            answer: dict[str, object] = {"seconds": peer.index(), "modes": peer.modes}
        else:
            peer = peers[command["search"]]
            begin = time.perf_counter()
            found = peer.search(command["mode"], command["query"], command["k"])
            answer = {"seconds": time.perf_counter() - begin, "found": found}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
