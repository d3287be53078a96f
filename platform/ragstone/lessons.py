"""Lessons: what accepted feedback teaches a reader and a verifier, in files that training reads.

| feedback                   | a reader learns                   | a verifier learns         |
|----------------------------|-----------------------------------|---------------------------|
| good                       | where its first sentence is found | its quotes support it     |
| good "not found"           | the best passages have no answer  |                           |
| bad, with the right answer | where that stands                 |                           |
| bad, unsupported           |                                   | its quotes are not enough |

A reranker learns from golden queries, which accepted feedback makes: it needs no file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ragstone.errors import InvalidArgument
from ragstone.feedback import searched
from ragstone.receipts.finding import find_answer, stored_answer
from ragstone.schemas.feedback import FeedbackExport
from ragstone.storage.copying import check_outside
from ragstone.storage.files import make_folder, write_durably
from ragstone.text import Span, find_words

if TYPE_CHECKING:
    from ragstone.schemas.answers import Citation, StoredAnswer
    from ragstone.schemas.api import Hit
    from ragstone.schemas.feedback import Feedback, Use
    from ragstone.storage.store import Store

_READ = 3  # passages of a question without an answer: those that a reader looks at first

_USES = "reader or verifier; a reranker learns from golden queries (ragstone train reranker)"


def export(store: Store, file: Path, use: str, accepted: Sequence[Feedback]) -> FeedbackExport:
    """Write what `accepted` teaches; see `Workspace.export_feedback`."""
    if use not in _WAYS:
        raise InvalidArgument("use", use, _USES)
    file = file.absolute()
    if file.exists():
        raise InvalidArgument("file", str(file), "a new file")
    check_outside("file", file, store.root)
    examples, written = _WAYS[use]
    found = [examples(store, given, _said(store, given)) for given in reversed(accepted)]
    every = [example for of_one in found for example in of_one]
    if not every:
        expected = f"one that accepted feedback gives an example for; of {len(accepted)}, none does"
        raise InvalidArgument("use", use, expected)
    make_folder(file.parent)
    write_durably(file, written(every).encode())
    return FeedbackExport(str(file), cast("Use", use), sum(map(bool, found)), len(every))


def _said(store: Store, given: Feedback) -> StoredAnswer:
    row, _ = find_answer(store, given.answer_id)
    return stored_answer(row)


# ---------------------------------------------------------------- for a reader


@dataclass(frozen=True, slots=True)
class _Marked:
    """A question, a passage, and where it answers; nowhere, when it does not."""

    feedback: str
    question: str
    title: str
    passage: str
    spans: tuple[Span, ...] = ()


def _marked(store: Store, given: Feedback, said: StoredAnswer) -> list[_Marked]:
    found: Iterator[tuple[str, str, tuple[Span, ...]]] = iter(())
    if given.rating == "good" and not said.answer.found:
        found = ((_title(hit), hit.text, ()) for hit in said.hits[:_READ])
    elif given.rating == "good":
        found = _cited(said)
    elif given.answer_text:
        found = _corrected(store, given, said)
    question = searched(said)
    return [_Marked(given.id, question, *one) for one in found]


def _cited(said: StoredAnswer) -> Iterator[tuple[str, str, tuple[Span, ...]]]:
    """Yield the passages that the first sentence of an answer quotes, with what answers there."""
    hits = {hit.chunk_id: hit for hit in said.hits}
    first = said.answer.claims[0].citations if said.answer.claims else []
    for citation in said.answer.citations:
        hit = hits.get(citation.chunk_id)
        if citation.number in first and hit is not None:
            span = _span(said.answer.short, citation, hit)
            if span is not None:
                yield _title(hit), hit.text, (span,)


def _span(short: str, citation: Citation, hit: Hit) -> Span | None:
    """Return where the few words stand that answer, or else the whole quote, in the hit's text."""
    begin = citation.start - hit.start
    if begin < 0 or not hit.text.startswith(citation.quote, begin):
        return None
    within = citation.quote.find(short) if short else -1
    if within < 0:
        return begin, begin + len(citation.quote)
    return begin + within, begin + within + len(short)


def _corrected(
    store: Store, given: Feedback, said: StoredAnswer
) -> Iterator[tuple[str, str, tuple[Span, ...]]]:
    """Yield the passages that have the right answer: of those found, or else of accepted items."""
    found = [(_title(hit), hit.text) for hit in said.hits if hit.item_id in given.items]
    if not any(find_words(given.answer_text, text) for _, text in found):
        found = list(_passages(store, given))
    for title, text in found:
        span = find_words(given.answer_text, text)
        if span is not None:
            yield title, text, (span,)


def _passages(store: Store, given: Feedback) -> Iterator[tuple[str, str]]:
    """Yield title and text of each chunk of the accepted items, in the newest version."""
    from ragstone.evaluation.judged import names_of

    head = store.head(given.dataset)
    names = names_of(store, head, given.items)
    rows = store.catalog.rows(
        'SELECT i.item_id, i.item_key, i.title, c.start, c."end" FROM chunks c '
        "JOIN items i USING (dataset_id, item_key) WHERE i.dataset_id = ? "
        "AND list_contains(?::VARCHAR[], i.item_id) AND i.added <= ? "
        "AND (i.removed IS NULL OR i.removed > ?) ORDER BY c.chunk_key",
        [head.dataset_id, list(names), head.version, head.version],
    )
    with store.shared():
        for item_id, key, title, start, end in rows:
            yield title or names[item_id], store.item_text(head.dataset_id, key)[start:end]


def _title(hit: Hit) -> str:
    return hit.title or hit.name


def _squad(examples: Sequence[_Marked]) -> str:
    """Return questions in the JSON of SQuAD 2, each title and each passage once."""
    articles: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for one in examples:
        asked = articles.setdefault(one.title, {}).setdefault(one.passage, [])
        answers = [{"text": one.passage[a:b], "answer_start": a} for a, b in one.spans]
        entry = {"id": one.feedback, "question": one.question, "answers": answers}
        asked.append({**entry, "is_impossible": not answers})
    data = [
        {"title": title, "paragraphs": [{"context": p, "qas": asked} for p, asked in found.items()]}
        for title, found in articles.items()
    ]
    return json.dumps({"version": "v2.0", "data": data}, ensure_ascii=False, indent=1) + "\n"


# ---------------------------------------------------------------- for a verifier


def _judged(store: Store, given: Feedback, said: StoredAnswer) -> list[dict[str, str]]:  # noqa: ARG001
    if given.rating == "good":
        verdict = "supported"
    elif given.reason == "unsupported":
        verdict = "not enough"
    else:
        return []
    quotes = {citation.number: citation for citation in said.answer.citations}
    titles = {hit.item_id: _title(hit) for hit in said.hits}
    return [
        {
            "claim": claim.text,
            "quote": quotes[number].quote,
            "verdict": verdict,
            "article": titles.get(quotes[number].item_id, ""),
        }
        for claim in said.answer.claims
        for number in claim.citations
        # What its quote says in the same words is supported, whoever says otherwise.
        if verdict == "supported" or not find_words(claim.text, quotes[number].quote)
    ]


def _lines(examples: Sequence[dict[str, str]]) -> str:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in examples)


_Examples = Callable[["Store", "Feedback", "StoredAnswer"], list[Any]]
_WAYS: dict[str, tuple[_Examples, Callable[[Sequence[Any]], str]]] = {
    "reader": (_marked, _squad),
    "verifier": (_judged, _lines),
}
