"""Stored answers by their id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ragstone.errors import TamperedAnswer, UnknownId
from ragstone.storage import answers

if TYPE_CHECKING:
    from ragstone.schemas.answers import StoredAnswer
    from ragstone.storage.answers import AnswerRow, Seal
    from ragstone.storage.store import Store

MIN_PREFIX = 8  # characters of an id


def find_answer(store: Store, identity: str) -> tuple[AnswerRow, Seal | None]:
    """Return the answer that `identity` is, or begins, with its seal.

    Raises
    ------
    UnknownId
        There is none, or the prefix fits several.
    """
    found = answers.matching(store.catalog, identity) if len(identity) >= MIN_PREFIX else []
    if len(found) != 1:
        raise UnknownId(identity, "answer")
    return found[0]


def stored_answer(row: AnswerRow) -> StoredAnswer:
    """Return what the record of an answer says.

    Raises
    ------
    TamperedAnswer
        It is no record of an answer any more.
    """
    stored = row.stored()
    if stored is None:
        raise TamperedAnswer(row.answer_id)
    return stored
