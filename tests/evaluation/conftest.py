"""A dataset with judged queries, and with a fusion that answers them badly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import ragstone
from ragstone.encoders.base import TextEncoder
from ragstone.workspace import Workspace

SUBJECTS = ["granite", "bread", "violins", "sailing", "taxes", "bees", "tulips", "engines"]
OTHERWISE = [
    "hard rock of mountains",
    "a loaf from the bakery",
    "fiddles and other string instruments",
    "boats on the sea",
    "money owed to the treasury",
    "insects that make honey",
    "flowers in spring",
    "motors of cars",
]
CODES = [f"{7919 * n % 9973:04d}" for n in range(1, 41)]
TEXTS = [f"All about {SUBJECTS[n % 8]}, {code}." for n, code in enumerate(CODES)]


@dataclass(frozen=True)
class Parts:
    """Texts whose subjects are asked for in other words, beside the number of a wrong one.

    Its settings let the words decide alone.
    """

    workspace: Workspace
    queries: Path
    qrels: Path

    @property
    def files(self) -> tuple[Path, Path]:
        return self.queries, self.qrels


def query(number: int) -> str:
    return f"{OTHERWISE[number % 8]}, {CODES[(number + 3) % 40]}"


def _judgements() -> Iterator[str]:
    for number in range(20):
        yield from (f"q{number}\tpart-{n}\t1" for n in range(40) if n % 8 == number % 8)


@pytest.fixture
def parts(tmp_path: Path, encoder: TextEncoder) -> Iterator[Parts]:
    rows = [{"id": f"part-{n}", "text": text} for n, text in enumerate(TEXTS)]
    (tmp_path / "parts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    queries, qrels = tmp_path / "queries.jsonl", tmp_path / "qrels.tsv"
    asked = [{"_id": f"q{n}", "text": query(n)} for n in range(20)]
    queries.write_text("\n".join(map(json.dumps, asked)))
    lines = ["query-id\tcorpus-id\tscore", *_judgements()]
    qrels.write_text("\n".join(lines) + "\n")
    options = {"ingestion": {"workers": 0}, "retrieval": {"vector_weight": 0.0}}
    with ragstone.open(tmp_path / "ws", create=True, encoder=encoder, **options) as opened:
        opened.ingest([tmp_path / "parts.jsonl"], "parts", text=["text"], id="id")
        yield Parts(opened, queries, qrels)
