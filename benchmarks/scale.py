"""Search as a dataset grows: times, recall, filters, clients, beside bare FAISS and bare Tantivy.

Run: python benchmarks/scale.py [--sizes 10000 30000 100000] [--peers 100000] [--out DIR]
     python benchmarks/scale.py --sizes 10000 30000 100000 300000 1000000 --peers 100000 1000000

One dataset grows from a seed to each of the sizes, in commits of at most 50,000 chunks, and is
searched at each. Texts are of 40 words, drawn as words of prose are once the stop words are gone
(the word of rank r with a probability like 1 / (r + 30) ** 1.1); vectors lie around 500 places, as
far from theirs as that is from the middle (with `--vectors uniform` anywhere: then nothing but
looking at all of them finds the nearest). A query is four words, and a vector beside one of the
places.

The peer is what a user of both libraries would build: FAISS `IVF,SQ8` with as many probes as reach
the recall of Ragstone's vector arm, and one Tantivy index; it is asked in turn with Ragstone, and
the flat FAISS index beside it. The encoder is left out. Times are those of the processor, which a
query keeps to one thread of, so they are what it takes on an idle machine; on a busy one the clock
shows above all who else wants the processor.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import faiss
import numpy as np
import tantivy
from PIL import Image, ImageDraw

import ragstone
from ragstone.encoders.base import EncoderIdentity
from ragstone.storage.analysis import analyzer
from ragstone.storage.parts import PartRows
from ragstone.workspace import Workspace

DIMENSION = 384
CANDIDATES = 200
WORDS = 50_000
BLOCK = 10_000  # chunks of a part
COMMIT = 50_000  # chunks at a time
QUERIES = 100
SHARES = {"none": 1.0, "u<500": 0.5, "u<100": 0.1, "u<10": 0.01, "u<1": 0.001}
FAR = 0.05  # from a place, in each dimension: as far as the place is from the middle
CLIENTS = 8
Ways = dict[str, Callable[[str], object]]
GOALS = "p50 at most 1.25 of the peer's; p95 at 1,000,000 at most 20 ms; recall at least 0.95"


@dataclass(frozen=True, slots=True)
class Data:
    """Texts and vectors of as many chunks as are asked for, the same for the same place."""

    uniform: bool
    places: np.ndarray  # (places, dimension)

    @classmethod
    def of(cls, places: int, *, uniform: bool) -> Data:
        """Return the data, its vectors around so many places."""
        rows = np.random.default_rng(7).normal(size=(places, DIMENSION))
        return cls(uniform, unit(rows.astype(np.float32)))

    def vectors(self, start: int, end: int) -> np.ndarray:
        """Return the vectors of the chunks from `start` to `end`, float32."""
        return self._around(np.random.default_rng([1, start]), end - start)

    def texts(self, start: int, end: int) -> list[str]:
        """Return their texts."""
        return prose(np.random.default_rng([2, start]), end - start, 40)

    def queries(self) -> dict[str, np.ndarray]:
        """Return queries with their vectors."""
        draw = np.random.default_rng(3)
        return dict(zip(prose(draw, QUERIES, 4), self._around(draw, QUERIES), strict=True))

    def _around(self, draw: np.random.Generator, count: int) -> np.ndarray:
        noise = draw.normal(size=(count, DIMENSION)).astype(np.float32)
        if self.uniform:
            return unit(noise)
        return unit(self.places[draw.integers(0, len(self.places), count)] + FAR * noise)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return `vectors` (n, d) at length 1, as they are stored."""
    scaled = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled.astype(np.float16).astype(np.float32)


def prose(draw: np.random.Generator, count: int, words: int) -> list[str]:
    """Return texts whose words are about as frequent as those of prose."""
    chances = 1 / (np.arange(WORDS) + 30) ** 1.1
    steps = np.cumsum(chances / chances.sum())
    ranks = np.searchsorted(steps, draw.random((count, words)))
    return [" ".join(f"word{rank}" for rank in row) for row in ranks]


def values(start: int, end: int) -> np.ndarray:
    """Return what the filters look at: 0 to 999, apart from text and vector."""
    return np.random.default_rng([4, start]).integers(0, 1_000, end - start)


