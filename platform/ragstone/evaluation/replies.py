"""What one way to answer says to a question: the way of `ask`, with nothing stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
from ragstone.generation.ground import Grounded, prepare, without_marks, write

if TYPE_CHECKING:
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


def _written(
    respondent: Respondent, question: str, hits: Sequence[Hit], on_piece: Callable[[], None]
) -> Grounded:
    prepared = prepare(question, hits, respondent.writer, respondent.encoder, respondent.settings)
    stream = write(prepared, respondent.writer, respondent.settings)
    while True:
        try:
            next(stream)
        except StopIteration as end:
            grounded: Grounded = end.value
            return grounded
        on_piece()
