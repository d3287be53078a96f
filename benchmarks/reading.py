"""The reader: answers to questions about articles it never saw, beside sentence selection.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/reading.py --training FOLDER
     ragstone train reader FOLDER/*.json --out READER
     RAGSTONE_DATA=/path/to/data python benchmarks/reading.py [--reader READER] [--sample N]

The first command writes the questions that the shipped reader was trained on, as SQuAD's JSON:
those of four of five articles of SQuADShifts (New Wikipedia) and of seven of ten of the SQuAD 2
development set, by a digest of the title. The rest is measured:

* given the passage: exact match and F1 as SQuAD counts them, over the questions with an answer;
* telling whether a passage has the answer: balanced accuracy, at a chance of 0.5;
* end to end: all passages of SQuADShifts are ingested with default settings, `Workspace.search`
  finds 8, and the reader answers from these; recall of the right passage apart.

Sentence selection answers with the best sentence, as Ragstone does without a reader.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import ragstone
from ragstone.config import EncoderSettings
from ragstone.encoders.base import TextEncoder
from ragstone.encoders.readers import READER, Reader
from ragstone.encoders.text import open_text_encoder
from ragstone.generation.base import Passage
from ragstone.generation.evidence import Evidence, weigh
from ragstone.generation.prompts import pack
from ragstone.training.calibrating import balanced_accuracy
from ragstone.training.questions import Question, held_out, read_questions
from ragstone.training.scoring import exact_match, word_f1
from ragstone.workspace import Workspace

HELD_OUT = {"squadshifts_new_wiki": 20, "squad2_cs224n_dev": 30}  # per cent of the articles
SHIFTS, SQUAD2 = HELD_OUT
FOUND = 8


@dataclass(frozen=True, slots=True)
class Row:
    """Measures of one way to answer, over some questions."""

    name: str
    f1: float
    exact: float
    milliseconds: float  # of processor time, per question


def is_test(question: Question, name: str) -> bool:
    """Tell whether the question is of an article that nothing was trained on."""
    return held_out(question.article, HELD_OUT[name], "benchmark")


def squad(questions: Sequence[Question]) -> dict[str, Any]:
    """Return questions in SQuAD's form."""
    articles: dict[str, dict[str, list[Question]]] = {}
    for one in questions:
        articles.setdefault(one.article, {}).setdefault(one.passage, []).append(one)
    return {
        "version": "2.0",
        "data": [
            {
                "title": title,
                "paragraphs": [
                    {"context": passage, "qas": [entry(one) for one in asked]}
                    for passage, asked in passages.items()
                ],
            }
            for title, passages in articles.items()
        ],
    }


def entry(question: Question) -> dict[str, Any]:
    """Return a question as an entry of `qas`."""
    answers = [
        {"text": question.passage[start:end], "answer_start": start}
        for start, end in question.spans
    ]
    return {"question": question.text, "is_impossible": not answers, "answers": answers}


def short(weighed: Evidence) -> str:
    """Return the answer: what the reader found, or the best sentence."""
    if weighed.found:
        return weighed.found[0].text
    return weighed.ranked[0].sentence.flat if weighed.ranked else ""


def passage_of(question: Question) -> tuple[Passage, ...]:
    """Return the question's passage as the only one."""
    return (Passage(1, "chunk", "item", "source", "", None, question.passage, 0),)


@dataclass(frozen=True, slots=True)
class Ways:
    """The reader, and sentence selection."""

    encoder: TextEncoder
    reader: Reader

    def answer(
        self, asked: Sequence[tuple[Question, tuple[Passage, ...]]]
    ) -> Iterator[tuple[str, list[Evidence], float]]:
        """Yield name, evidence for each question and the seconds it took, of each way."""
        for name, reader in (("reader", self.reader), ("sentence selection", None)):
            begin = process_time()
            found = [weigh(one.text, passages, self.encoder, reader) for one, passages in asked]
            yield name, found, process_time() - begin


