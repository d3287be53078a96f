"""Chunks as evidence: token recall, precision and IoU of what is found, beside plain splitters.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/chunking.py [--sizes 256 200 128]
     [--environment FOLDER] [--by-corpus]

The data and the measures are those of B. Smith and A. Troynikov, "Evaluating Chunking Strategies
for Retrieval", Chroma 2024: 472 questions whose answers are spans of five texts. Of the first 5
chunks that a question finds: recall is the part of the answer's characters that is in them;
precision, the part of their characters that is of the answer; IoU, those characters over all of
either. Chunks that overlap count as often as they come. Precision-omega is what perfect retrieval
would reach: every chunk that touches the answer, and no other. With `min`, as many chunks are
looked at as touch the answer, at most 20.

Ragstone ingests the texts as files with default settings, apart from `chunking.max_tokens`, and
searches with `Workspace.search`. The plain splitters (langchain-text-splitters, and windows of
tokens) run in an environment that this makes; their chunks are embedded with the same encoder and
found by exact cosine. All count tokens of that encoder, all-MiniLM-L6-v2.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _environment import Environment

import ragstone
from ragstone.config import EncoderSettings
from ragstone.encoders.base import TextEncoder, Vectors
from ragstone.encoders.text import open_text_encoder
from ragstone.retrieval.search import MODES
from ragstone.workspace import Workspace

RETRIEVED, MOST = 5, 20
DATASET = "corpora"
PEERS = ["langchain-text-splitters==1.1.3", "tokenizers==0.23.3"]

# From the publication, all-MiniLM-L6-v2, five chunks; sizes in cl100k tokens.
PUBLISHED = (
    ("published: recursive 250/125", 0.787, 0.049, 0.049, 0.219),
    ("published: token windows 250/125", 0.824, 0.036, 0.035, 0.114),
    ("published: recursive 250/0", 0.785, 0.054, 0.054, 0.267),
    ("published: token windows 250/0", 0.771, 0.033, 0.033, 0.164),
    ("published: recursive 200/0", 0.757, 0.065, 0.065, 0.312),
    ("published: token windows 200/0", 0.766, 0.041, 0.041, 0.191),
    ("published: cluster 250/0", 0.773, 0.061, 0.060, 0.286),
    ("published: cluster 200/0", 0.752, 0.072, 0.072, 0.336),
)


class Span(NamedTuple):
    """Characters of one of the texts."""

    corpus: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the spans that answer it."""

    text: str
    corpus: str
    answers: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Score:
    """Measures of one question."""

    recall: float
    precision: float
    iou: float


Find = Callable[[int, str], Sequence[Span]]  # the best MOST chunks, best first


class Prepared:
    """The encoder, with the questions encoded beforehand: all rows ask the same ones."""

    def __init__(self, encoder: TextEncoder, questions: Sequence[Question]) -> None:
        self.encoder, self.identity = encoder, encoder.identity
        self.tokenizer_file = encoder.tokenizer_file
        self.encode_documents = encoder.encode_documents
        texts = [question.text for question in questions]
        self.known = dict(zip(texts, encoder.encode_queries(texts), strict=True))

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of `texts`."""
        if all(text in self.known for text in texts):
            return np.stack([self.known[text] for text in texts])
        return self.encoder.encode_queries(texts)


def overlap(one: tuple[int, int], other: tuple[int, int]) -> int:
    """Return how many characters two spans share; negative when they do not touch."""
    return min(one[1], other[1]) - max(one[0], other[0])


def covered(span: tuple[int, int], pieces: Sequence[tuple[int, int]]) -> int:
    """Return how many characters of `span` are in one of `pieces`."""
    total, position = 0, span[0]
    for start, end in sorted(pieces):
        first, last = max(start, position), min(end, span[1])
        if first < last:
            total += last - first
            position = last
    return total


def length(spans: Sequence[tuple[int, int]]) -> int:
    """Return the summed length, what is in two of them counted twice."""
    return sum(end - start for start, end in spans)


def union_length(spans: Sequence[tuple[int, int]]) -> int:
    """Return how many characters are in one of `spans`."""
    return covered((0, max((end for _, end in spans), default=0)), spans)


def touching(question: Question, chunks: Sequence[Span]) -> list[tuple[int, int]]:
    """Return the chunks that touch the answer."""
    return [
        chunk[1:]
        for chunk in chunks
        if chunk.corpus == question.corpus
        and any(overlap(chunk[1:], answer) >= 0 for answer in question.answers)
    ]


def hit_length(question: Question, own: Sequence[tuple[int, int]]) -> int:
    """Return how many characters of the answer are in one of `own`."""
    pieces = [
        (max(start, first), min(end, last))
        for start, end in own
        for first, last in question.answers
        if overlap((start, end), (first, last)) > 0
    ]
    return union_length(pieces)


def scored(question: Question, found: Sequence[Span]) -> Score:
    """Return the measures of the chunks `found`."""
    own = [span[1:] for span in found if span.corpus == question.corpus]
    hit = hit_length(question, own)
    retrieved = length([span[1:] for span in found])
    missed = sum(end - start - covered((start, end), own) for start, end in question.answers)
    whole = length(question.answers)
    return Score(
        hit / whole,
        hit / retrieved if retrieved else 0.0,
        hit / (retrieved + missed) if retrieved + missed else 0.0,
    )


def omega(question: Question, chunks: Sequence[Span]) -> float:
    """Return the precision of perfect retrieval from all `chunks`."""
    own = touching(question, chunks)
    everything = union_length([*own, *question.answers])
    return hit_length(question, own) / everything if own else 0.0


def read_questions(path: Path) -> list[Question]:
    """Read the publication's table of questions."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Question(
                row["question"],
                row["corpus_id"],
                tuple((r["start_index"], r["end_index"]) for r in json.loads(row["references"])),
            )
            for row in csv.DictReader(file)
        ]


