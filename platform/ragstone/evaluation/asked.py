"""Questions with the answers that a dataset should give."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ragstone.errors import InvalidArgument
from ragstone.training.questions import read_questions

_EXPECTED = 'JSON lines {"question": text, "answers": [text], "items": [name, optional]}'


@dataclass(frozen=True, slots=True)
class Expected:
    """A question, and what is right.

    Parameters
    ----------
    answers
        Any of them is right; none: the dataset does not hold the answer, and has to say so.
    items
        Names or sources of the items that hold the answer; none: its words tell.
    """

    question: str
    answers: tuple[str, ...] = ()
    items: frozenset[str] = frozenset()


def read_expected(path: Path, limit: int | None = None) -> list[Expected]:
    """Read JSON lines, or what `training.questions.read_questions` reads.

    Parameters
    ----------
    limit
        So many of them, drawn from a fixed seed, in the order of the file.

    Raises
    ------
    InvalidArgument
        It is not there, or of another form, or holds no question.
    """
    if limit is not None and limit < 1:
        raise InvalidArgument("limit", limit, "a number from 1")
    if path.suffix == ".jsonl" and not path.is_dir():
        found = list(_lines(path))
    else:
        found = [
            Expected(one.text, tuple(dict.fromkeys(one.answers))) for one in read_questions(path)
        ]
    if not found:
        raise InvalidArgument("questions", str(path), f"{_EXPECTED}, at least one")
    if limit is None or limit >= len(found):
        return found
    drawn = Random(0).sample(range(len(found)), limit)  # noqa: S311
    return [found[number] for number in sorted(drawn)]


def _lines(path: Path) -> Iterator[Expected]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument("questions", str(path), f"a readable file ({error})") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _expected(path, number, line)


def _expected(path: Path, number: int, line: str) -> Expected:
    try:
        row = json.loads(line)
        question, answers, items = row["question"], row["answers"], row.get("items", [])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidArgument("questions", str(path), f"{_EXPECTED} (line {number})") from error
    if not (isinstance(question, str) and question.strip() and _texts(answers) and _texts(items)):
        raise InvalidArgument("questions", str(path), f"{_EXPECTED} (line {number})")
    return Expected(question, tuple(answers), frozenset(items))


def _texts(value: object) -> bool:
    """Tell whether it is a list of texts that say something."""
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and all(isinstance(one, str) and one.strip() for one in value)
    )
