"""Candidates: source objects with their bytes, on their way to a worker and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ragstone.config import LimitSettings
from ragstone.errors import LimitExceeded, ParserDied, Rejected, UnreadableInput
from ragstone.ingestion.reading import ReadResult, ReadSettings, read
from ragstone.schemas.records import Raw

ROWS_PER_TASK = 64  # a row takes well under a millisecond; a task costs about one


@dataclass(frozen=True, slots=True)
class Candidate:
    """A source object that is not in the dataset yet."""

    raw: Raw
    item_id: str  # BLAKE3 of `content`
    work_key: str
    size: int  # bytes
    content: bytes | None  # None for a duplicate: there is nothing to read


@dataclass(frozen=True, slots=True)
class ReadTask:
    """What one call in a worker reads."""

    candidates: tuple[Candidate, ...]
    settings: ReadSettings


Outcome = ReadResult | Rejected | None  # None for a duplicate


def load(raw: Raw, limits: LimitSettings) -> bytes:
    """Return the bytes of `raw`.

    Raises
    ------
    UnreadableInput, LimitExceeded
        They cannot be had, or are too many.
    """
    if raw.problem is not None:
        raise raw.problem
    if raw.content is not None:
        return raw.content
    try:
        if raw.path is not None and raw.path.is_dir():
            raise UnreadableInput("the folder cannot be listed")
        if raw.path is None or not raw.path.is_file():
            raise UnreadableInput("it is not a regular file")
        size = raw.path.stat().st_size
        if size > limits.bytes:
            raise LimitExceeded("Its size in bytes", size, limits.bytes, "limits.bytes")
        return raw.path.read_bytes()
    except OSError as error:
        raise UnreadableInput(error.strerror or str(error)) from error


def tasks(candidates: Iterable[Candidate], settings: ReadSettings) -> Iterator[ReadTask]:
    """Group rows and duplicates; a file is a task of its own, so that its limits are its own."""
    group: list[Candidate] = []
    for candidate in candidates:
        alone = candidate.raw.columns is None and candidate.content is not None
        if group and (alone or len(group) == ROWS_PER_TASK):
            yield ReadTask(tuple(group), settings)
            group = []
        if alone:
            yield ReadTask((candidate,), settings)
        else:
            group.append(candidate)
    if group:
        yield ReadTask(tuple(group), settings)


def read_task(task: ReadTask) -> list[Outcome]:
    """Read the candidates of `task`; runs in a worker."""
    return [_read(candidate, task.settings) for candidate in task.candidates]


def _read(candidate: Candidate, settings: ReadSettings) -> Outcome:
    if candidate.content is None:
        return None
    try:
        return read(candidate.raw, candidate.content, settings)
    except Rejected as rejected:
        return rejected
    except Exception as error:  # noqa: BLE001  # the border of a worker: a parser's own fault
        return ParserDied(f"{type(error).__name__}: {error}")
