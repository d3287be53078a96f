"""What versions cost: disk, opening, catching up, and searching an old one.

Run: python benchmarks/storage.py [--quick] [--only disk opening]

Texts (pronounceable words by Zipf's law, about 300 characters a chunk) and unit vectors are made
from a seed; no encoder runs. Everything is written through the store, as an ingestion does, and
measured beside its bare part in the same run:

  disk      100 versions that each change 1 %, beside the size after version 1 (allocated blocks of
            all files and folders, a hard link counted once)
  old       hybrid search in old versions of that dataset, beside its newest version, in turn
  opening   a workspace with a million chunks in 21 versions, up to the list of datasets and the
            first keyword search, beside `duckdb.connect`, `json.load` of the newest manifest and
            the same search with Tantivy alone; in fresh processes, in turn, once with all of it in
            the page cache and once with none
  catching  opening with a catalog that is one version behind, or gone, beside reading the same
  up        columns of the same Parquet files with pyarrow, and beside putting them into a new
            DuckDB file

The whole takes about twenty minutes on an idle machine, and 6 GB in the folder for temporary files.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tantivy

import ragstone
from ragstone.encoders.base import EncoderIdentity
from ragstone.storage import projection
from ragstone.storage.changes import Change
from ragstone.storage.files import digest_bytes
from ragstone.storage.keyword_segments import analyzer, open_searcher, schema
from ragstone.storage.manifests import Manifest
from ragstone.storage.parts import PartRows
from ragstone.workspace import Workspace

DIMENSION = 384
CHUNKS = 4  # of an item
VOCABULARY = 30_000
PART = 4_096  # chunks, as an ingestion writes them
CATALOG = "catalog.duckdb"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is made and how often it is measured."""

    dataset: int = 20_000  # chunks, for disk and old versions
    changes: int = 100  # versions that each change 1 %
    queries: int = 200
    large: int = 1_000_000  # chunks, for opening
    step: int = 50_000  # chunks of each of its versions
    behind: int = 10_000  # chunks of its last one
    repeats: int = 5


QUICK = Sizes(2_000, 10, 20, 20_000, 5_000, 1_000, 3)


