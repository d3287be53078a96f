"""Searching a server that is busy: 8 clients search, 1 ingests, the pages are used.

python benchmarks/serving.py            # two minutes of load
python benchmarks/serving.py --quick    # fifteen seconds

First one client alone searches, in all modes in turn: the idle figures. Then as many as `--clients`
do so at a time, each a process of its own that waits `--pause` seconds between two searches, while
another client takes in changed files without a pause and a browser (Chromium when it is
installed, else an HTTP client) goes through the pages. Every tenth request is `GET /v1/health`,
which does nothing: it shows what the machine and the waiting for a turn cost.

`--hashing` takes vectors made by hashing instead of those of the encoder; `--json` prints figures
alone. Whatever fails, at any client, ends the measurement with an error.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np

import ragstone
from ragstone.client import Client, connect

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = Path("/usr/bin/chromium")
MODES = ("keyword", "vector", "hybrid")
HEALTH = "health"
DATASET = "stones"
SERVE = [sys.executable, "-m", "ragstone.cli", "serve", "--port", "0", "--workspace"]
LAUNCH = "import sys; from ragstone.ui import launch; launch(sys.argv[1], 0, open_browser=False)"
INGESTED = 5  # files of each ingestion under load
WORDS = [a + b + c for a in "b d f g k l m n".split() for b in "aeiou" for c in ("r", "st", "l")]

Times = dict[str, list[float]]  # kind of request -> seconds


@dataclass(frozen=True, slots=True)
class Load:
    """How much, and for how long."""

    seconds: float
    documents: int
    clients: int
    pause: float
    hashing: bool


@dataclass(slots=True)
class Figures:
    """What came out."""

    idle: Times = field(default_factory=dict)
    busy: Times = field(default_factory=dict)
    ingestions: list[float] = field(default_factory=list)  # seconds of each
    pages: int = 0
    versions: int = 0


def text(random: Random, sentences: int = 6) -> str:
    """Return a passage."""
    lines = (" ".join(random.choices(WORDS, k=10)).capitalize() for _ in range(sentences))
    return ". ".join(lines) + "."


# ---------------------------------------------------------------- clients, each in a process


def search(client: Client, seed: int, pause: float) -> Times:
    """Search until the end and return how long each request took."""
    random, times = Random(seed), defaultdict(list)  # noqa: S311
    for number in count_until_the_end():
        mode = MODES[(seed + number) % len(MODES)]
        began = time.perf_counter()
        if number % 10 == 9:
            mode = HEALTH
            client.server_version()
        else:
            hits = client.search(" ".join(random.choices(WORDS, k=4)), DATASET, mode=mode).hits
            if not hits:
                message = "a search found nothing"
                raise RuntimeError(message)
        times[mode].append(time.perf_counter() - began)
        time.sleep(pause)
    return times


def ingest(client: Client, folder: Path) -> list[float]:
    """Change a few files and take them in, again and again; return the seconds of each."""
    random, times = Random(0), []  # noqa: S311
    folder.mkdir()
    for _ in count_until_the_end():
        for number in random.sample(range(4 * INGESTED), INGESTED):
            (folder / f"{number}.txt").write_text(text(random), encoding="utf-8")
        began = time.perf_counter()
        result = client.ingest(folder, DATASET)
        times.append(time.perf_counter() - began)
        if result.items.quarantined or not result.items.added + result.items.updated:
            message = f"an ingestion went wrong: {result}"
            raise RuntimeError(message)
    return times


def browse(url: str) -> int:
    """Go through the pages until the end; return how many were shown."""
    if CHROMIUM.exists():
        with contextlib.suppress(ImportError):
            return _browse(url)
    shown = 0
    with httpx.Client(base_url=url, trust_env=False) as http:
        for _ in count_until_the_end():
            http.get("/").raise_for_status()
            shown += 1
            time.sleep(0.5)
    return shown


def _browse(url: str) -> int:
    from playwright.sync_api import expect, sync_playwright

    random, shown = Random(1), 0  # noqa: S311
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        page = browser.new_page()
        expect.set_options(timeout=60_000)
        for _ in count_until_the_end():
            page.goto(url)
            expect(page.get_by_role("heading", name="Datasets")).to_be_visible()
            query = quote(" ".join(random.choices(WORDS, k=3)))
            page.goto(f"{url}/search?dataset={DATASET}&q={query}")
            expect(page.get_by_role("button", name="Open in document").first).to_be_visible()
            if page.get_by_test_id("stAlert").count():
                raise RuntimeError(page.get_by_test_id("stAlert").first.inner_text())
            shown += 2
        browser.close()
    return shown


def count_until_the_end() -> Iterator[int]:
    """Say that this client is ready; then count from 0 until the time that it is told, or to 1."""
    print("ready", flush=True)
    end = float(sys.stdin.readline())
    yield 0
    number = 0
    while time.time() < end:
        number += 1
        yield number


def be_client(role: str, where: str, seed: int, pause: float) -> None:
    """Be one of the clients and print what it measured."""
    if role == "browse":
        print(json.dumps(browse(where)))
        return
    with connect(where) as client:
        if role == "ingest":
            print(json.dumps(ingest(client, Path(where).with_name("changing"))))
        else:
            print(json.dumps(search(client, seed, pause)))


# ---------------------------------------------------------------- the measurement


class Worker:
    """One client: runs this file in a process of its own, which waits for `work`."""

    def __init__(self, role: str, where: object, **more: float) -> None:
        given = [item for name, value in more.items() for item in (f"--{name}", str(value))]
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--role", role, "--where", str(where), *given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def outcome(self) -> Any:
        """Wait for the end and return what was printed."""
        out, errors = self.process.communicate()
        if self.process.returncode:
            message = f"a client failed:\n{errors}"
            raise SystemExit(message)
        return json.loads(out)


def work(workers: Sequence[Worker], seconds: float) -> list[Any]:
    """Let clients work at a time, once all are ready; return what each printed."""
    for worker in workers:
        assert worker.process.stdout is not None
        if worker.process.stdout.readline() != "ready\n":
            worker.outcome()
    end = time.time() + seconds
    for worker in workers:
        assert worker.process.stdin is not None
        worker.process.stdin.write(f"{end}\n")
        worker.process.stdin.flush()
    return [worker.outcome() for worker in workers]


@contextmanager
def started(command: list[str], environment: dict[str, str]) -> Iterator[str]:
    """Run a process that prints one line ending in its URL; it must say nothing else."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip().split()[-1]
        finally:
            process.terminate()
            process.communicate(timeout=60)
            errors.seek(0)
            if said := errors.read():
                message = f"{command} wrote to standard error:\n{said}"
                raise SystemExit(message)


