"""Stored answers made again after many later changes: all of them, byte for byte.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/replay.py [--answers 1000] [--changes 500]

A third of SQuADShifts' passages, one file each, is ingested, and its questions are asked with
default settings. Then the dataset changes, one version per change: a passage comes, is rewritten,
or goes. Every answer is replayed, the doctor looks at all of them, and then a few records are
tampered with: each has to be found, by the doctor and by its replay, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter

import numpy as np

import ragstone
from ragstone.schemas.answers import Answer
from ragstone.workspace import Workspace

SET, DATASET = "squadshifts_new_wiki", "d"
STEP = 3  # every third passage is there at first, the others come later
TAMPERED = 5


class Changing:
    """A folder of passages that changes, and the dataset made from it."""

    def __init__(self, workspace: Workspace, folder: Path, passages: list[str]) -> None:
        self._workspace, self._folder = workspace, folder
        self._later = [text for number, text in enumerate(passages) if number % STEP]
        self._draw = np.random.default_rng(0)
        for number, text in enumerate(passages[::STEP]):
            (folder / f"{number:04}.txt").write_text(text, encoding="utf-8")
        workspace.ingest(folder, DATASET)

    def change(self) -> str:
        """Make the next version, and say how."""
        kind = str(self._draw.choice(["come", "rewritten", "go"]))
        there = sorted(self._folder.iterdir())
        if kind == "go":
            items = self._workspace.items(DATASET, limit=len(there))
            gone = items[self._draw.integers(len(items))]
            self._workspace.delete(DATASET, [gone.item_id])
            return kind
        new = self._later.pop(self._draw.integers(len(self._later)))
        path = there[self._draw.integers(len(there))]
        if kind == "come":
            path = self._folder / f"{len(self._later):04}-new.txt"
        path.write_text(new, encoding="utf-8")
        self._workspace.ingest(path, DATASET)
        return kind


def replayed(workspace: Workspace, asked: list[Answer]) -> list[float]:
    """Replay all answers, and return the seconds of each.

    Ends the program when one is not as it was.
    """
    seconds = []
    for answer in asked:
        begin = perf_counter()
        replay = workspace.replay(answer.answer_id)
        seconds.append(perf_counter() - begin)
        if not replay.same or replay.missing:
            sys.exit(f"{answer.answer_id} differs: {replay.differences} {replay.missing}")
    return seconds


def tampered(workspace: Workspace, asked: list[Answer]) -> tuple[int, int]:
    """Change the first records, and return how many of these doctor and replay find."""
    chosen = [answer.answer_id for answer in asked[:TAMPERED]]
    workspace._store.catalog.write(
        'UPDATE answers SET record = json_merge_patch(record, \'{"answer": {"seconds": -1}}\') '
        "WHERE list_contains(?, answer_id)",
        [chosen],
    )
    places = {finding.where for finding in workspace.doctor().findings}
    if places - {f"answer {answer}" for answer in chosen}:
        sys.exit(f"what was not tampered with is found, too: {places}")
    kinds = [workspace.replay(answer).differences for answer in chosen]
    return len(places), sum(any(d.kind == "tampered" for d in found) for found in kinds)


def lines(name: str) -> list[str]:
    """Return the texts of a file of the question set."""
    path = Path(os.environ["RAGSTONE_DATA"]) / SET / name
    with path.open(encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def measure(workspace: Workspace, folder: Path, answers: int, changes: int) -> None:
    """Ask, change, replay and tamper, and print a line of each."""
    changing = Changing(workspace, folder, lines("corpus.jsonl"))
    begin = perf_counter()
    questions = np.random.default_rng(1).permutation(lines("queries.jsonl"))[:answers]
    asked = [workspace.ask(str(question), DATASET) for question in questions]
    found = sum(answer.found for answer in asked)
    print(f"{answers} answers, {found} found, in {perf_counter() - begin:.0f} s", flush=True)
    begin = perf_counter()
    kinds = Counter(changing.change() for _ in range(changes))
    print(f"{changes} changes {dict(kinds)} in {perf_counter() - begin:.0f} s", flush=True)
    times = replayed(workspace, asked)
    middle, late = np.percentile(times, [50, 95]) * 1000
    print(f"{answers} of {answers} the same; p50 {middle:.0f} ms, p95 {late:.0f} ms", flush=True)
    report = workspace.doctor()
    if report.findings:
        sys.exit(f"the doctor finds {report.findings}")
    checks = {name: report.checks[name] for name in ("answers", "seals", "quotes")}
    print(f"doctor: nothing wrong with {checks}", flush=True)
    by_doctor, by_replay = tampered(workspace, asked)
    print(f"of {TAMPERED} tampered with: doctor found {by_doctor}, replay {by_replay}")


def main() -> None:
    """Run with the number of answers and changes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "passages"
        folder.mkdir()
        with ragstone.open(
            Path(root) / "workspace", create=True, ingestion={"workers": 0}
        ) as workspace:
            measure(workspace, folder, options.answers, options.changes)


if __name__ == "__main__":
    main()