def all_chunks(workspace: Workspace) -> list[Span]:
    """Return where every chunk of the dataset is."""
    rows = workspace._store.catalog.rows(
        'SELECT s.name, c."start", c."end" FROM chunks c JOIN sources s USING (item_key)', []
    )
    return [Span(Path(name).stem, start, end) for name, start, end in rows]


def print_row(
    label: str, questions: Sequence[Question], chunks: Sequence[Span], find: Find, *, split: bool
) -> None:
    """Measure one way to cut and find, and print its row."""
    spans, least = [], []
    corpora = defaultdict(list)
    for number, question in enumerate(questions):
        found = find(number, question.text)
        spans.append(scored(question, found[:RETRIEVED]))
        corpora[question.corpus].append(spans[-1])
        least.append(scored(question, found[: min(len(touching(question, chunks)), MOST)]))
    ideal = float(np.mean([omega(question, chunks) for question in questions]))
    size = float(np.mean([end - start for _, start, end in chunks]))
    five, few = means(spans), means(least)
    print(
        f"| {label} | {len(chunks):,} | {size:.0f} | {five.recall:.3f} | {five.precision:.3f} "
        f"| {five.iou:.3f} | {ideal:.3f} | {few.recall:.3f} | {few.iou:.3f} |",
        flush=True,
    )
    for name, own in corpora.items() if split else ():
        part = means(own)
        print(f"|   {name} | | | {part.recall:.3f} | {part.precision:.3f} | {part.iou:.3f} |")


def means(scores: Sequence[Score]) -> Score:
    """Return the mean of each measure."""
    table = np.array([(s.recall, s.precision, s.iou) for s in scores])
    return Score(*(float(mean) for mean in table.mean(axis=0)))


def measure_ours(
    folder: Path,
    tokens: int,
    corpora: Sequence[Path],
    questions: Sequence[Question],
    encoder: TextEncoder,
    *,
    split: bool,
) -> None:
    """Ingest with chunks of at most `tokens`, search in all modes, print a row each."""
    settings = {"chunking": {"max_tokens": tokens}}
    with ragstone.open(folder, create=True, encoder=encoder, **settings) as workspace:
        workspace.ingest(corpora, DATASET)
        chunks = all_chunks(workspace)
        for mode in MODES:

            def find(_: int, text: str, mode: str = mode) -> list[Span]:
                hits = workspace.search(text, DATASET, k=MOST, mode=mode).hits
                return [Span(Path(h.name).stem, h.start, h.end) for h in hits]

            print_row(f"ragstone {tokens}, {mode}", questions, chunks, find, split=split)


def measure_plain(
    spans: dict[str, dict[str, list[list[int]]]],
    corpora: Sequence[Path],
    questions: Sequence[Question],
    encoder: TextEncoder,
    *,
    split: bool,
) -> None:
    """Embed the chunks of the plain splitters, find them by cosine, print a row each."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in corpora}
    asked = encoder.encode_queries([question.text for question in questions])
    for label, by_corpus in spans.items():
        chunks = [Span(name, *span) for name, own in by_corpus.items() for span in own]
        vectors = encoder.encode_documents([texts[c][start:end] for c, start, end in chunks])
        best = np.argsort(-(asked @ vectors.T), axis=1, kind="stable")[:, :MOST]
        found = [[chunks[i] for i in row] for row in best]
        print_row(label, questions, chunks, lambda n, _, f=found: f[n], split=split)


def main() -> None:
    """Print all rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 200, 128])
    parser.add_argument("--environment", type=Path, help="keep the peers' environment here")
    parser.add_argument("--by-corpus", action="store_true")
    options = parser.parse_args()
    data = Path(os.environ["RAGSTONE_DATA"]) / "chunking_evaluation"
    corpora = sorted((data / "corpora").glob("*.md"))
    questions = read_questions(data / "questions_df.csv")
    encoder = Prepared(open_text_encoder(EncoderSettings()), questions)
    print(f"| chunks | number | mean characters | recall@{RETRIEVED} | precision | IoU ", end="")
    print("| precision-omega | recall, min | IoU, min |")
    print("| --- " * 9 + "|")
    with tempfile.TemporaryDirectory() as temporary:
        for tokens in options.sizes:
            folder = Path(temporary) / str(tokens)
            measure_ours(folder, tokens, corpora, questions, encoder, split=options.by_corpus)
        environment = Environment(options.environment or Path(temporary) / "venv", PEERS)
        arguments = [str(encoder.tokenizer_file), *map(str, corpora)]
        spans = environment.run(Path(__file__).with_name("_splitters.py"), *arguments)
        measure_plain(spans, corpora, questions, encoder, split=options.by_corpus)
    for label, recall, precision, iou, ideal in PUBLISHED:
        print(f"| {label} | | | {recall:.3f} | {precision:.3f} | {iou:.3f} | {ideal:.3f} | | |")


if __name__ == "__main__":
    main()
