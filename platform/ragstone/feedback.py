"""Feedback: what people say of answers, and the golden queries that reviewers make of it.

given → open → accepted: its question is a golden query, judged with the items that answer it
             → rejected: it is kept, and counts for nothing

Nothing is measured with, or trained on, what nobody has reviewed. A decision may be changed: what
was made of the earlier one is taken back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, get_args

from ulid import ULID

from ragstone import golden
from ragstone.errors import InvalidArgument, UnplacedFeedback
from ragstone.listing import find_item_keys
from ragstone.receipts.finding import find_answer, stored_answer
from ragstone.retrieval.question import Question
from ragstone.schemas.feedback import Feedback, FeedbackState, Reason
from ragstone.storage import feedback as kept
from ragstone.storage.catalog import now
from ragstone.text import find_words

if TYPE_CHECKING:
    from ragstone.retrieval.search import Retriever
    from ragstone.schemas.answers import StoredAnswer
    from ragstone.schemas.api import Hit
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.store import Store

_LONGEST = 10_000  # characters of a comment, or of an answer
_LOOKED_AT = 20  # hits for a question, where the answer's own ones do not have the right answer


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody says of an answer.

    Raises
    ------
    InvalidArgument
        The reason is none of those there are, a good answer has one or another answer, or a text
        is too long.
    """

    good: bool
    reason: str = ""
    comment: str = ""
    answer_text: str = ""

    def __post_init__(self) -> None:
        for name in ("reason", "answer_text"):
            value = getattr(self, name)
            if self.good and value:
                raise InvalidArgument(name, value, "nothing where the answer is good")
        if self.reason and self.reason not in get_args(Reason):
            raise InvalidArgument("reason", self.reason, "one of " + ", ".join(get_args(Reason)))
        for name in ("comment", "answer_text"):
            value = getattr(self, name)
            if len(value) > _LONGEST:
                raise InvalidArgument(name, f"{value[:20]}…", f"at most {_LONGEST:,} characters")


@dataclass(frozen=True, slots=True)
class FeedbackDesk:
    """Takes feedback on the answers in `store`, and reviews it."""

    store: Store
    retriever: Retriever

    def give(self, answer: str, opinion: Opinion, principal: str) -> Feedback:
        """See `Workspace.feedback`."""
        row, _ = find_answer(self.store, answer)
        said = stored_answer(row)
        if said.state != "done":
            expected = f"one that was written to its end: this one {said.state}"
            raise InvalidArgument("answer", row.answer_id, expected)
        given = Feedback(
            id=str(ULID()),
            answer_id=row.answer_id,
            dataset=said.answer.dataset,
            version=row.version,
            question=said.answer.question,
            rating="good" if opinion.good else "bad",
            reason=cast("Reason", opinion.reason),
            comment=opinion.comment.strip(),
            answer_text=opinion.answer_text.strip(),
            principal=principal,
            created=now(),
        )
        kept.insert(self.store.catalog, row.dataset_id, given)
        return given

    def listed(self, dataset: str | None, state: str | None) -> list[Feedback]:
        """See `Workspace.list_feedback`."""
        if state is not None and state not in get_args(FeedbackState):
            raise InvalidArgument("state", state, "one of " + ", ".join(get_args(FeedbackState)))
        dataset_id = None if dataset is None else self.store.head(dataset).dataset_id
        return kept.listed(self.store.catalog, dataset_id, cast("FeedbackState | None", state))

    def accept(self, feedback: str, items: Sequence[str], reviewer: str) -> Feedback:
        """See `Workspace.accept_feedback`."""
        given = kept.find(self.store.catalog, feedback)
        row, _ = find_answer(self.store, given.answer_id)
        said = stored_answer(row)
        head = self.store.head(given.dataset)
        answering = self._answering(given, said, head, items)
        with self.store.catalog.transaction() as cursor:
            kept.decide(cursor, given.id, "accepted", reviewer, sorted(answering))
            golden.withdraw(cursor, given.id)
            names = sorted(set(answering.values()))
            golden.judge(cursor, head.dataset_id, searched(said), names, given.id)
        return kept.find(self.store.catalog, given.id)

    def reject(self, feedback: str, reviewer: str) -> Feedback:
        """See `Workspace.reject_feedback`."""
        given = kept.find(self.store.catalog, feedback)
        with self.store.catalog.transaction() as cursor:
            kept.decide(cursor, given.id, "rejected", reviewer)
            golden.withdraw(cursor, given.id)
        return kept.find(self.store.catalog, given.id)

    # ------------------------------------------------------------ what answers the question

    def _answering(
        self, given: Feedback, said: StoredAnswer, head: Manifest, items: Sequence[str]
    ) -> dict[str, str]:
        """Return the items that answer the question, id -> name; none where nobody says which.

        Raises
        ------
        UnplacedFeedback
            Some should, and the newest version has none of them.
        """
        if items:
            return self._names(head, [self._item_id(head, item) for item in items])
        version = f"{head.dataset}@{head.version}"
        if given.rating == "good" and said.answer.found:
            found = self._names(head, (c.item_id for c in said.answer.citations))
            problem = f"{version} has none of the items that its answer cites"
        elif given.answer_text:
            found = self._holding(given.answer_text, said, head)
            problem = (
                f"no passage found for its question in {version} has {given.answer_text!r} "
                "word for word"
            )
        else:
            return {}
        if not found:
            raise UnplacedFeedback(given.id, problem)
        return found

    def _holding(self, text: str, said: StoredAnswer, head: Manifest) -> dict[str, str]:
        """Return the items with `text` in what was found for the answer, or else is found now."""
        held = self._names(head, _items_with(text, said.hits))
        if held:
            return held
        question = Question(searched(said), k=_LOOKED_AT)
        found = self.retriever.search(question, [head.dataset])
        return self._names(head, _items_with(text, found.hits))

    def _item_id(self, head: Manifest, item: str) -> str:
        key = find_item_keys(self.store, head, item)[0]
        sql = "SELECT item_id FROM items WHERE dataset_id = ? AND item_key = ? LIMIT 1"
        return str(self.store.catalog.rows(sql, [head.dataset_id, key])[0][0])

    def _names(self, head: Manifest, items: Iterable[str]) -> dict[str, str]:
        from ragstone.evaluation.judged import names_of

        return names_of(self.store, head, items)


def searched(said: StoredAnswer) -> str:
    """Return the question of an answer as it stands alone."""
    return said.answer.rewritten or said.answer.question


def _items_with(text: str, hits: Iterable[Hit]) -> list[str]:
    """Return the items of which a hit, or what stands beside it, has `text`."""
    return [hit.item_id for hit in hits if any(find_words(text, one) for one in _texts(hit))]


def _texts(hit: Hit) -> list[str]:
    return [hit.text, *(beside.text for beside in (*hit.before, *hit.after))]