def rows(ways: Ways, asked: Sequence[tuple[Question, tuple[Passage, ...]]]) -> Iterator[Row]:
    """Yield what each way reaches on questions that have an answer."""
    for name, found, seconds in ways.answer(asked):
        said = [short(weighed) for weighed in found]
        pairs = [(text, one.answers) for text, (one, _) in zip(said, asked, strict=True)]
        f1 = sum(word_f1(*pair) for pair in pairs) / len(pairs)
        exact = sum(exact_match(*pair) for pair in pairs) / len(pairs)
        yield Row(name, f1, exact, 1_000 * seconds / len(pairs))


def table(title: str, found: Iterator[Row]) -> None:
    """Print rows as Markdown."""
    print(f"\n{title}\n\n| | F1 | exact match | ms of processor time |\n| --- | --- | --- | --- |")
    for row in found:
        print(
            f"| {row.name} | {row.f1:.3f} | {row.exact:.3f} | {row.milliseconds:.0f} |", flush=True
        )


def telling(ways: Ways, questions: Sequence[Question]) -> None:
    """Print how well each way tells whether a passage has the answer."""
    print("\n| telling whether the passage answers | balanced accuracy |\n| --- | --- |")
    asked = [(one, passage_of(one)) for one in questions]
    for name, found, _ in ways.answer(asked):
        said = [weighed.chance >= 0.5 for weighed in found]
        accuracy = balanced_accuracy(said, [bool(one.spans) for one in questions])
        print(f"| {name} | {accuracy:.3f} |", flush=True)


def retrieved(
    workspace: Workspace, questions: Sequence[Question]
) -> list[tuple[Question, tuple[Passage, ...]]]:
    """Return each question with the passages that search finds for it."""
    return [
        (one, tuple(pack(workspace.search(one.text, "d", k=FOUND).hits, FOUND)))
        for one in questions
    ]


def main() -> None:
    """Write the training questions, or measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--training", type=Path, help="write the questions to train on, here")
    parser.add_argument("--reader", default=READER)
    parser.add_argument("--sample", type=int, default=400, help="questions of each measurement")
    parser.add_argument("--workspace", type=Path, help="keep the ingested passages here")
    chosen = parser.parse_args()
    data = Path(os.environ.get("RAGSTONE_DATA") or sys.exit("RAGSTONE_DATA is not set"))
    every = {name: read_questions(data / name) for name in HELD_OUT}
    if chosen.training:
        chosen.training.mkdir(parents=True, exist_ok=True)
        for name, questions in every.items():
            kept = [one for one in questions if not is_test(one, name)]
            (chosen.training / f"{name}-train.json").write_text(json.dumps(squad(kept)))
        return
    ways = Ways(open_text_encoder(EncoderSettings()), Reader(chosen.reader))
    chance = random.Random(0)  # noqa: S311
    for name, questions in every.items():
        test = [one for one in questions if is_test(one, name)]
        asked = [one for one in test if one.spans]
        sample = chance.sample(asked, min(chosen.sample, len(asked)))
        title = f"{name}, given the passage: {len(sample)} of {len(asked)} held-out questions"
        table(title, rows(ways, [(one, passage_of(one)) for one in sample]))
        if name == SQUAD2:
            telling(ways, chance.sample(test, min(2 * chosen.sample, len(test))))
        else:
            end_to_end(ways, data / name, sample, chosen.workspace)


def around(question: Question) -> str:
    """Return the answer with a few characters on each side, which stand in its passage alone."""
    start, end = question.spans[0]
    return question.passage[max(0, start - 15) : end + 15]


def end_to_end(ways: Ways, folder: Path, questions: Sequence[Question], kept: Path | None) -> None:
    """Ingest all passages, search, answer, and print."""
    with tempfile.TemporaryDirectory() as temporary:
        place = kept or Path(temporary) / "workspace"
        fresh = not place.exists()
        with ragstone.open(place, create=True) as workspace:
            if fresh:
                workspace.ingest(folder / "corpus.jsonl", "d", text="title,text", id="_id")
            asked = retrieved(workspace, questions)
    holding = sum(
        any(around(one) in passage.text for passage in passages) for one, passages in asked
    )
    table(
        f"end to end: the right passage is among {FOUND} found for {holding / len(asked):.3f} "
        f"of {len(asked)}",
        rows(ways, asked),
    )


if __name__ == "__main__":
    main()
