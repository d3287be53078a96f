"""Near-duplicates of texts: recall and precision, documents per second, probing a million.

Run: python benchmarks/text_duplicates.py [--documents 10000] [--stored 1000000] [--semantic]

Needs `pip install datasketch` for the peer, which runs on the same texts in the same run: the same
shingles, 126 permutations in 21 bands of 6, its own hash function. Speed is given as wall time and
as processor time, since other programs take part of the first. Articles and paraphrases are taken
from RAGSTONE_DATA, and left out when it is not set.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import duckdb
import numpy as np

from ragstone.ingestion.dedup.base import Signed
from ragstone.ingestion.dedup.minhash import ALGORITHM, BANDS, PERMUTATIONS, ROWS
from ragstone.ingestion.dedup.semantic import Calibration, calibrate
from ragstone.ingestion.dedup.text import TextFinder, sign_text
from ragstone.storage.bands import CREATE_TABLE, BandTable

NONE = Signed(np.empty(0, np.int64), [])
GENERATOR = random.Random(0)  # noqa: S311
VOCABULARY = [
    "".join(GENERATOR.choices("etaoinshrdlu", k=GENERATOR.randint(1, 9))) for _ in range(9_000)
]


@contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Yield where wall and processor seconds of the block are put, those of its children too."""
    spent: dict[str, float] = {}
    wall, cpu = time.perf_counter(), _cpu()
    yield spent
    spent["wall"], spent["cpu"] = time.perf_counter() - wall, _cpu() - cpu


def _cpu() -> float:
    every = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in every)


def shingle_set(text: str) -> set[str]:
    """Return the word 5-grams of `text`, made in another way than Ragstone's."""
    words = re.findall(r"[^\W_]+", text.lower())
    return {" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4))}


def words(count: int) -> list[str]:
    """Return words that are frequent and rare as in a language."""
    return [VOCABULARY[int(9_000 ** GENERATOR.random()) - 1] for _ in range(count)]


def pages(count: int, share: float = 0.1) -> list[str]:
    """Return texts of 2 kB, of which a share are another one with a few words changed."""
    made: list[list[str]] = []
    for number in range(count):
        if number and GENERATOR.random() < share:
            page = list(GENERATOR.choice(made))
            for _ in range(GENERATOR.randint(0, 8)):
                page[GENERATOR.randrange(len(page))] = words(1)[0]
        else:
            page = words(420)
        made.append(page)
    return [" ".join(page)[:2_000] for page in made]


def signed(texts: list[str]) -> Signed:
    """Return the near signatures of `texts`."""
    return Signed(np.arange(len(texts)), [sign_text(text)[-1].value for text in texts])


# ---------------------------------------------------------------- quality


def quality(families: int = 1_500) -> None:
    """Print recall and precision on planted pairs, beside datasketch."""
    texts = []
    for _ in range(families):
        page = words(GENERATOR.choice([80, 200, 400]))
        other = list(page)
        for _ in range(GENERATOR.randint(0, len(page) // 16)):
            other[GENERATOR.randrange(len(other))] = words(1)[0]
        texts += [" ".join(page), " ".join(other)]
    sets = [shingle_set(text) for text in texts]
    exact = {(i, i + 1): _jaccard(sets[i], sets[i + 1]) for i in range(0, len(texts), 2)}
    ours = {(p.first, p.second) for p in TextFinder().find(signed(texts), NONE, texts.__getitem__)}
    theirs = _datasketch_pairs(sets)
    print("\n| planted pairs | of them | Ragstone | datasketch, 21x6 |")
    print("| --- | --- | --- | --- |")
    for low, high in ((0.8, 1.01), (0.7, 1.01), (0.7, 0.8), (0.6, 0.7), (0.5, 0.6)):
        wanted = {pair for pair, value in exact.items() if low <= value < high}
        shares = " | ".join(f"{len(wanted & found) / len(wanted):.4f}" for found in (ours, theirs))
        print(f"| {low:.1f} <= J < {high:.1f} | {len(wanted)} | {shares} |")
    for name, found in (("Ragstone", ours), ("datasketch", theirs)):
        right = sum(_jaccard(sets[a], sets[b]) >= 0.5 for a, b in found)
        print(f"\n{name}: {len(found)} pairs, {right / len(found):.4f} of them with J >= 0.5")


def _jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)


def _datasketch_pairs(sets: list[set[str]]) -> set[tuple[int, int]]:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, ROWS))
    pairs = set()
    for key, shingles in enumerate(sets):
        sketch = MinHash(num_perm=PERMUTATIONS)
        sketch.update_batch([shingle.encode() for shingle in shingles])
        pairs |= {(int(str(other)), key) for other in index.query(sketch)}
        index.insert(str(key), sketch)
    return pairs


