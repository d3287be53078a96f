"""Sessions: questions of one dataset that follow on each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ulid import ULID

from ragstone.errors import InvalidArgument
from ragstone.generation.followup import Turn, self_contained
from ragstone.generation.ground import without_marks
from ragstone.generation.prompts import NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

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


def turns_of(store: Store, session: Session) -> list[Turn]:
    """Return the last questions and answers of a session, the newest first."""
    rows = store.catalog.rows(
        "SELECT record->'answer'->>'rewritten', record->'answer'->>'question', "
        "record->'answer'->>'answer', CAST(record->'answer'->>'found' AS BOOLEAN) FROM answers "
        "WHERE session_id = ? AND state = 'done' ORDER BY answer_id DESC LIMIT ?",
        [session.session_id, _TURNS],
    )
    return [
        Turn(rewritten or question, without_marks(answer) if found else "")
        for rewritten, question, answer, found in rows
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
