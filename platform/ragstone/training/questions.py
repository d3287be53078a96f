"""Questions whose answers are marked in a passage: what a reader and a verifier are trained on.

Two forms are read: the JSON of SQuAD (Rajpurkar and others, "SQuAD", EMNLP 2016; with
`is_impossible`, "Know What You Don't Know", ACL 2018), and a folder with `corpus.jsonl` and
`queries.jsonl`, whose queries name their passage and its answers in `metadata`.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from ragstone.errors import InvalidArgument

_EXPECTED = (
    "a file in SQuAD's JSON, or a folder with corpus.jsonl and queries.jsonl whose queries have "
    "metadata.passage_id and metadata.answers"
)
NUMBER = re.compile(r"\d[\d.,]*\d|\d")
NAME = re.compile(r"(?<=[a-z,;] )[A-Z]\w+(?: [A-Z]\w+)*")  # within a sentence
_WORD = re.compile(r"[A-Za-z]+")
_VERB = re.compile(
    r"\b(?:is|are|was|were|can|could|will|would|has|have|had) (?:\w+ )?(\w+(?:ed|en))\b"
)
_PAIRS = (
    "first last|largest smallest|before after|most least|highest lowest|more less|won lost|"
    "north south|east west|early late|increase decrease|inside outside|start end|above below|"
    "oldest youngest|oldest newest|male female|public private|best worst|higher lower|"
    "larger smaller|longest shortest|major minor|many few|gain lose|allowed forbidden|"
    "began ended|northern southern|eastern western|men women|"
    "always never|same different|including excluding|born dead|older younger"
)
_OPPOSITES = {
    one: other
    for pair in _PAIRS.split("|")
    for one, other in (pair.split(), reversed(pair.split()))
}

Answer = tuple[int, str]  # where it begins in the passage, and the answer

_TRIES = 8  # passages looked at for one that does not hold the answer


@dataclass(frozen=True, slots=True)
class Question:
    """A question, a passage, and where the passage answers it.

    Parameters
    ----------
    article
        What the passage is of. Articles are held out whole.
    spans
        Of its answers in the passage, in code points; none where the passage has no answer.
    """

    text: str
    passage: str
    article: str
    spans: tuple[tuple[int, int], ...]

    @property
    def answers(self) -> list[str]:
        """The texts of the spans."""
        return [self.passage[start:end] for start, end in self.spans]


def read_questions(path: Path) -> list[Question]:
    """Read a file or a folder of questions, in its order.

    An answer that does not stand at its offset is left out; a question that had answers and keeps
    none is left out too.

    Raises
    ------
    InvalidArgument
        It is not there, or of another form.
    """
    try:
        found = list(_folder(path) if path.is_dir() else _squad(path))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidArgument("questions", str(path), f"{_EXPECTED} ({error!r})") from error
    if not found:
        raise InvalidArgument("questions", str(path), f"{_EXPECTED}; it holds no question")
    return found


def source_name(path: Path) -> str:
    """Return the name and the BLAKE3 of what was read, for a card."""
    digest = blake3()
    for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
        digest.update(file.read_bytes())
    return f"{path.name}, BLAKE3 {digest.hexdigest()}"


def held_out(article: str, share: int, use: str = "") -> bool:
    """Tell whether an article belongs to the `share` per cent that are not trained on.

    It is a function of the title alone, so that it is held out wherever it comes from.

    Parameters
    ----------
    use
        What it is held out for: each has other articles.
    """
    return int(sha256(f"{use}{article}".encode()).hexdigest()[:8], 16) % 100 < share


def with_other_passages(questions: Sequence[Question], share: float, seed: int) -> list[Question]:
    """Add to a share of the questions a passage, of the same article if possible, without answer.

    Search finds such passages beside the right one, and a reader has to tell them apart.
    """
    chance = np.random.default_rng(seed)
    articles: dict[str, list[str]] = defaultdict(list)
    for question in questions:
        articles[question.article].append(question.passage)
    distinct = {name: list(dict.fromkeys(passages)) for name, passages in articles.items()}
    every = list(dict.fromkeys(question.passage for question in questions))
    found = []
    for question in questions:
        found.append(question)
        if question.spans and chance.random() < share:
            own = distinct[question.article]
            pool = own if len(own) > 1 else every
            other = _without(question, pool, chance)
            if other is not None:
                found.append(replace(question, passage=other, spans=()))
    return found


def with_changed_questions(
    questions: Sequence[Question], share: float, seed: int
) -> list[Question]:
    """Add to a share of the questions one that is nearly the same, and that nothing answers.

    A name or a number becomes another one, a word its opposite, or the question is negated: the
    ways of Rajpurkar, Jia and Liang, "Know What You Don't Know", ACL 2018, table 1.
    """
    chance = np.random.default_rng([seed, 2])
    names: dict[str, list[str]] = defaultdict(list)
    for question in questions:
        names[question.article] += NAME.findall(question.passage)
    found = []
    for question in questions:
        found.append(question)
        if question.spans and chance.random() < share:
            ways = [way for way in _WAYS if way(question.text, names[question.article], chance)]
            if ways:
                way = ways[int(chance.integers(len(ways)))]
                text = way(question.text, names[question.article], chance)
                found.append(replace(question, text=text or question.text, spans=()))
    return found


def other_number(text: str, chance: np.random.Generator) -> str | None:
    """Change a number in `text` to one near it; None where there is none."""
    found = list(NUMBER.finditer(text))
    if not found:
        return None
    old = found[int(chance.integers(len(found)))]
    value = int(re.sub(r"\D", "", old[0]))
    step = int(chance.integers(1, 10))
    return replaced(text, old.span(), str(value - step if value > 1_000 else value + step))


def other_name(text: str, names: Sequence[str], chance: np.random.Generator) -> str | None:
    """Change a name in `text` to one of `names` that it does not hold; None where there is none."""
    found = list(NAME.finditer(text))
    pool = [name for name in names if name not in text]
    if not found or not pool:
        return None
    old = found[int(chance.integers(len(found)))]
    return replaced(text, old.span(), pool[int(chance.integers(len(pool)))])


def replaced(text: str, span: tuple[int, int], new: str) -> str:
    """Return `text` with `new` in the place of a span."""
    return text[: span[0]] + new + text[span[1] :]


def _number(text: str, names: Sequence[str], chance: np.random.Generator) -> str | None:  # noqa: ARG001
    return other_number(text, chance)


def _opposite(text: str, names: Sequence[str], chance: np.random.Generator) -> str | None:  # noqa: ARG001
    found = [match for match in _WORD.finditer(text) if match[0].lower() in _OPPOSITES]
    if not found:
        return None
    word = found[int(chance.integers(len(found)))]
    return replaced(text, word.span(), _OPPOSITES[word[0].lower()])


def _negated(text: str, names: Sequence[str], chance: np.random.Generator) -> str | None:  # noqa: ARG001
    verb = _VERB.search(text)
    if verb is None or chance.random() < 0.5:  # too easy to see, and so not too often
        return None
    word = ("never", "not", "no longer")[int(chance.integers(3))]
    return replaced(text, (verb.start(1), verb.start(1)), f"{word} ")


_WAYS = (_number, other_name, _opposite, _negated)


def _without(question: Question, pool: Sequence[str], chance: np.random.Generator) -> str | None:
    """Return a passage of `pool` in which no answer of the question stands."""
    answers = [answer.lower() for answer in question.answers]
    for _ in range(_TRIES):
        passage = pool[int(chance.integers(len(pool)))]
        lower = passage.lower()
        if not any(answer in lower for answer in answers):
            return passage
    return None


def _squad(path: Path) -> Iterator[Question]:
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            passage = paragraph["context"]
            for entry in paragraph["qas"]:
                spans = [(a["answer_start"], a["text"]) for a in entry.get("answers", [])]
                title = str(article.get("title", ""))
                yield from _question(entry["question"], passage, title, _possible(entry, spans))


def _folder(path: Path) -> Iterator[Question]:
    passages = {str(row["_id"]): row for row in _lines(path / "corpus.jsonl")}
    for row in _lines(path / "queries.jsonl"):
        about = row["metadata"]
        passage = passages[str(about["passage_id"])]
        starts = about.get("answer_starts", ())
        # Some files name an answer once for several places: each place is tried.
        spans = [(start, answer) for answer in about["answers"] for start in starts]
        title = str(passage.get("title", ""))
        yield from _question(row["text"], passage["text"], title, _possible(about, spans))


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def _possible(entry: Mapping[str, Any], answers: list[Answer]) -> list[Answer]:
    """Return the answers, none where it is said that there is none: plausible ones may be named."""
    return [] if entry.get("is_impossible") else answers


def _question(text: str, passage: str, title: str, answers: Sequence[Answer]) -> Iterator[Question]:
    if not answers:
        yield Question(text, passage, title, ())
        return
    there = dict.fromkeys(
        (start, start + len(answer))
        for start, answer in answers
        if answer and passage[start : start + len(answer)] == answer
    )
    if there:
        yield Question(text, passage, title, tuple(there))
