"""When to answer and with which sentence: the blend beside meaning alone and words alone.

Run: RAGSTONE_DATA=/path/to/data python benchmarks/evidence.py

Questions of SQuAD 2, SQuADShifts and Cranfield are asked of their own passages, where an answer
is, and of the other sets' passages, where none is; each as written and as its three rarest words.
The eight passages nearest by vector go to `ragstone.generation`. Writes Markdown to standard
output; takes two to three minutes on two cores.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ragstone.config import EncoderSettings, GenerationSettings
from ragstone.encoders.base import EncoderIdentity, TextEncoder, Vectors
from ragstone.encoders.text import open_text_encoder
from ragstone.generation.base import Passage
from ragstone.generation.extractive import ExtractiveReader
from ragstone.generation.ranking import Ranked, rank
from ragstone.generation.words import Weights, stems

SETS = ("squad2_cs224n_dev", "squadshifts_new_wiki", "cranfield")
PASSAGES, ANSWERABLE, FOREIGN, IMPOSSIBLE = 200, 100, 40, 60  # per set, or pair of sets
NEAREST = 8

Mark = Callable[[Ranked], float]
MARKS: dict[str, Mark] = {
    "meaning alone (cosine)": lambda ranked: ranked.similarity,
    "words alone (weighted coverage)": lambda ranked: ranked.coverage,
    "blend": lambda ranked: ranked.score,
}


@dataclass
class Remembering:
    """An encoder that embeds each text once: questions share their passages' sentences."""

    encoder: TextEncoder
    documents: dict[str, np.ndarray] = field(default_factory=dict)
    queries: dict[str, np.ndarray] = field(default_factory=dict)

    __hash__ = object.__hash__

    @property
    def identity(self) -> EncoderIdentity:
        """Of the encoder behind it."""
        return self.encoder.identity

    @property
    def tokenizer_file(self) -> Path:
        """Of the encoder behind it."""
        return self.encoder.tokenizer_file

    def encode_documents(
        self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None
    ) -> Vectors:
        """Embed what is new, look up the rest."""
        new = sorted({text for text in texts if text not in self.documents})
        self.documents.update(zip(new, self.encoder.encode_documents(new, on_batch), strict=True))
        return np.array([self.documents[text] for text in texts], dtype=np.float32)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """As `encode_documents`, with the query prompt."""
        new = sorted({text for text in texts if text not in self.queries})
        self.queries.update(zip(new, self.encoder.encode_queries(new), strict=True))
        return np.array([self.queries[text] for text in texts], dtype=np.float32)


@dataclass(frozen=True)
class Corpus:
    """Some passages of a set, their vectors, and questions about them."""

    passages: list[Passage]
    vectors: Vectors
    questions: list[dict[str, Any]]
    impossible: list[dict[str, Any]]


@dataclass(frozen=True)
class Asked:
    """A question with the ranked sentences of its nearest passages."""

    text: str
    kind: str  # own, foreign or impossible
    form: str  # full or keywords
    answers: list[str]
    gold: Passage | None
    ranked: tuple[Ranked, ...]


def main() -> None:
    """Measure, and print the tables."""
    folder = os.environ.get("RAGSTONE_DATA")
    if not folder:
        sys.exit("Set RAGSTONE_DATA to the folder that holds " + ", ".join(SETS))
    started = time.perf_counter()
    encoder = Remembering(open_text_encoder(EncoderSettings()))
    corpora = {name: load(Path(folder) / name, encoder) for name in SETS}
    asked = list(ask_all(corpora, encoder))
    print(abstention_table(asked), sentence_table(asked, encoder), sep="\n\n")
    print(f"\n{len(asked)} questions, {time.perf_counter() - started:.0f} s")


def load(folder: Path, encoder: TextEncoder) -> Corpus:
    """Sample questions and, around their own passages, a corpus."""
    chance = random.Random(0)  # noqa: S311 - a sample, not a secret
    corpus = {row["_id"]: row for row in _rows(folder / "corpus.jsonl")}
    questions = _rows(folder / "queries.jsonl")
    chance.shuffle(questions)
    fits = [q for q in questions if not q.get("metadata", {}).get("is_impossible")][:ANSWERABLE]
    impossible = [q for q in questions if q.get("metadata", {}).get("is_impossible")][:IMPOSSIBLE]
    wanted = dict.fromkeys(_own(folder, fits + impossible))
    for identifier in sorted(corpus, key=lambda _: chance.random()):
        if len(wanted) >= PASSAGES:
            break
        wanted[identifier] = None
    passages = [_passage(corpus[identifier]) for identifier in wanted if identifier in corpus]
    texts = [f"{passage.title} {passage.text}".strip() for passage in passages]
    return Corpus(passages, encoder.encode_documents(texts), fits, impossible)


def _own(folder: Path, questions: Iterable[dict[str, Any]]) -> Iterable[str]:
    lines = (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]
    judged: dict[str, list[str]] = {}
    for line in lines:
        query, document, _ = line.split("\t")
        judged.setdefault(query, []).append(document)
    for question in questions:
        passage = question.get("metadata", {}).get("passage_id")
        yield from [passage] if passage else judged.get(question["_id"], [])[:2]


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _passage(row: dict[str, Any]) -> Passage:
    return Passage(1, row["_id"], row["_id"], "", row.get("title", ""), None, row["text"], 0)