def measure(load: Load, folder: Path) -> Figures:
    """Build a workspace, serve it, and measure."""
    workspace, figures, environment = folder / "workspace", Figures(), dict(os.environ)
    if load.hashing:
        environment |= {"PYTHONPATH": str(ROOT / "tests/hashing"), "HASHING_GATE": "/nonexistent"}
    ragstone.open(workspace, create=True).close()
    with ExitStack() as stack:
        stack.enter_context(started([*SERVE, str(workspace)], environment))
        fill(workspace, folder / "sources", load.documents)
        pages = stack.enter_context(
            started([sys.executable, "-c", LAUNCH, str(workspace)], environment)
        )
        alone = Worker("search", workspace, pause=load.pause)
        (figures.idle,) = work([alone], load.seconds / 4)
        put_under_load(load, workspace, pages, figures)
        with connect(workspace) as client:
            figures.versions = client.log(DATASET)[0].version
    return figures


def put_under_load(load: Load, workspace: Path, pages: str, figures: Figures) -> None:
    """Let all clients work at a time."""
    workers = [Worker("browse", pages), Worker("ingest", workspace)]
    for number in range(load.clients):
        workers.append(Worker("search", workspace, pause=load.pause, seed=100 * number))
    figures.pages, figures.ingestions, *searched = work(workers, load.seconds)
    for times in searched:
        for mode, values in times.items():
            figures.busy.setdefault(mode, []).extend(values)


def fill(workspace: Path, sources: Path, documents: int) -> None:
    """Make and ingest the documents."""
    sources.mkdir()
    random = Random(0)  # noqa: S311
    for number in range(documents):
        (sources / f"{number:05}.txt").write_text(text(random), encoding="utf-8")
    with connect(workspace) as client:
        client.ingest(sources, DATASET)
        for mode in MODES:  # the first ones load the encoder and open the indexes
            client.search("granite", DATASET, mode=mode)


def report(load: Load, figures: Figures) -> None:
    """Print the tables."""
    print("| request | idle p50 ms | idle p95 ms | busy p50 ms | busy p95 ms | p95 ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    rows = {mode: (figures.idle[mode], figures.busy[mode]) for mode in (*MODES, HEALTH)}
    rows["all searches"] = (together(figures.idle), together(figures.busy))
    for name, (idle, busy) in rows.items():
        shown = [1_000 * np.percentile(times, q) for times in (idle, busy) for q in (50, 95)]
        figures_of_row = " | ".join(f"{value:.1f}" for value in shown)
        print(f"| {name} | {figures_of_row} | {shown[3] / shown[1]:.1f} |")
    searches, ingestions = len(together(figures.busy)), figures.ingestions
    print(
        f"\n{searches:,} searches ({searches / load.seconds:.0f}/s), {len(ingestions)} ingestions "
        f"of {INGESTED} files (median {np.median(ingestions):.2f} s) and {figures.pages} pages in "
        f"{load.seconds:.0f} s beside each other; none failed. {load.documents:,} documents, "
        f"{load.clients} clients, pause {load.pause} s."
    )


def together(times: Times) -> list[float]:
    """Return the times of all searches."""
    return [value for mode in MODES for value in times[mode]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="15 s on few documents")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--documents", type=int)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--pause", type=float, default=0.1)
    parser.add_argument("--hashing", action="store_true", help="no encoder: vectors by hashing")
    parser.add_argument("--json", action="store_true", help="print the figures alone")
    parser.add_argument("--role", choices=["search", "ingest", "browse"], help=argparse.SUPPRESS)
    parser.add_argument("--where", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        be_client(options.role, options.where, options.seed, options.pause)
        return
    load = Load(
        options.seconds or (15 if options.quick else 120),
        options.documents or (200 if options.quick else 2_000),
        options.clients,
        options.pause,
        options.hashing,
    )
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(load, Path(folder))
    if options.json:
        print(json.dumps(asdict(figures)))
    else:
        report(load, figures)


if __name__ == "__main__":
    main()
