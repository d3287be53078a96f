"""How soon an answer begins: a warm server, questions one after the other and eight at a time.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/asking.py [--encoder NAME] [--questions N]

The passages of SQuADShifts, SQuAD 2, MuSiQue, Cranfield and SciFact are ingested (more than 10,000
chunks) and served. Then questions of SQuADShifts are asked through `ragstone.connect` with the
default generator. Beside the time to the first sentence stands what its parts take in this process
on the same passages: the search, and the reader on what it found. Asked by eight at a time, each
answer must be the one that was given alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

import ragstone
from ragstone.client import Client, connect
from ragstone.generation.evidence import reader_for, weigh
from ragstone.generation.prompts import pack
from ragstone.schemas.answers import AnswerDone
from ragstone.workspace import Workspace

COLLECTIONS = (
    "squadshifts_new_wiki", "squad2_cs224n_dev", "musique_100", "cranfield", "scifact",
)  # fmt: skip
ASKED = "squadshifts_new_wiki"
WARM_UP = 10
CLIENTS = 8
SERVE = [sys.executable, "-m", "ragstone.cli", "serve", "--port", "0", "--workspace"]


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, and how long it took."""

    text: str
    first: float  # seconds to the first sentence
    whole: float


@contextmanager
def served(workspace: Path) -> Iterator[Client]:
    """Serve a workspace, and yield a client of it."""
    process = subprocess.Popen([*SERVE, str(workspace)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        with connect(workspace) as client:
            yield client
    finally:
        process.terminate()
        process.communicate(timeout=60)


def ask(client: Client, question: str) -> Told:
    """Ask, and look at the clock when the first sentence comes and when all is there."""
    begin = perf_counter()
    first = 0.0
    for event in client.ask_stream(question, "d"):
        first = first or perf_counter() - begin
        if isinstance(event, AnswerDone):
            return Told(event.answer.answer, first, perf_counter() - begin)
    message = "an answer broke off"
    raise RuntimeError(message)


def parts(workspace: Workspace, questions: Sequence[str]) -> list[tuple[float, float]]:
    """Return the seconds of search and of reading for each question, in this process."""
    settings = workspace.settings.generation
    reader = reader_for(settings)
    found = []
    for question in questions:
        begin = perf_counter()
        hits = workspace.search(question, "d", k=settings.passages).hits
        searched = perf_counter()
        # The encoder is asked only where there is no reader.
        weigh(question, tuple(pack(hits, settings.passages)), None, reader)  # type: ignore[arg-type]
        found.append((searched - begin, perf_counter() - searched))
    return found[WARM_UP:]


def milliseconds(values: Sequence[float]) -> str:
    """Return median and 95th percentile."""
    return f"{1_000 * np.median(values):.0f} | {1_000 * np.percentile(values, 95):.0f}"


def fill(workspace: Workspace, data: Path) -> int:
    """Ingest all collections into one dataset; return its chunks."""
    for name in COLLECTIONS:
        workspace.ingest(data / name / "corpus.jsonl", "d", text="title,text")
    return workspace.datasets()[0].chunks


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", default="all-MiniLM-L6-v2")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--workspace", type=Path, help="keep the ingested passages here")
    chosen = parser.parse_args()
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    rows = (data / ASKED / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    every = [text for row in rows if (text := json.loads(row)["text"]).endswith("?")]
    questions = random.Random(0).sample(every, WARM_UP + chosen.questions)  # noqa: S311
    with tempfile.TemporaryDirectory() as temporary:
        place = chosen.workspace or Path(temporary) / "workspace"
        fresh = not place.exists()
        os.environ["RAGSTONE_ENCODER__NAME"] = chosen.encoder  # of the server, too
        with ragstone.open(place, create=True) as workspace:
            chunks = fill(workspace, data) if fresh else workspace.datasets()[0].chunks
            bare = parts(workspace, questions)
        with served(place) as client:
            alone = [ask(client, question) for question in questions][WARM_UP:]
            begin = perf_counter()
            with ThreadPoolExecutor(CLIENTS) as pool:
                together = list(pool.map(lambda q: ask(client, q), questions[WARM_UP:]))
            seconds = perf_counter() - begin
    same = sum(one.text == other.text for one, other in zip(alone, together, strict=True))
    begins = [told.first for told in alone]
    print(
        f"{chunks:,} chunks, {len(alone)} questions\n\n| | p50 ms | p95 ms |\n| --- | --- | --- |"
    )
    print(f"| first sentence, warm server | {milliseconds(begins)} |")
    print(f"| whole answer | {milliseconds([told.whole for told in alone])} |")
    print(f"| search alone, in this process | {milliseconds([one for one, _ in bare])} |")
    print(f"| reader alone, in this process | {milliseconds([other for _, other in bare])} |")
    ratio = np.median(begins) / np.median([sum(one) for one in bare])
    print(f"\nfirst sentence beside search and reader: {ratio:.2f}")
    speed = sum(told.whole for told in alone) / seconds
    print(
        f"{CLIENTS} at a time: {speed:.2f} times as many answers, {same} of {len(alone)} the same"
    )


if __name__ == "__main__":
    main()