def ask_all(corpora: dict[str, Corpus], encoder: TextEncoder) -> Iterable[Asked]:
    """Ask every sampled question of its own corpus, and some of the foreign ones."""
    for home, corpus in corpora.items():
        rarity = Weights(stems(question["text"]) for question in corpus.questions)
        for name, place in corpora.items():
            own = name == home
            questions = corpus.questions[: ANSWERABLE if own else FOREIGN]
            yield from _ask(questions, "own" if own else "foreign", place, encoder, rarity)
        yield from _ask(corpus.impossible, "impossible", corpus, encoder, rarity)


def _ask(
    questions: Sequence[dict[str, Any]],
    kind: str,
    corpus: Corpus,
    encoder: TextEncoder,
    rarity: Weights,
) -> Iterable[Asked]:
    if not questions:
        return
    by_id = {passage.item_id: passage for passage in corpus.passages}
    asked = [(q, "full", q["text"]) for q in questions]
    asked += [(q, "keywords", _keywords(text, rarity)) for q, _, text in asked]
    scores = encoder.encode_queries([text for _, _, text in asked]) @ corpus.vectors.T
    for (question, form, text), row in zip(asked, scores, strict=True):
        notes = question.get("metadata", {})
        nearest = tuple(corpus.passages[i] for i in np.argsort(-row)[:NEAREST])
        gold = by_id.get(notes.get("passage_id", "")) if kind == "own" else None
        ranked = rank(text, nearest, encoder)
        yield Asked(text, kind, form, notes.get("answers", []), gold, ranked)


def _keywords(question: str, rarity: Weights) -> str:
    words = [word.strip("?,.'\"") for word in question.split()]
    weighed = [(rarity.of(stems(word)[0]), word) for word in words if stems(word)]
    kept = {word for _, word in sorted(weighed, reverse=True)[:3]}
    return " ".join(word for word in words if word in kept) or question


def abstention_table(asked: Sequence[Asked]) -> str:
    """Balanced accuracy of "answer" against "not found", at each mark's best threshold."""
    lines = [
        "| evidence | best threshold | questions | keywords | both | impossible ones answered |",
        "|---|---|---|---|---|---|",
    ]
    for name, mark in MARKS.items():
        threshold = max(_thresholds(), key=lambda t: _balanced(asked, mark, t))
        lines.append(_abstention_row(name, mark, threshold, asked))
    default = GenerationSettings().min_evidence
    lines.append(_abstention_row("blend, at the default", MARKS["blend"], default, asked))
    return "\n".join(lines)


def _abstention_row(name: str, mark: Mark, threshold: float, asked: Sequence[Asked]) -> str:
    parts = [
        _balanced([a for a in asked if a.form == form], mark, threshold)
        for form in ("full", "keywords")
    ]
    both = _balanced(asked, mark, threshold)
    fooled = [_best(a, mark) >= threshold for a in asked if a.kind == "impossible"]
    cells = [f"{threshold:.2f}", *(f"{part:.3f}" for part in (*parts, both, np.mean(fooled)))]
    return f"| {name} | " + " | ".join(cells) + " |"


def _thresholds() -> list[float]:
    return [round(value, 2) for value in np.arange(0.1, 0.8, 0.01)]


def _best(question: Asked, mark: Mark) -> float:
    return max((mark(ranked) for ranked in question.ranked), default=0.0)


def _balanced(asked: Sequence[Asked], mark: Mark, threshold: float) -> float:
    own = [_best(a, mark) >= threshold for a in asked if a.kind == "own"]
    foreign = [_best(a, mark) < threshold for a in asked if a.kind == "foreign"]
    return float(np.mean(own) + np.mean(foreign)) / 2


def sentence_table(asked: Sequence[Asked], encoder: TextEncoder) -> str:
    """How often the picked sentence holds a gold answer, given the gold passage and without."""
    judged = [a for a in asked if a.kind == "own" and a.form == "full" and a.answers]
    known = [(a, rank(a.text, (a.gold,), encoder)) for a in judged if a.gold]
    pairs = [(a, a.ranked) for a in judged]
    lines = ["| first sentence by | in the gold passage | in eight passages |", "|---|---|---|"]
    reader = ExtractiveReader(encoder)
    pickers: dict[str, Callable[[Sequence[Ranked]], str]] = {
        name: lambda ranked, mark=mark: max(ranked, key=mark).sentence.flat
        for name, mark in MARKS.items()
    } | {"the reader": lambda ranked: reader.pick(ranked)[0].flat}
    pickers["the reader, whole answer"] = lambda ranked: " ".join(
        sentence.flat for sentence in reader.pick(ranked)
    )
    for name, pick in pickers.items():
        shares = [np.mean([_holds(pick(r), a.answers) for a, r in p]) for p in (known, pairs)]
        lines.append(f"| {name} | {shares[0]:.3f} | {shares[1]:.3f} |")
    return "\n".join(lines)


def _holds(text: str, answers: Iterable[str]) -> bool:
    return any(answer.lower() in text.lower() for answer in answers)


if __name__ == "__main__":
    main()