class SeededEncoder:
    """Stands in for the encoder, whose time is not measured: a vector from the text's digest."""

    identity = EncoderIdentity("seeded", "0" * 64, DIMENSION, 256)

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray:
        """Return a unit vector for each text, float32 of shape (texts, dimension)."""
        seeds = [int(digest_bytes(text.encode())[:8], 16) for text in texts]
        rows = [np.random.default_rng(seed).normal(size=DIMENSION) for seed in seeds]
        return unit(np.asarray(rows, np.float32))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return `vectors` (n, d) at length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Texts:
    """Makes texts and queries from a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        syllables = [a + b for a in "b d f g k l m n p r s t v st tr".split() for b in "aeiou"]
        lengths = self.rng.integers(1, 5, VOCABULARY)
        words = {"".join(self.rng.choice(syllables, n)): None for n in lengths}
        self.words = np.array(list(words), dtype=object)
        weights = 1 / (np.arange(len(self.words)) + 2.7)  # Zipf, as Mandelbrot bent it
        self.limits = np.cumsum(weights / weights.sum())

    def passages(self, count: int) -> list[str]:
        """Return passages of four sentences of twelve words."""
        found = np.searchsorted(self.limits, self.rng.random((count, 4, 12)))
        chosen = self.words[np.minimum(found, len(self.words) - 1)]
        return [" ".join(" ".join(line).capitalize() + "." for line in rows) for rows in chosen]

    def queries(self, count: int) -> list[str]:
        """Return queries of five words, none of the commonest hundred."""
        top = min(10_000, len(self.words))
        return [" ".join(self.words[self.rng.integers(100, top, 5)]) for _ in range(count)]


class Filler:
    """Writes items of four chunks into changes; knows which keys its sources have."""

    def __init__(self, workspace: Workspace, seed: int, *, blobs: bool) -> None:
        self.workspace, self.texts, self.blobs = workspace, Texts(seed), blobs
        self.keys: dict[int, tuple[int, int]] = {}  # source -> source key, item key

    def commit(self, sources: Sequence[int], message: str) -> Manifest:
        """Make a version in which `sources` have new texts."""
        store = self.workspace._store
        with store.change("d", SeededEncoder.identity.space) as change:
            for source in sources:
                if source in self.keys:
                    change.removed_sources.add(self.keys[source][0])
                    change.removed_items.add(self.keys[source][1])
            for begin in range(0, len(sources), PART // CHUNKS):
                self._add_part(change, sources[begin : begin + PART // CHUNKS])
            return store.commit(change, message, "synthetic")

    def _add_part(self, change: Change, sources: Sequence[int]) -> None:
        rows = PartRows()
        passages = self.texts.passages(len(sources) * CHUNKS)
        for number, source in enumerate(sources):
            self._add_item(change, rows, source, passages[number * CHUNKS : (number + 1) * CHUNKS])
        vectors = self.texts.rng.normal(size=(len(passages), DIMENSION)).astype(np.float32)
        change.add_part(rows, unit(vectors))

    def _add_item(
        self, change: Change, rows: PartRows, source: int, passages: Sequence[str]
    ) -> None:
        text = "\n\n".join(passages)
        content = text.encode()
        item_id = self.workspace._store.blobs.put(content) if self.blobs else digest_bytes(content)
        item, name = change.next_item, f"{source:07}.txt"
        rows.items.append(
            {
                "item_key": item, "item_id": item_id, "media_type": "text/plain",
                "modality": "text", "title": passages[0][:40], "size": len(content),
                "metadata": json.dumps({"year": 1900 + source % 120}), "work_key": item_id[:32],
                "chunks": len(passages), "text": text, "content": None if self.blobs else content,
            }
        )  # fmt: skip
        path = f"/data/documents/{name}"
        rows.sources.append(
            {"source_key": change.next_source, "source": path, "name": name, "item_key": item}
        )
        start = 0
        for ordinal, passage in enumerate(passages):
            identity = digest_bytes(f"{item_id}{ordinal}".encode())[:32]
            rows.chunks.append(
                {
                    "chunk_key": change.next_chunk, "chunk_id": identity, "item_key": item,
                    "ordinal": ordinal, "start": start, "end": start + len(passage), "page": None,
                    "heading": "", "tokens": len(passage) // 4, "text": passage,
                    "modality": "text",
                }
            )  # fmt: skip
            start += len(passage) + 2
            change.next_chunk += 1
        self.keys[source] = change.next_source, item
        change.next_source += 1
        change.next_item += 1


def opened(path: Path) -> Workspace:
    """Open the workspace at `path`, made when it is not there."""
    return ragstone.open(path, create=True, encoder=SeededEncoder())


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    lines = [" | ".join(map(str, row)) for row in [columns, ["---"] * len(columns), *rows]]
    print(f"\n**{title}**\n\n" + "\n".join(f"| {line} |" for line in lines), flush=True)


# ---------------------------------------------------------------- disk and old versions


def used(root: Path) -> dict[str, int]:
    """Return the bytes of the blocks that are allocated below `root`, by what they hold."""
    sizes: dict[str, int] = defaultdict(int)
    seen = set()
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            sizes[_holder(path.relative_to(root))] += status.st_blocks * 512
    return dict(sizes)


def _holder(path: Path) -> str:
    if path.parts[:1] == ("datasets",) and len(path.parts) > 2:
        return path.parts[2]
    top = path.parts[0] if path.parts else "other"
    return next((kind for kind in ("blobs", "catalog") if top.startswith(kind)), "other")


def measure_disk(sizes: Sizes, path: Path) -> None:
    """Make the versions, and print what they take and how long the small commits took."""
    items, seconds = sizes.dataset // CHUNKS, []
    with opened(path) as workspace:
        filler = Filler(workspace, 0, blobs=True)
        filler.commit(range(items), "all")
    before = used(path)
    with opened(path) as workspace:
        filler.workspace = workspace
        for number in range(sizes.changes):
            changed = filler.texts.rng.choice(items, max(1, items // 100), replace=False)
            begin = time.perf_counter()
            filler.commit(changed.tolist(), f"change {number}")
            seconds.append(time.perf_counter() - begin)
    after = used(path)
    rows = [_disk_row(kind, before.get(kind, 0), after[kind]) for kind in sorted(after)]
    columns = ("MB", "version 1", f"version {sizes.changes + 1}", "ratio")
    for name, left_out in (("all", ()), ("**all but the catalog**", ("catalog",))):
        sums = [
            sum(n for kind, n in held.items() if kind not in left_out) for held in (before, after)
        ]
        rows.append(_disk_row(name, *sums))
    title = f"Disk: {sizes.dataset:,} chunks, {sizes.changes} versions of 1 % each"
    print_table(f"{title} (goal: less than 2.50)", columns, rows)
    print(f"\nThe new data alone are {sizes.changes / 100:.2f} times the dataset.")
    ends = [statistics.median(part) for part in (seconds[:10], seconds[-10:])]
    print(
        f"\nA commit of 1 %: {ends[0]:.3f} s at first, {ends[1]:.3f} s at the end (medians of 10)."
    )


def _disk_row(kind: str, before: int, after: int) -> tuple[str, str, str, str]:
    ratio = f"{after / before:.2f}" if before else "-"
    return kind, f"{before / 1e6:.1f}", f"{after / 1e6:.1f}", ratio


def measure_old(sizes: Sizes, path: Path) -> None:
    """Print the time of a hybrid search by the age of the version."""
    queries = Texts(1).queries(sizes.queries + 1)
    with opened(path) as workspace:
        newest = workspace._store.head("d").version
        versions = sorted({newest, *(1 + newest * part // 4 for part in range(4))}, reverse=True)
        times = np.empty((len(queries), len(versions)))
        for row, query in enumerate(queries):  # the first opens the files of each version
            for column, version in enumerate(versions):
                begin = time.perf_counter()
                workspace.search(query, f"d@{version}")
                times[row, column] = time.perf_counter() - begin
        segments = [len(workspace._store.resolve(f"d@{v}").segments) for v in versions]
    first, medians = times[0] * 1e3, np.median(times[1:], axis=0) * 1e3
    p95 = np.quantile(times[1:], 0.95, axis=0) * 1e3
    ratios = np.median(times[1:] / times[1:, :1], axis=0)
    rows = [
        (f"{v}", n, f"{a:.1f}", f"{m:.2f}", f"{p:.2f}", f"{r:.2f}")
        for v, n, a, m, p, r in zip(versions, segments, first, medians, p95, ratios, strict=True)
    ]
    columns = ("version", "segments", "first ms", "p50 ms", "p95 ms", "ratio (goal: at most 2)")
    print_table(
        f"Hybrid search as of {newest:,} versions, {len(queries) - 1} queries", columns, rows
    )


# ---------------------------------------------------------------- opening and catching up


def measure_opening(sizes: Sizes, path: Path) -> None:
    """Make the large workspace, then print how it opens: as it is, behind, without a catalog."""
    earlier = path.with_name("earlier")
    with opened(path) as workspace:
        filler = Filler(workspace, 2, blobs=False)
        for begin in range(0, sizes.large // CHUNKS, sizes.step // CHUNKS):
            end = min(begin + sizes.step // CHUNKS, sizes.large // CHUNKS)
            filler.commit(range(begin, end), "more")
    copy_catalog(path, earlier)
    with opened(path) as workspace:
        filler.workspace = workspace
        last = len(filler.keys)
        old = len(workspace._store.head("d").parts)
        manifest = filler.commit(range(last, last + sizes.behind // CHUNKS), "last")
    measure_plain_opening(sizes, path)
    chunks = sizes.large + sizes.behind
    every = [part.path for part in manifest.parts]
    newest = every[old:]
    rows = [
        _caught(path, "one version behind", sizes.behind, newest, sizes.repeats, earlier),
        _caught(path, "catalog gone", chunks, every, 1, None),
    ]
    columns = (
        "catalog", "chunks", "opening s", "chunks/s", "pyarrow chunks/s",
        "ratio", "pyarrow + DuckDB chunks/s", "ratio",
    )  # fmt: skip
    print_table("Catching up and rebuilding", columns, rows)


def measure_plain_opening(sizes: Sizes, path: Path) -> None:
    """Print how the workspace opens as it is."""
    columns = ["", "cached, s", "not cached, s"]
    found = [_opened_in_turn(sizes, path, cold=cold) for cold in (False, True)]
    rows = [(name, *(f"{times[name]:.3f}" for times in found)) for name in found[0]]
    count = f"{sizes.large + sizes.behind:,} chunks, median of {sizes.repeats} fresh processes"
    print_table(f"Opening {count}", columns, rows)


def _opened_in_turn(sizes: Sizes, path: Path, *, cold: bool) -> dict[str, float]:
    runs = []
    for _ in range(sizes.repeats):
        run = {}
        for name in ("open", "bare", "command"):
            if cold:
                drop_cache(path)
            run[name] = child(name, path)
        runs.append(run)

    def median(what: str, field: str) -> float:
        return statistics.median(run[what][field] for run in runs)

    ratio = statistics.median(run["open"]["answer"] / run["bare"]["seconds"] for run in runs)
    return {
        "`ragstone.open`, imports apart": median("open", "seconds"),
        "... and datasets listed, and one keyword search (goal: under 2)": median("open", "answer"),
        "bare: `duckdb.connect`, `json.load`, Tantivy opened and searched": median(
            "bare", "seconds"
        ),
        "ratio of the last two (median of the pairs)": ratio,
        "first hybrid search after it: reads and checks the vectors": median("open", "first"),
        "second one": median("open", "again"),
        "`ragstone datasets` as a whole command": median("command", "seconds"),
    }


def drop_cache(path: Path) -> None:
    """Let the system forget what it holds in memory of the files below `path`."""
    os.sync()  # only what is written can be dropped
    for file in path.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def _caught(
    path: Path,
    name: str,
    chunks: int,
    parts: Sequence[str],
    repeats: int,
    earlier: Path | None,
) -> tuple[str, ...]:
    """Measure openings after the catalog was replaced by `earlier`, or deleted."""
    runs = []
    for _ in range(repeats):
        copy_catalog(earlier, path)
        ours = child("open", path)
        if not any(entry.startswith("version ") for entry in ours["recovered"]):
            message = f"nothing was caught up: {ours['recovered']}"
            raise SystemExit(message)
        runs.append((ours["seconds"], child("read", path, *parts), child("insert", path, *parts)))
    whole = statistics.median(run[0] for run in runs)
    read, insert = (statistics.median(run[n]["seconds"] for run in runs) for n in (1, 2))
    rate = chunks / whole
    bare = [(f"{chunks / s:,.0f}", f"{rate * s / chunks:.2f}") for s in (read, insert)]
    return name, f"{chunks:,}", f"{whole:.3f}", f"{rate:,.0f}", *bare[0], *bare[1]


def copy_catalog(source: Path | None, target: Path) -> None:
    """Put the catalog of `source`, with its log, in the place of that of `target`."""
    for file in target.glob(f"{CATALOG}*"):
        file.unlink()
    if source:
        target.mkdir(exist_ok=True)
        for file in source.glob(f"{CATALOG}*"):
            shutil.copy2(file, target / file.name)


def child(what: str, *words: object) -> dict[str, Any]:
    """Measure `what` in a fresh process."""
    command = [sys.executable, __file__, "--child", what, *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def run_child(what: str, path: Path, parts: Sequence[str]) -> dict[str, object]:
    """Do what `child` asks for, after all imports."""
    if what == "open":
        return open_and_search(path)
    begin = time.perf_counter()
    if what == "bare":
        return open_bare(path)
    if what == "command":
        words = ["-m", "ragstone.cli", "--workspace", str(path), "datasets", "--json"]
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    elif what == "read":
        for _ in tables(path, parts):
            pass
    else:
        insert(tables(path, parts))
    return {"seconds": time.perf_counter() - begin}


def open_and_search(path: Path) -> dict[str, object]:
    """Time the opening, the first answers, and two hybrid searches after them."""
    texts = Texts(1).queries(3)
    times = [time.perf_counter()]
    workspace = opened(path)
    times.append(time.perf_counter())
    listed = workspace.datasets()
    found = workspace.search(texts[0], "d", mode="keyword")
    times.append(time.perf_counter())
    for text in texts[1:]:
        workspace.search(text, "d")
        times.append(time.perf_counter())
    if not listed or not found.hits:
        message = "nothing was found"
        raise SystemExit(message)
    recovered = workspace._store.recovered
    workspace.close()
    seconds, answer, first, again = np.diff(times).tolist()
    return {
        "seconds": seconds, "answer": seconds + answer, "first": first, "again": again,
        "recovered": recovered,
    }  # fmt: skip


def open_bare(path: Path) -> dict[str, object]:
    """Time what the opening cannot do without: catalog, newest manifest, one keyword search."""
    text = Texts(1).queries(1)[0]
    begin = time.perf_counter()
    connection = duckdb.connect(str(path / CATALOG), read_only=True)
    newest = max(path.glob("datasets/*/versions/*.json"))
    with newest.open() as file:
        generation = json.load(file)["keywords"]["path"]
    searcher = open_searcher(path / generation)
    words = [
        (tantivy.Occur.Should, tantivy.Query.term_query(schema(), "body", word))
        for word in analyzer().analyze(text)
    ]
    hits = searcher.search(tantivy.Query.boolean_query(words), 10, count=False).hits
    for _, address in hits:
        searcher.doc(address)
    seconds = time.perf_counter() - begin
    connection.close()
    return {"seconds": seconds}


def tables(root: Path, parts: Sequence[str]) -> Iterator[tuple[str, pa.Table]]:
    """Read what the catalog takes of the parts, with pyarrow alone."""
    for part in parts:
        for name, columns in (
            ("items", list(projection._ITEM_COLUMNS)),
            ("sources", None),
            ("chunks", list(projection._CHUNK_COLUMNS)),
        ):
            yield name, pq.read_table(root / part / f"{name}.parquet", columns=columns)


def insert(read: Iterator[tuple[str, pa.Table]]) -> None:
    """Put tables into a new DuckDB file and close it."""
    with tempfile.TemporaryDirectory() as folder:
        connection = duckdb.connect(str(Path(folder) / "bare.duckdb"))
        made = set()
        for name, table in read:
            connection.register("incoming", table)
            if name in made:
                connection.execute(f"INSERT INTO {name} FROM incoming")
            else:
                connection.execute(f"CREATE TABLE {name} AS FROM incoming")
            made.add(name)
            connection.unregister("incoming")
        connection.close()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument(
        "--only", nargs="+", choices=["disk", "opening"], default=["disk", "opening"]
    )
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        what, path, *parts = options.child
        print(json.dumps(run_child(what, Path(path), parts)))
        return
    sizes = QUICK if options.quick else Sizes()
    with tempfile.TemporaryDirectory() as folder:
        if "disk" in options.only:
            measure_disk(sizes, Path(folder) / "versions")
            measure_old(sizes, Path(folder) / "versions")
            shutil.rmtree(Path(folder) / "versions")
        if "opening" in options.only:
            measure_opening(sizes, Path(folder) / "large")


if __name__ == "__main__":
    main()
