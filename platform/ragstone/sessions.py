"""Sessions: questions of one dataset that follow on each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ulid import ULID

from ragstone.errors import InvalidArgument
from ragstone.generation.extractive import ExtractiveReader
from ragstone.generation.followup import Turn, self_contained
from ragstone.generation.ground import without_marks
from ragstone.generation.prompts import NOT_FOUND
from ragstone.generation.rewriting import Rewritten, rewritten
from ragstone.schemas.answers import Rewriting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from ragstone.config import GenerationSettings
    from ragstone.generation.base import Generator
    from ragstone.storage.store import Store

_TURNS = 5  # earlier questions that a new one may lean on
_LONGEST = 200  # characters of a name


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is there already, or begins with the next answer."""

    session_id: str
    dataset_id: str
    title: str

    def begin(self, cursor: DuckDBPyConnection, created: object) -> None:
        """Write the session down, within a transaction, unless it is there."""
        cursor.execute(
            "INSERT INTO sessions SELECT ?, ?, ?, ? "
            "WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE session_id = ?)",
            [self.session_id, self.dataset_id, created, self.title, self.session_id],
        )


def find_session(store: Store, dataset_id: str, named: str) -> Session:
    """Return the session with this id or name, or one that is new.

    Raises
    ------
    InvalidArgument
        The name is empty or too long, or the session belongs to another dataset: what was asked
        there is no matter of this one.
    """
    title = " ".join(named.split())
    if not 0 < len(title) <= _LONGEST:
        raise InvalidArgument("session", named, f"an id, or a name of 1 to {_LONGEST} characters")
    rows = store.catalog.rows(
        "SELECT session_id, dataset_id, title FROM sessions "
        "WHERE session_id = ? OR (title = ? AND dataset_id = ?) ORDER BY session_id LIMIT 1",
        [title.upper(), title, dataset_id],
    )
    if not rows:
        return Session(str(ULID()), dataset_id, title)
    found = Session(*rows[0])
    if found.dataset_id != dataset_id:
        raise InvalidArgument("session", named, "a session of this dataset, or a new name")
    return found


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a question follows on."""

    session: Session | None  # None: somebody else keeps it, or there is none
    turns: list[Turn]  # the newest first
    follows: list[str]  # ids of their answers, where they are of the session

    def alone(
        self, question: str, writer: Generator, settings: GenerationSettings
    ) -> tuple[str, Rewriting | None]:
        """Return `question` as it can be searched, and how it came to be so."""
        if not self.turns or settings.rewrite == "off":
            return question, None
        able = settings.rewrite == "auto" and not isinstance(writer, ExtractiveReader)
        made = rewritten(question, self.turns, writer if able else None, settings)
        return made.question, self._told(made)

    def _told(self, made: Rewritten) -> Rewriting:
        """Return what is kept of a rewriting.

        The words of a conversation that somebody else keeps are not: nobody could tell, when an
        item is to be forgotten, that they are of it.
        """
        own = self.session is not None
        return Rewriting(
            by=made.by,
            follows=self.follows,
            template=made.template,
            prompt=made.prompt if own else "",
            raw=made.raw if own else "",
            problem=made.problem,
        )


def conversation(
    store: Store, dataset_id: str, session: str | None, history: Sequence[tuple[str, str]]
) -> Conversation:
    """Return what a question follows on: the session with this id or name, or else `history`.

    Raises
    ------
    InvalidArgument
        There can be no such session, or not of this dataset.
    """
    if session is None:
        return Conversation(None, told_turns(history), [])
    entered = find_session(store, dataset_id, session)
    follows = _last_answers(store, entered)
    return Conversation(entered, turns_of(store, follows), follows)


def _last_answers(store: Store, session: Session) -> list[str]:
    """Return the ids of the last answers of a session, the newest first."""
    rows = store.catalog.rows(
        "SELECT answer_id FROM answers WHERE session_id = ? AND state = 'done' "
        "ORDER BY answer_id DESC LIMIT ?",
        [session.session_id, _TURNS],
    )
    return [str(answer_id) for (answer_id,) in rows]


def turns_of(store: Store, follows: Sequence[str]) -> list[Turn]:
    """Return the questions and answers with these ids, the newest first; not what is gone."""
    rows = store.catalog.rows(
        "SELECT record->'answer'->>'rewritten', record->'answer'->>'question', "
        "record->'answer'->>'answer', CAST(record->'answer'->>'found' AS BOOLEAN) FROM answers "
        "WHERE list_contains(?, answer_id) ORDER BY answer_id DESC",
        [list(follows)],
    )
    return [
        Turn(alone or question, without_marks(answer) if found else "")
        for alone, question, answer, found in rows
    ]


def told_turns(history: Sequence[tuple[str, str]]) -> list[Turn]:
    """Return the turns of a conversation that somebody else keeps, the newest first.

    Parameters
    ----------
    history
        Questions, each with its answer or an empty text, the oldest first.
    """
    turns: list[Turn] = []
    for question, answer in history:
        said = "" if answer.startswith(NOT_FOUND) else without_marks(answer)
        turns = [Turn(self_contained(question, turns), said), *turns][:_TURNS]
    return turns
