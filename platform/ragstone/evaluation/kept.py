"""Evaluations that are kept: operational data, in the catalog alone, as golden queries are."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter
from ulid import ULID

from ragstone.errors import UnknownId
from ragstone.schemas.api import RetrievalEvaluation, to_json
from ragstone.schemas.evaluations import AnswerEvaluation, Evaluation
from ragstone.storage.catalog import now

if TYPE_CHECKING:
    from ragstone.storage.store import Store

_MOST = 100  # that are listed
_SHORTEST = 8  # characters of a prefix
_READ: TypeAdapter[Evaluation] = TypeAdapter(Evaluation)
_Kind = TypeVar("_Kind", RetrievalEvaluation, AnswerEvaluation)


def keep(store: Store, found: _Kind) -> _Kind:
    """Keep an evaluation, and return it with its id."""
    kept = replace(found, evaluation=str(ULID()), created=now())
    dataset_id = store.head(kept.dataset).dataset_id
    body = json.dumps(to_json(kept), ensure_ascii=False)
    store.catalog.write(
        "INSERT INTO evaluations VALUES (?, ?, ?, ?)",
        [kept.evaluation, dataset_id, kept.created, body],
    )
    return kept


def listed(store: Store, dataset: str) -> list[Evaluation]:
    """Return the evaluations of `dataset`, newest first, without what single queries lost."""
    rows = store.catalog.rows(
        "SELECT result FROM evaluations WHERE dataset_id = ? ORDER BY evaluation DESC LIMIT ?",
        [store.head(dataset).dataset_id, _MOST],
    )
    return [_brief(_READ.validate_json(body)) for (body,) in rows]


def show(store: Store, evaluation: str) -> Evaluation:
    """Return the evaluation with this id, or with this prefix of 8 characters or more.

    Raises
    ------
    UnknownId
        Nothing has it, or a prefix fits more than one.
    """
    rows = store.catalog.rows(
        "SELECT result FROM evaluations WHERE starts_with(evaluation, ?) LIMIT 2", [evaluation]
    )
    if len(evaluation) < _SHORTEST or len(rows) != 1:
        raise UnknownId(evaluation, "evaluation")
    return _READ.validate_json(rows[0][0])


def _brief(found: Evaluation) -> Evaluation:
    if isinstance(found, AnswerEvaluation):
        return replace(found, comparisons=[replace(one, losses=[]) for one in found.comparisons])
    return replace(found, comparisons=[replace(one, losses=[]) for one in found.comparisons])
