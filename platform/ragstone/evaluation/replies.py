"""What one way to answer says to a question: the way of `ask`, with nothing stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from ragstone.errors import (
    GeneratorFailed,
    GeneratorNonsense,
    GeneratorTimeout,
    GeneratorUnavailable,
    InvalidQuery,
    RagstoneError,
)
from ragstone.generation.base import Batching
from ragstone.generation.ground import (
    Grounded,
    Prepared,
    prepare,
    without_marks,
    write,
    write_many,
)

if TYPE_CHECKING:
    from collections.abc import Generator as Stream

    from ragstone.config import GenerationSettings
    from ragstone.encoders.base import TextEncoder
    from ragstone.generation.base import Generator
    from ragstone.schemas.api import Hit
    from ragstone.storage.manifests import Manifest

# A question and the ids of items to leave out -> what search finds for it.
Find: TypeAlias = "Callable[[str, Sequence[str]], list[Hit]]"
# Of one question; all else that goes wrong would go wrong with every question.
FAILURES = (
    GeneratorFailed,
    GeneratorNonsense,
    GeneratorTimeout,
    GeneratorUnavailable,
    InvalidQuery,
)


@dataclass(frozen=True, slots=True)
class Respondent:
    """One way to answer: a version, a search, a generator and its settings."""

    label: str
    manifest: Manifest
    find: Find
    writer: Generator
    encoder: TextEncoder
    settings: GenerationSettings


@dataclass(frozen=True, slots=True)
class Reply:
    """What was found and said; `grounded` is None where an error came instead."""

    hits: list[Hit] = field(default_factory=list)
    grounded: Grounded | None = None
    error: RagstoneError | None = None
    first: float | None = None  # seconds to the first sentence
    whole: float = 0.0  # seconds

    @property
    def said(self) -> str:
        """The few words that answer, or else the answer; empty: there is none."""
        grounded = self.grounded
        if grounded is None or not grounded.found:
            return ""
        return grounded.short or without_marks(grounded.answer)

    @property
    def abstained(self) -> bool:
        """It was said that the dataset does not hold the answer."""
        return self.grounded is not None and not self.grounded.found


def reply(respondent: Respondent, question: str, without: Sequence[str] = ()) -> Reply:
    """Ask as `ask` does, and keep nothing: what is measured is no answer to anybody.

    Parameters
    ----------
    without
        Ids of items that are not to be found.
    """
    started = monotonic()
    hits: list[Hit] = []
    first: list[float] = []
    try:
        hits = respondent.find(question, without)
        grounded = _written(respondent, question, hits, lambda: first.append(monotonic() - started))
    except FAILURES as error:
        return Reply(hits, None, error, min(first, default=None), monotonic() - started)
    return Reply(hits, grounded, None, min(first, default=None), monotonic() - started)


def replies(respondent: Respondent, questions: Sequence[str]) -> list[Reply]:
    """Ask each question as `reply` does, so many at once as the generator and its settings allow.

    The time of answers that were written together is that of all, shared equally; there is none to
    a first sentence.
    """
    if not isinstance(respondent.writer, Batching) or respondent.settings.batch == 1:
        return [reply(respondent, question) for question in questions]
    size = respondent.settings.batch
    batches = [questions[at : at + size] for at in range(0, len(questions), size)]
    return [said for batch in batches for said in _together(respondent, batch)]


def _together(respondent: Respondent, questions: Sequence[str]) -> list[Reply]:
    started = monotonic()
    found: list[Reply] = []
    prepared: dict[int, Prepared] = {}
    for number, question in enumerate(questions):
        hits: list[Hit] = []
        try:
            hits = respondent.find(question, ())
            prepared[number] = _prepared(respondent, question, hits)
            found.append(Reply(hits))
        except FAILURES as error:
            found.append(Reply(hits, error=error))
    streams = write_many([*prepared.values()], respondent.writer, respondent.settings)
    for number, stream in zip(prepared, streams, strict=True):
        try:
            found[number] = replace(found[number], grounded=_read(stream, lambda: None))
        except FAILURES as error:
            found[number] = replace(found[number], error=error)
    share = (monotonic() - started) / len(questions)
    return [replace(said, whole=share) for said in found]


def _written(
    respondent: Respondent, question: str, hits: Sequence[Hit], on_piece: Callable[[], None]
) -> Grounded:
    prepared = _prepared(respondent, question, hits)
    return _read(write(prepared, respondent.writer, respondent.settings), on_piece)


def _prepared(respondent: Respondent, question: str, hits: Sequence[Hit]) -> Prepared:
    return prepare(question, hits, respondent.writer, respondent.encoder, respondent.settings)


def _read(stream: Stream[str, None, Grounded], on_piece: Callable[[], None]) -> Grounded:
    while True:
        try:
            next(stream)
        except StopIteration as end:
            grounded: Grounded = end.value
            return grounded
        on_piece()
