"""Cutting documents into chunks: by headings, blocks, sentences, words, at last characters.

A chunk is a stretch of the document's text with the title and the headings above it as context.
Both together are what the encoder reads, so they are counted with its own tokenizer, and the
count of the final string is the one that is held to the limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ragstone.ingestion.outline import Section, Unit, context_of, sections
from ragstone.ingestion.splitting import split_unit, trimmed
from ragstone.ingestion.tokens import TokenMap, load_tokenizer
from ragstone.schemas.records import Chunk, Document
from ragstone.text import embed_text

# Part of every item's work key: raise it when equal documents are cut otherwise.
REVISION = "1"

_SMALL = 4  # a rest below this fraction of the budget is levelled with the chunk before it
_TINY = 8  # a stretch below this fraction may be joined over the border of a page


@dataclass(frozen=True, slots=True)
class _Draft:
    """A chunk before its final count."""

    start: int
    end: int
    page: int | None
    section: Section


class Chunker:
    """Cuts documents for one encoder.

    Parameters
    ----------
    tokenizer_file
        The encoder's `tokenizer.json`.
    max_tokens
        Most tokens of a chunk: context, text and special tokens together.
    context_tokens
        Most tokens of the context, never more than half of `max_tokens`.
    """

    def __init__(self, tokenizer_file: Path, max_tokens: int, context_tokens: int) -> None:
        self._tokenizer = load_tokenizer(tokenizer_file)
        self._max_tokens = max_tokens
        self._context_tokens = min(context_tokens, max_tokens // 2)
        self._special = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._joint = self._count("\n")

    def cut(self, document: Document) -> list[Chunk]:
        """Return the chunks in order; every visible character of a block is in one of them.

        A chunk crosses from one page to the next only where one of its sides is tiny, below an
        eighth of the budget; its page is that of its first character.
        """
        tokens = TokenMap(self._tokenizer, document.text)
        drafts: list[_Draft] = []
        for section in sections(document):
            drafts.extend(self._pack(document, section, tokens))
        drafts = self._join_small(document, drafts, tokens)
        return list(self._finish(document, drafts))

    def _budget(self, document: Document, section: Section) -> int:
        """Return the tokens left for text under the section's whole heading path."""
        context = self._context(document, section.path, "")
        used = self._special + (self._count(context) + self._joint if context else 0)
        return max(self._max_tokens - used, 1)

    def _pack(self, document: Document, section: Section, tokens: TokenMap) -> list[_Draft]:
        """Fill chunks with neighbouring units of one section, page by page."""
        budget = self._budget(document, section)
        groups: list[list[Unit]] = []
        for position, whole in enumerate(section.units):
            room = budget
            if position and position == section.lead:
                # The first block stays with its heading: it is cut where only that is too long.
                room -= tokens.count(section.units[0].start, whole.start)
            for unit in split_unit(document.text, whole, tokens, max(room, budget // 2)):
                group = groups[-1] if groups else []
                if group and self._fits(group[0], unit, tokens, budget):
                    group.append(unit)
                else:
                    groups.append([unit])
        if len(groups) > 1:
            groups[-2:] = _level(groups[-2], groups[-1], tokens, budget)
        return [_Draft(g[0].start, g[-1].end, g[0].page, section) for g in groups]

    def _fits(self, first: Unit, unit: Unit, tokens: TokenMap, budget: int) -> bool:
        if tokens.count(first.start, unit.end) > budget:
            return False
        if first.page == unit.page:
            return True
        tiny = budget // _TINY
        return min(tokens.count(first.start, unit.start), tokens.count(unit.start, unit.end)) < tiny

    def _join_small(
        self, document: Document, drafts: list[_Draft], tokens: TokenMap
    ) -> list[_Draft]:
        """Join small neighbouring sections under one parent heading."""
        joined: list[_Draft] = []
        for draft in drafts:
            previous = joined[-1] if joined else None
            if previous and self._joinable(document, previous, draft, tokens):
                path = _common(previous.section.path, draft.section.path)
                section = Section(path, (), previous.section.lead)
                joined[-1] = _Draft(previous.start, draft.end, previous.page, section)
            else:
                joined.append(draft)
        return joined

    def _joinable(
        self, document: Document, first: _Draft, second: _Draft, tokens: TokenMap
    ) -> bool:
        if first.section is second.section:
            return False
        shared = len(_common(first.section.path, second.section.path))
        if shared < max(len(first.section.path), len(second.section.path)) - 1:
            return False
        budget = min(self._budget(document, d.section) for d in (first, second))
        sizes = [tokens.count(d.start, d.end) for d in (first, second)]
        least = budget // (_SMALL if first.page == second.page else _TINY)
        return min(sizes) < least and tokens.count(first.start, second.end) <= budget

    def _finish(self, document: Document, drafts: list[_Draft]) -> Iterator[Chunk]:
        """Count the final strings and cut what is still too long."""
        contexts = [
            self._context(document, d.section.path, document.text[d.start : d.end]) for d in drafts
        ]
        texts = [document.text[draft.start : draft.end] for draft in drafts]
        counts = self._counts(list(map(embed_text, contexts, texts)))
        for draft, context, text, count in zip(drafts, contexts, texts, counts, strict=True):
            if count <= self._max_tokens:
                yield Chunk(draft.start, draft.end, text, context, draft.page, count)
            else:
                yield from self._finish(document, self._halved(document.text, draft))

    def _halved(self, text: str, draft: _Draft) -> list[_Draft]:
        """Cut an overlong draft near its middle; without its context when it is one character."""
        if draft.end - draft.start < 2:
            return [_Draft(draft.start, draft.end, draft.page, Section((), (), 0))]
        middle = (draft.start + draft.end) // 2
        space = text.rfind(" ", (draft.start + middle) // 2 + 1, middle)
        cut = space if space > 0 else middle
        spans = [trimmed(text, draft.start, cut), trimmed(text, cut, draft.end)]
        return [_Draft(a, b, draft.page, draft.section) for a, b in spans if a < b]

    def _context(self, document: Document, path: tuple[str, ...], text: str) -> str:
        """Return title and headings, outer ones left out first when they are too long."""
        parts = context_of(document.title, path, text)
        while len(parts) > 1 and self._count(" > ".join(parts)) > self._context_tokens:
            # The title and the nearest heading say most; what stands between goes first.
            del parts[1 if len(parts) > 2 else 0]
        return self._shortened(" > ".join(parts))

    def _shortened(self, context: str) -> str:
        while context:
            encoding = self._tokenizer.encode(context, add_special_tokens=False)
            if len(encoding.ids) <= self._context_tokens:
                return context
            kept = encoding.offsets[self._context_tokens - 1][1] if self._context_tokens else 0
            context = context[: min(kept, len(context) - 1)].rstrip(" >")
        return context

    def _count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _counts(self, texts: list[str]) -> list[int]:
        return [len(e.ids) for e in self._tokenizer.encode_batch_fast(texts)] if texts else []


def _level(before: list[Unit], rest: list[Unit], tokens: TokenMap, budget: int) -> list[list[Unit]]:
    """Move units from the last full chunk to a small rest, so that both are about equal."""
    if tokens.count(rest[0].start, rest[-1].end) >= budget // _SMALL:
        return [before, rest]
    units = [*before, *rest]
    if len({unit.page for unit in units}) > 1:
        return [before, rest]
    best = len(before)
    least = budget
    for cut, (left, right) in enumerate(pairwise(units), start=1):
        larger = max(
            tokens.count(units[0].start, left.end), tokens.count(right.start, units[-1].end)
        )
        if larger < least and not left.heading:
            best, least = cut, larger
    return [units[:best], units[best:]]


def _common(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    shared = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        shared += 1
    return first[:shared]
