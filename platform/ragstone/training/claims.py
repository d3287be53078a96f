"""Claims with quotes that support them, contradict them, or do neither: made of questions, or read.

A question and its answer become a sentence. With another answer of the same kind the quote
contradicts it; beside another sentence of the passage nothing is known. Sentences of the passages
themselves are changed in a number or a name, or negated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ragstone.encoders.verifiers import CONTRADICTED, NEITHER, SUPPORTED
from ragstone.errors import InvalidArgument
from ragstone.text import Span, sentence_spans
from ragstone.training.questions import NAME, NUMBER, Question, other_name, replaced

VERDICTS = {"supported": SUPPORTED, "contradicted": CONTRADICTED, "not enough": NEITHER}

_EXPECTED = 'JSONL with "claim", "quote" and "verdict" in each line; a verdict is ' + " or ".join(
    map(repr, VERDICTS)
)
_AUXILIARY = r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might)"
_SUBJECT = re.compile(rf"^(?:who|what|which(?: \w+)?) (?!{_AUXILIARY}\b)(\w+ .+)$", re.IGNORECASE)
_NAMED = re.compile(r"^(?:who|what) (is|are|was|were) (the .+|\w+'s .+)$", re.IGNORECASE)
_AUXILIARIES = re.compile(rf"\b{_AUXILIARY}\b(?! not)")
_NOT = re.compile(r"\b(is|are|was|were|has|have|had|can|could|will|would|should|may|might) not\b")
_LONGEST = 60  # words of a sentence that becomes a claim


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim, a quote, and what it says of the claim: SUPPORTED, CONTRADICTED or NEITHER."""

    claim: str
    quote: str
    verdict: int
    article: str = ""  # what the quote is of; articles are held out whole


def read_claims(path: Path) -> list[Judged]:
    """Read judged claims.

    Raises
    ------
    InvalidArgument
        The file is not there, or of another form.
    """
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [
            Judged(row["claim"], row["quote"], VERDICTS[row["verdict"]], row.get("article", ""))
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidArgument("claims", str(path), f"{_EXPECTED} ({error!r})") from error


def made_claims(questions: Sequence[Question], seed: int) -> list[Judged]:
    """Return claims of all verdicts about the passages of `questions`; a function of the seed."""
    found: list[Judged] = []
    for number, question in enumerate(questions):
        if question.spans:
            found += _of(question, np.random.default_rng([seed, number]))
    return found


def statement(question: str, answer: str) -> str:
    """Return a question with its answer as a sentence; where that is hard, one after the other."""
    asked = question.strip().rstrip("?").strip()
    subject = _SUBJECT.match(asked)
    if subject:
        return f"{answer} {subject[1]}."
    named = _NAMED.match(asked)
    if named:
        return f"{named[2][0].upper()}{named[2][1:]} {named[1].lower()} {answer}."
    return f"{question.strip()} {answer}."


def _of(question: Question, chance: np.random.Generator) -> Iterator[Judged]:
    spans = list(sentence_spans(question.passage))
    start, end = question.spans[int(chance.integers(len(question.spans)))]
    holding = [span for span in spans if span[0] < end and start < span[1]]
    if not holding:
        return
    answer, passage, article = question.passage[start:end], question.passage, question.article
    quote = passage[holding[0][0] : holding[-1][1]]
    yield Judged(statement(question.text, answer), quote, SUPPORTED, article)
    other = _other_answer(question, (start, end), chance)
    if other is not None and other.lower() not in quote.lower():
        yield Judged(statement(question.text, other), quote, CONTRADICTED, article)
    elsewhere = [s for s in spans if answer.lower() not in passage[slice(*s)].lower()]
    if elsewhere:
        begin, stop = elsewhere[int(chance.integers(len(elsewhere)))]
        yield Judged(statement(question.text, answer), passage[begin:stop], NEITHER, article)
    if len(quote.split()) <= _LONGEST:
        yield from _changed(quote, passage, article, chance)


def _changed(
    sentence: str, passage: str, article: str, chance: np.random.Generator
) -> Iterator[Judged]:
    """Yield the sentence as it is, or changed so that it says something else."""
    ways = [way for way in (_number, _name, _negation) if way(sentence, passage, chance)]
    if not ways or chance.random() < 0.4:
        yield Judged(sentence, sentence, SUPPORTED, article)
        return
    changed = ways[int(chance.integers(len(ways)))](sentence, passage, chance)
    if changed is not None and changed != sentence:
        yield Judged(changed, sentence, CONTRADICTED, article)


def _number(sentence: str, passage: str, chance: np.random.Generator) -> str | None:
    """Put another number of the passage, or one near it, in the place of a number."""
    found = list(NUMBER.finditer(sentence))
    if not found:
        return None
    old = found[int(chance.integers(len(found)))]
    pool = [n for n in NUMBER.findall(passage) if n not in sentence and len(n) == len(old[0])]
    digits = re.sub(r"\D", "", old[0])
    if pool:
        new = pool[int(chance.integers(len(pool)))]
    else:
        new = str(int(digits) + 1 + int(chance.integers(9)))
    return replaced(sentence, old.span(), new)


def _name(sentence: str, passage: str, chance: np.random.Generator) -> str | None:
    """Put another name of the passage in the place of a name."""
    return other_name(sentence, NAME.findall(passage), chance)


def _negation(sentence: str, passage: str, chance: np.random.Generator) -> str | None:  # noqa: ARG001
    """Negate the first verb that can be, or take the negation away."""
    denied = _NOT.search(sentence)
    if denied:
        return replaced(sentence, denied.span(), denied[1])
    verb = re.search(r"\b(?:is|are|was|were|has|have|had|can|could|will|would|may)\b", sentence)
    if verb is None:
        return None
    return replaced(sentence, verb.span(), f"{verb[0]} not")


def _other_answer(question: Question, right: Span, chance: np.random.Generator) -> str | None:
    """Return a number for a number, a name for a name, from the same passage."""
    answer = question.passage[slice(*right)]
    known = {one.lower() for one in question.answers}
    number = NUMBER.search(answer)
    if number:
        numbers = [n for n in NUMBER.findall(question.passage) if n not in answer]
        if numbers:
            return replaced(answer, number.span(), numbers[int(chance.integers(len(numbers)))])
        return None
    pool: list[str] = [n for n in NAME.findall(question.passage) if n.lower() not in known]
    pool = [name for name in pool if name not in answer and answer not in name]
    if pool and answer[:1].isupper():
        return pool[int(chance.integers(len(pool)))]
    return None
