"""Pages of a large dataset: items, filters, facets and histograms, as the pages ask for them.

Run: python benchmarks/pages.py [--items 100000] [--workspace DIR]

A dataset of short texts, with a few fields each, is made with the static encoder (a few minutes for
100,000), or taken from `--workspace` when it is there already. Then everything that the explore
page asks for is asked through a real server, nine times each, beside `GET /v1/health`, which does
nothing. The time of all processors beside the clock says what it would take on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median

import ragstone
from ragstone.client import Client, connect
from ragstone.config import EncoderSettings
from ragstone.encoders.text import open_text_encoder
from ragstone.server.run import running

DATASET = "many"
RUNS = 9
PAGE = 24
WORDS = [a + b + c for a in "b d f g k l m n".split() for b in "aeiou" for c in ("r", "st", "l")]
KINDS = ("granite", "basalt", "chalk", "slate", "marble")
GOAL = 0.3  # seconds


def rows(count: int, file: Path) -> None:
    """Write so many short texts with their fields."""
    random = Random(0)  # noqa: S311
    first = datetime(2020, 1, 1, tzinfo=UTC)
    with file.open("w", encoding="utf-8") as out:
        for number in range(count):
            row = {
                "id": f"row-{number}",
                "text": " ".join(random.choices(WORDS, k=20)),
                "kind": random.choice(KINDS),
                "year": random.randint(1950, 2025),
                "created": (first + timedelta(minutes=random.randrange(3_000_000))).isoformat(),
                "weight": random.gauss(10, 3),
            }
            out.write(json.dumps(row) + "\n")


def made(workspace: Path, count: int) -> None:
    """Make the dataset, unless it is there."""
    encoder = open_text_encoder(EncoderSettings(name="all-MiniLM-L6-v2-static"))
    with ragstone.open(workspace, create=True, encoder=encoder) as opened:
        if any(info.name == DATASET and info.items == count for info in opened.datasets()):
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rows.jsonl"
            rows(count, file)
            opened.ingest([file], DATASET, text="text", id="id")


def asked(client: Client, count: int) -> dict[str, Callable[[], object]]:
    """Return what is asked for, by name."""
    some = [item.item_id for item in client.items(DATASET, limit=PAGE)]
    named = [f"item_id in ({', '.join(some)})"]
    filters = ["year>=2000", "kind=basalt"]
    return {
        "health": client.server_version,
        "first page": lambda: client.items(DATASET, limit=PAGE, snippet=200, synthetic=False),
        "last page": lambda: client.items(DATASET, offset=count - PAGE, limit=PAGE, snippet=200),
        "page of two filters": lambda: client.items(DATASET, where=filters, limit=PAGE),
        "page by a field": lambda: client.items(DATASET, order="-weight", limit=PAGE),
        "page by name": lambda: client.items(DATASET, order="name", limit=PAGE),
        "page of named items": lambda: client.items(DATASET, where=named, limit=PAGE, snippet=200),
        "count of two filters": lambda: client.count_items(DATASET, where=filters),
        "facets of one field": lambda: client.facets(DATASET, ["kind"]),
        "fields": lambda: client.fields(DATASET),
        "histogram of numbers": lambda: client.histogram(DATASET, "weight"),
        "histogram of times": lambda: client.histogram(DATASET, "created"),
        "histogram of two filters": lambda: client.histogram(DATASET, "year", where=filters),
        "map, which was made": lambda: client.projection(DATASET, label="kind"),
    }


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--workspace", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.workspace or Path(folder) / "workspace"
        made(path, options.items)
        with (
            ragstone.open(path) as opened,
            running(opened) as address,
            connect(address.url, address.token) as client,
        ):
            print(f"{'':26} {'median':>8} {'slowest':>8} {'processors':>11}   ms")
            for name, ask in asked(client, options.items).items():
                ask()
                used = time.process_time()
                times = sorted(_seconds(ask) for _ in range(RUNS))
                used = (time.process_time() - used) / RUNS
                late = "" if median(times) <= GOAL else "   over the goal"
                figures = f"{median(times) * 1e3:8.0f} {times[-1] * 1e3:8.0f} {used * 1e3:11.0f}"
                print(f"{name:26} {figures}{late}")


def _seconds(ask: Callable[[], object]) -> float:
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