def blocks(count: int) -> Iterator[tuple[int, int]]:
    """Yield where the parts of `count` chunks begin and end."""
    yield from ((start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


class SeededEncoder:
    """Stands in for the encoder: gives the vectors that were made beforehand."""

    identity = EncoderIdentity("seeded", "0" * 64, DIMENSION, 256)

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self.vectors = vectors

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of known texts; of others, in turn, those of the first ones."""
        known = list(self.vectors.values())
        return np.stack([self.vectors.get(t, known[n % len(known)]) for n, t in enumerate(texts)])


# ---------------------------------------------------------------- Ragstone


def grow(workspace: Workspace, data: Data, start: int, end: int) -> None:
    """Commit the chunks from `start` to `end`, an item each."""
    store = workspace._store
    for begin in range(start, end, COMMIT):
        with store.change("d", SeededEncoder.identity.space) as change:
            for low in range(begin, min(begin + COMMIT, end), BLOCK):
                high = min(low + BLOCK, begin + COMMIT, end)
                change.add_part(rows_of(data, low, high), data.vectors(low, high))
            change.next_item = change.next_source = change.next_chunk = min(begin + COMMIT, end)
            store.commit(change, "synthetic", "synthetic")


def rows_of(data: Data, start: int, end: int) -> PartRows:
    """Return the chunks from `start` to `end` as a part takes them."""
    rows = PartRows()
    texts, filtered = data.texts(start, end), values(start, end)
    for key, text, value in zip(range(start, end), texts, filtered.tolist(), strict=True):
        item = {"item_key": key, "item_id": f"{key:064x}", "media_type": "text/plain"}
        item |= {"modality": "text", "title": f"title {key}", "size": len(text), "chunks": 1}
        item |= {"metadata": json.dumps({"u": value}), "work_key": str(key)}
        rows.items.append({**item, "text": text, "content": b""})
        source = {"source_key": key, "source": f"/d#{key}", "name": str(key), "item_key": key}
        rows.sources.append(source)
        chunk = {"chunk_key": key, "chunk_id": f"{key:032x}", "item_key": key, "ordinal": 0}
        chunk |= {"start": 0, "end": len(text), "page": None, "heading": "", "tokens": 50}
        rows.chunks.append({**chunk, "text": text, "modality": "text"})
    return rows


def nearest(data: Data, count: int, queries: np.ndarray) -> dict[str, np.ndarray]:
    """Return the keys of the ten nearest of each query by looking at all, under each filter."""
    best: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for start, end in blocks(count):
        scores, keys = queries @ data.vectors(start, end).T, np.arange(start, end)
        value = values(start, end)
        for name, share in SHARES.items():
            inside = value < share * 1_000
            old = best.get(name, (np.empty((len(queries), 0)), np.empty((len(queries), 0), int)))
            rows = np.broadcast_to(keys[inside], (len(queries), int(inside.sum())))
            found = np.hstack([old[0], scores[:, inside]]), np.hstack([old[1], rows])
            top = np.argsort(-found[0], axis=1, kind="stable")[:, :10]
            best[name] = tuple(np.take_along_axis(one, top, axis=1) for one in found)  # type: ignore[assignment]
    return {name: keys for name, (_, keys) in best.items()}


def recall(found: Sequence[Sequence[int]], best: np.ndarray) -> float:
    """Return which part of the ten nearest was found."""
    hits = sum(len({*f[:10]} & {*b.tolist()}) for f, b in zip(found, best, strict=True))
    return hits / best.size


# ---------------------------------------------------------------- the peer


class Peer:
    """Bare FAISS and bare Tantivy on the same texts and vectors."""

    def __init__(self, data: Data, count: int, folder: Path) -> None:
        self.cells = int(4 * count**0.5)
        sample = np.concatenate([data.vectors(s, e) for s, e in list(blocks(count))[:10]])
        self.index = faiss.index_factory(
            DIMENSION, f"IVF{self.cells},SQ8", faiss.METRIC_INNER_PRODUCT
        )
        self.index.train(sample[: 40 * self.cells])
        self.flat = faiss.IndexFlatIP(DIMENSION)
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("body", stored=True, tokenizer_name="same")
        self.schema = builder.build()
        keywords = tantivy.Index(self.schema, path=str(folder))
        keywords.register_tokenizer("same", analyzer())
        writer = keywords.writer(64_000_000, 1)
        for start, end in blocks(count):
            vectors = data.vectors(start, end)
            self.index.add(vectors)
            self.flat.add(vectors)
            for text in data.texts(start, end):
                document = tantivy.Document()
                document.add_text("body", text)
                writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        keywords.reload()
        self.searcher = keywords.searcher()
        faiss.omp_set_num_threads(1)

    def probe(self, queries: np.ndarray, best: np.ndarray, goal: float) -> float:
        """Look into as many cells as it takes for this recall; return what it gets."""
        for probes in (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256):
            self.index.nprobe = min(probes, self.cells)
            reached = recall(self.index.search(queries, 10)[1].tolist(), best)
            if reached >= goal:
                break
        return reached

    def words(self, query: str) -> None:
        """Find the best chunks by words, and read the first ten."""
        terms = dict.fromkeys(analyzer().analyze(query))
        words = [tantivy.Query.term_query(self.schema, "body", term) for term in terms]
        parsed = tantivy.Query.boolean_query([(tantivy.Occur.Should, word) for word in words])
        hits = self.searcher.search(parsed, CANDIDATES, count=False).hits
        for _, address in hits[:10]:
            self.searcher.doc(address)["body"]


# ---------------------------------------------------------------- measuring


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement."""

    chunks: int
    what: str
    wall_ms: float  # median
    p50_ms: float  # of processor time, as p95_ms
    p95_ms: float
    recall: float | None = None


def timed(ways: Ways, queries: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the milliseconds of each way for each query, (queries, 2); they are asked in turn."""
    times = {name: np.empty((len(queries), 2)) for name in ways}
    for number, query in enumerate([queries[0], *queries]):
        for name, ask in ways.items():
            begin, spent = time.perf_counter(), time.thread_time()
            ask(query)
            if number:  # the first opens what has to be opened
                spent = time.thread_time() - spent
                times[name][number - 1] = 1e3 * (time.perf_counter() - begin), 1e3 * spent
    return times


def rows(count: int, times: dict[str, np.ndarray], reached: dict[str, float]) -> list[Row]:
    """Return what was timed as rows."""
    found = []
    for name, one in times.items():
        (wall, own), (_, late) = np.percentile(one, [50, 95], axis=0).round(3).tolist()
        found.append(Row(count, name, wall, own, late, reached.get(name)))
    return found


def measure(workspace: Workspace, data: Data, count: int, *, peer: bool) -> list[Row]:
    """Search all modes, and the hybrid one under each filter, beside the peer."""
    queries = data.queries()
    texts, vectors = list(queries), np.stack(list(queries.values()))
    best = nearest(data, count, vectors)
    ways: Ways = {}
    for mode in ("hybrid", "keyword", "vector"):
        ways[mode] = lambda text, mode=mode: workspace.search(text, "d", mode=mode)
    reached = {}
    for name in SHARES:
        where = [] if name == "none" else [name]
        found = [found_in(workspace, text, where) for text in texts]
        reached["vector" if name == "none" else f"vector {name}"] = recall(found, best[name])
        if where:
            ways[f"hybrid {name}"] = lambda text, w=where: workspace.search(text, "d", where=w)
            ways[f"vector {name}"] = lambda text, w=where: workspace.search(
                text, "d", mode="vector", where=w
            )
            ways[f"keyword {name}"] = lambda text, w=where: workspace.search(
                text, "d", mode="keyword", where=w
            )
    if not peer:
        return rows(count, timed(ways, texts), reached)
    with tempfile.TemporaryDirectory() as folder:
        other = Peer(data, count, Path(folder))
        reached["peer"] = other.probe(vectors, best["none"], reached["vector"])
        print(f"peer: IVF{other.cells},SQ8, {other.index.nprobe} probes", flush=True)
        ways["peer"] = lambda text: (
            other.index.search(queries[text][None, :], CANDIDATES),
            other.words(text),
        )
        ways["peer, words"] = other.words
        ways["peer, vectors"] = lambda text: other.index.search(queries[text][None, :], CANDIDATES)
        ways["peer, flat vectors"] = lambda text: other.flat.search(
            queries[text][None, :], CANDIDATES
        )
        times = timed(ways, texts)
        wall, own = np.median(times["hybrid"] / times["peer"], axis=0)
        print(f"hybrid / peer: {own:.2f}; by the clock {wall:.2f}", flush=True)
    return rows(count, times, reached)


def found_in(workspace: Workspace, text: str, where: list[str]) -> list[int]:
    """Return the keys of the hits by vectors."""
    hits = workspace.search(text, "d", mode="vector", where=where).hits
    return [int(hit.chunk_id, 16) for hit in hits]


def clients(workspace: Workspace, queries: Sequence[str]) -> tuple[float, float, bool]:
    """Return searches a second by one client and by eight, and whether they found the same."""

    def ask(query: str) -> list[tuple[str, float]]:
        return [(hit.chunk_id, hit.score) for hit in workspace.search(query, "d").hits]

    many = [*queries] * 4
    rates: list[list[float]] = [[], []]
    same = True
    for _ in range(3):
        begin = time.perf_counter()
        alone = [ask(query) for query in many]
        middle = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            together = list(pool.map(ask, many))
        rates[0].append(len(many) / (middle - begin))
        rates[1].append(len(many) / (time.perf_counter() - middle))
        same = same and alone == together
    return float(np.median(rates[0])), float(np.median(rates[1])), same


def exponent(sizes: Sequence[int], times: Sequence[float]) -> float:
    """Return the slope of the times over the sizes, both as logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def plot(found: Sequence[Row], path: Path) -> None:
    """Draw p95 over chunks, both as logarithms, a line for each mode."""
    own = {n: [r for r in found if r.what == n] for n in ("hybrid", "keyword", "vector")}
    points = [(np.log10(r.chunks), np.log10(r.p95_ms)) for rs in own.values() for r in rs]
    low, high = np.floor(np.min(points, axis=0)), np.ceil(np.max(points, axis=0))
    corner, size = np.array([50, 20]), np.array([520, 320])

    def place(chunks: float, value: float) -> tuple[float, float]:
        x, y = (np.log10([chunks, value]) - low) / (high - low)
        return corner[0] + x * size[0], corner[1] + (1 - y) * size[1]

    picture = Image.new("RGB", (640, 380), "white")
    draw = ImageDraw.Draw(picture)
    for power in range(int(low[0]), int(high[0]) + 1):
        draw.line([place(10**power, 10 ** low[1]), place(10**power, 10 ** high[1])], "lightgrey")
        draw.text(place(10**power, 10 ** low[1]), f"{10**power:,}", "black")
    for power in range(int(low[1]), int(high[1]) + 1):
        draw.line([place(10 ** low[0], 10**power), place(10 ** high[0], 10**power)], "lightgrey")
        draw.text((2, place(10 ** low[0], 10**power)[1] - 5), f"{10**power:g} ms", "black")
    for (name, rows_), colour in zip(own.items(), ("black", "blue", "red"), strict=True):
        line = [place(r.chunks, r.p95_ms) for r in rows_]
        draw.line(line, colour, 2)
        draw.text((line[-1][0] + 4, line[-1][1] - 5), name, colour)
    picture.save(path)


def write(found: Sequence[Row], folder: Path) -> None:
    """Write `scale.csv`, whatever is still to be measured."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "scale.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(asdict(found[0])))
        table.writeheader()
        table.writerows(asdict(row) for row in found)


def run(options: argparse.Namespace) -> list[Row]:
    """Grow, and measure at each size."""
    data = Data.of(options.places, uniform=options.vectors == "uniform")
    found: list[Row] = []
    before, spent = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workspace"
        encoder = SeededEncoder(data.queries())
        with ragstone.open(path, create=True, encoder=encoder) as workspace:
            for count in options.sizes:
                begin = time.process_time()
                grow(workspace, data, before, count)
                before, spent = count, spent + time.process_time() - begin
                print(f"{count:,} chunks: {spent:.1f} s of processor time", flush=True)
                found.append(Row(count, "ingest", 0.0, 1e3 * spent, 1e3 * spent))
                found += measure(workspace, data, count, peer=count in options.peers)
                write(found, options.out)
            one, many, same = clients(workspace, list(encoder.vectors))
            print(f"one client {one:.0f}/s, {CLIENTS} {many:.0f}/s: {many / one:.2f}; same: {same}")
    return found


def main() -> None:
    """Print the table and the exponents."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--peers", type=int, nargs="*", default=[100_000])
    parser.add_argument("--vectors", choices=["clustered", "uniform"], default="clustered")
    parser.add_argument("--places", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("build/scale"))
    options = parser.parse_args()
    found = run(options)
    print(f"| chunks | what | clock p50 ms | p50 ms | p95 ms | recall@10 |  goals: {GOALS}")
    for row in found:
        shown = "" if row.recall is None else f"{row.recall:.3f}"
        times = f"{row.wall_ms:.2f} | {row.p50_ms:.2f} | {row.p95_ms:.2f}"
        print(f"| {row.chunks:,} | {row.what} | {times} | {shown} |")
    for name in ("ingest", "hybrid", "keyword", "vector"):
        own = [row for row in found if row.what == name]
        if len(own) > 1:
            slope = exponent([r.chunks for r in own], [r.p95_ms for r in own])
            print(f"{name}: grows as chunks ** {slope:.2f}")
    plot(found, options.out / "scale.png")


if __name__ == "__main__":
    main()
