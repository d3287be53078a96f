"""What the MCP tools give back: small enough for the context of a language model.

A text that does not fit is cut, and says so; `read` has the rest. The classes have no slots: the
protocol's package would take those for defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ragstone.schemas import api
    from ragstone.schemas.answers import Answer, Citation, StoredAnswer

PASSAGE = 1_500  # characters of one passage, or quote
LISTED = 200  # datasets in one list


@dataclass(frozen=True)
class PassageView:
    """A found passage: `text` is verbatim from the item, from `start` on."""

    rank: int
    score: float
    chunk_id: str
    item_id: str
    dataset: str
    version: int
    source: str
    title: str
    page: int | None
    modality: str
    start: int  # in the item's text, in code points
    end: int  # of the whole passage
    text: str
    cut: bool  # the passage goes on


@dataclass(frozen=True)
class SearchView:
    """The passages found, best first, and which version they are from."""

    dataset: str
    version: int
    passages: list[PassageView]


@dataclass(frozen=True)
class QuoteView:
    """A verbatim quote that a sentence of an answer rests on."""

    number: int  # as the answer cites it: [1]
    quote: str
    cut: bool  # the quote goes on
    source: str
    title: str
    page: int | None
    chunk_id: str
    item_id: str
    start: int  # of the whole quote in the item's text, in code points
    end: int


@dataclass(frozen=True)
class AnswerView:
    """An answer with its quotes; `found` is false when the dataset does not hold one."""

    answer_id: str
    answer: str
    found: bool
    citations: list[QuoteView]
    dataset: str
    version: int
    generator: str


@dataclass(frozen=True)
class ReadView:
    """A stretch of text, of an item or of a stored answer."""

    kind: str  # item, answer
    id: str
    dataset: str
    source: str
    title: str
    text: str
    start: int  # of the stretch in the whole text, in code points
    length: int  # of the whole text
    next: int | None  # offset to go on with; null at the end


@dataclass(frozen=True)
class DatasetView:
    """A dataset and its newest version."""

    name: str
    version: int
    items: int
    chunks: int
    changed: str  # when, as ISO 8601 in UTC


@dataclass(frozen=True)
class DatasetsView:
    """The datasets, by name."""

    datasets: list[DatasetView]
    others: int  # that are not listed


def found(result: api.SearchResult) -> SearchView:
    """Return the hits of a search as passages."""
    return SearchView(result.dataset, result.version, [_passage(hit) for hit in result.hits])


def _passage(hit: api.Hit) -> PassageView:
    return PassageView(
        rank=hit.rank,
        score=hit.score,
        chunk_id=hit.chunk_id,
        item_id=hit.item_id,
        dataset=hit.dataset,
        version=hit.version,
        source=hit.source,
        title=hit.title,
        page=hit.page,
        modality=hit.modality,
        start=hit.start,
        end=hit.end,
        text=hit.text[:PASSAGE],
        cut=len(hit.text) > PASSAGE,
    )


def answered(answer: Answer) -> AnswerView:
    """Return an answer with its quotes, without what it was made from."""
    return AnswerView(
        answer_id=answer.answer_id,
        answer=answer.answer,
        found=answer.found,
        citations=[_quote(citation) for citation in answer.citations],
        dataset=answer.dataset,
        version=answer.version,
        generator=answer.generator,
    )


def _quote(citation: Citation) -> QuoteView:
    return QuoteView(
        number=citation.number,
        quote=citation.quote[:PASSAGE],
        cut=len(citation.quote) > PASSAGE,
        source=citation.source,
        title=citation.title,
        page=citation.page,
        chunk_id=citation.chunk_id,
        item_id=citation.item_id,
        start=citation.start,
        end=citation.end,
    )


def item_read(item: api.ItemDetail, offset: int, limit: int) -> ReadView:
    """Return `limit` characters of an item's text, from `offset`."""
    source = item.sources[0] if item.sources else ""
    return _stretch(
        item.text, offset, limit, ("item", item.item_id, item.dataset, source, item.title)
    )


def answer_read(stored: StoredAnswer, offset: int, limit: int) -> ReadView:
    """Return a stored answer as text: question, answer, numbered quotes."""
    answer = stored.answer
    lines = [f"Question: {answer.question}", f"Answer: {answer.answer}"]
    lines += [f"[{c.number}] {c.source}: “{c.quote}”" for c in answer.citations]
    named = ("answer", answer.answer_id, f"{answer.dataset}@{answer.version}", "", "")
    return _stretch("\n".join(lines), offset, limit, named)


def _stretch(text: str, offset: int, limit: int, named: tuple[str, str, str, str, str]) -> ReadView:
    kind, identity, dataset, source, title = named
    end = offset + limit
    return ReadView(
        kind=kind,
        id=identity,
        dataset=dataset,
        source=source,
        title=title,
        text=text[offset:end],
        start=min(offset, len(text)),
        length=len(text),
        next=end if end < len(text) else None,
    )


def listed(datasets: Sequence[api.DatasetInfo]) -> DatasetsView:
    """Return the first datasets of a list, and how many others there are."""
    views = [
        DatasetView(d.name, d.version, d.items, d.chunks, d.changed.isoformat())
        for d in datasets[:LISTED]
    ]
    return DatasetsView(views, len(datasets) - len(views))