def articles(folder: Path) -> None:
    """Print what is found among the articles with planted pairs."""
    print("\n| articles | planted pairs | found | false |")
    print("| --- | --- | --- | --- |")
    for count in (100, 1_000, 2_500):
        lines = (folder / f"articles_{count}.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        texts = [row["text"] for row in rows]
        planted = (folder / f"pairs_{count}.tsv").read_text().splitlines()[1:]
        wanted = {frozenset(line.split()) for line in planted}
        pairs = TextFinder().find(signed(texts), NONE, texts.__getitem__)
        found = {frozenset((rows[p.first]["_id"], rows[p.second]["_id"])) for p in pairs}
        print(f"| {count} | {len(wanted)} | {len(wanted & found)} | {len(found - wanted)} |")


# ---------------------------------------------------------------- speed


def sign_all(texts: list[str]) -> list[bytes]:
    """Return the near signatures of `texts`; runs in a worker."""
    return [sign_text(text)[-1].value for text in texts]


def speed(count: int) -> None:
    """Print documents per second, signed by two workers and found by one, beside datasketch."""
    texts = pages(count)
    batches = [texts[i : i + 64] for i in range(0, count, 64)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(sign_all, batches[:8]))  # they have started, and loaded what they need
        with measured() as signing:
            values = [value for made in pool.map(sign_all, batches) for value in made]
    with measured() as alone:
        sign_all(texts)
    with duckdb.connect(":memory:", config={"threads": 2}) as connection, measured() as finding:
        connection.execute(CREATE_TABLE)
        table = BandTable(connection, "d", ALGORITHM)
        pairs = TextFinder(partial(_through, table)).find(
            Signed(np.arange(count), values), NONE, texts.__getitem__
        )
    peer = texts[: min(count, 1_000)]
    with measured() as theirs:
        found = _datasketch_pairs([shingle_set(text) for text in peer])
    wall = signing["wall"] + finding["wall"]
    each = _each(count, alone) + _each(count, finding)
    print(
        f"\n{count:,} texts of 2 kB, {len(pairs):,} pairs; datasketch {len(peer):,}, {len(found)}"
    )
    print("\n| | documents/s (wall) | µs of a processor for each |")
    print("| --- | --- | --- |")
    print(f"| sign, two workers | {count / signing['wall']:,.0f} | |")
    print(f"| sign, one process | {_row(count, alone)} |")
    print(f"| probe, verify, thin | {_row(count, finding)} |")
    print(f"| all, two cores | {count / wall:,.0f} | {each:.0f} |")
    print(f"| datasketch, one process | {_row(len(peer), theirs)} |")
    ratio = _each(len(peer), theirs) / each
    print(f"\nprocessor time, datasketch to Ragstone: {ratio:.1f}")


def _through(table: BandTable, new: Signed, known: Signed) -> np.ndarray:
    from ragstone.ingestion.dedup.text import unpacked

    assert not len(known.keys)
    rows = (new.keys, *unpacked(new.values))
    candidates = table.candidates(*rows)
    table.add(*rows)
    return candidates


def _each(count: int, spent: dict[str, float]) -> float:
    return spent["cpu"] / count * 1e6


def _row(count: int, spent: dict[str, float]) -> str:
    return f"{count / spent['wall']:,.0f} | {_each(count, spent):.0f}"


def probing(stored: int, count: int = 10_000) -> None:
    """Print what it takes to probe many new signatures against very many stored ones."""
    generator = np.random.default_rng(0)
    bands = generator.integers(0, 2**64, (stored, BANDS), dtype=np.uint64)
    digests = generator.integers(0, 2**64, stored, dtype=np.uint64)
    new = generator.integers(0, 2**64, (count, BANDS), dtype=np.uint64)
    new[: count // 5, :8] = bands[generator.integers(0, stored, count // 5), :8]
    keys = np.arange(stored, stored + count)
    fresh = generator.integers(0, 2**64, count, dtype=np.uint64)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bands.duckdb"
        with duckdb.connect(str(path), config={"threads": 2, "memory_limit": "2GiB"}) as connection:
            connection.execute(CREATE_TABLE)
            table = BandTable(connection, "01JZZZZZZZZZZZZZZZZZZZZZZZ", ALGORITHM)
            with measured() as adding:
                for start in range(0, stored, 10_000):
                    rows = slice(start, start + 10_000)
                    table.add(np.arange(stored)[rows], digests[rows], bands[rows])
            connection.execute("CHECKPOINT")
            tries = [_timed(lambda: table.candidates(keys, fresh, new)) for _ in range(5)]
            living = np.arange(stored)
            among = [_timed(lambda: table.candidates(keys, fresh, new, living)) for _ in range(5)]
        size = path.stat().st_size
    print(f"\n{count:,} new against {stored:,} stored: seconds, best of 5 (wall / both processors)")
    print("\n| | wall | processors |")
    print("| --- | --- | --- |")
    print(f"| probe | {_best(tries)} |")
    print(f"| probe, among living keys | {_best(among)} |")
    print(
        f"| add 10,000 | {adding['wall'] * 1e4 / stored:.3f} | {adding['cpu'] * 1e4 / stored:.3f} |"
    )
    print(f"\nsize on disk: {size / stored:.0f} bytes an item")


def _timed(call: Callable[[], object]) -> dict[str, float]:
    with measured() as spent:
        call()
    return spent


def _best(tries: list[dict[str, float]]) -> str:
    return " | ".join(f"{min(each[name] for each in tries):.2f}" for name in ("wall", "cpu"))


# ---------------------------------------------------------------- meaning


def paraphrases(folder: Path, limit: int) -> None:
    """Print the calibration of the default encoder on labelled pairs."""
    from ragstone.config import EncoderSettings
    from ragstone.encoders.text import open_text_encoder

    encoder = open_text_encoder(EncoderSettings())
    for name in ("mrpc_train", "pan_train"):
        with (folder / f"{name}.tsv").open(newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
        rows = GENERATOR.sample(rows, limit)  # some are sorted by label
        one = encoder.encode_queries([row[1] for row in rows]).astype(np.float32)
        other = encoder.encode_queries([row[2] for row in rows]).astype(np.float32)
        cosines = (one * other).sum(axis=1).astype(np.float64)
        _print_calibration(name, calibrate(cosines, np.array([row[0] == "1" for row in rows])))


def _print_calibration(name: str, made: Calibration) -> None:
    print(f"\n{name}: {made.pairs} pairs, {made.duplicates} of them duplicates")
    print("\n| distance up to | called | precision | recall |")
    print("| --- | --- | --- | --- |")
    for row in made.thresholds:
        mark = " (proposed)" if row == made.proposed else ""
        print(
            f"| {row.distance:.3f}{mark} | {row.called} | {row.precision:.3f} | {row.recall:.3f} |"
        )


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--stored", type=int, default=1_000_000)
    parser.add_argument("--semantic", action="store_true", help="only the labelled paraphrases")
    parser.add_argument("--pairs", type=int, default=600, help="labelled paraphrases of each set")
    options = parser.parse_args()
    data = os.environ.get("RAGSTONE_DATA")
    if options.semantic:
        paraphrases(Path(os.environ["RAGSTONE_DATA"]) / "paraphrase_pairs", options.pairs)
        return
    quality()
    if data:
        articles(Path(data) / "neardup_articles_minhash")
    speed(options.documents)
    probing(options.stored)


if __name__ == "__main__":
    main()
