"""An open keyword index: which terms there are, which are near, and who holds them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tantivy
from numpy.typing import NDArray

from ragstone.storage.allowed import Allowed, Choice, allowed_of
from ragstone.storage.analysis import AS_BEFORE, IN_ENGLISH, Analysis, analysis_named, analysis_of
from ragstone.storage.keyword_segments import (
    KeywordDocument,
    Layout,
    chunk_keys,
    documents_in,
    layout_of,
    open_searcher,
    schema,
)
from ragstone.storage.ranked import NOTHING, Ranked, ranked
from ragstone.text import WORD

if TYPE_CHECKING:
    from ragstone.storage.keyword_statistics import SharedStatistics

_MOST_LANGUAGES = 6  # the words of a query are looked up in
# A filter is a set of terms, each of which takes 5 to 10 microseconds to look up; or the best
# chunks of all are found, more than are asked for, at half a microsecond each, and those that it
# lets through are taken. That is quicker when the square of the chunks let through is over so many
# times the chunks there are (measured at 500,000).
_MANY = 40
_MORE = 1.25  # times as many as are let through on average


@dataclass(frozen=True)
class NearTerm:
    """A term of the index that is spelled like another one."""

    term: str
    word: str  # as it is written in a text
    distance: int  # letters that differ, or have changed places
    chunks: int  # that hold it


@dataclass(frozen=True)
class KeywordIndex:
    """What a generation holds; searching is thread-safe."""

    searcher: tantivy.Searcher
    layout: Layout
    documents: int  # that BM25 counts, deleted ones among them
    statistics: SharedStatistics | None = None  # by which words are weighed; None: its own

    @classmethod
    def at(cls, folder: Path) -> KeywordIndex:
        """Open the index in `folder`; ValueError when Tantivy cannot."""
        return cls(open_searcher(folder), layout_of(folder), documents_in(folder))

    def weighed_by(self, statistics: SharedStatistics) -> KeywordIndex:
        """Return the same index with words weighed by these statistics."""
        return replace(self, statistics=statistics)

    @cached_property
    def analyses(self) -> tuple[Analysis, ...]:
        """How its texts were analysed, the most frequent first, English among them."""
        if self.layout < Layout.FIELDS:
            return (AS_BEFORE,)
        named = self.searcher.terms_with_prefix("analysis", "", limit=_MOST_LANGUAGES)
        others = sum(count for _, count in named)
        held = [(count, analysis_named(name)) for name, count in named]
        held.append((self.searcher.num_docs - others, IN_ENGLISH))
        return tuple(analysis for _, analysis in sorted(held, key=lambda pair: -pair[0]))

    def analysis_of(self, row: Mapping[str, Any]) -> Analysis:
        """Return how the text of a chunk was analysed."""
        return analysis_of(row) if self.layout >= Layout.FIELDS else AS_BEFORE

    # ------------------------------------------------------------ queries

    def term(self, term: str, weight: float = 1.0, *, titles: bool = False) -> tantivy.Query:
        """Return the query for a term."""
        found = tantivy.Query.term_query(schema(self.layout), self._field(titles=titles), term)
        return self._boosted(found, [term], weight, titles=titles)

    def any_of(self, terms: Mapping[str, float], *, titles: bool = False) -> tantivy.Query:
        """Return the query for chunks with any of `terms`, each with its weight.

        One flat list of terms: nothing else lets Tantivy pass over chunks that cannot be among
        the best.
        """
        wanted = [self.term(term, weight, titles=titles) for term, weight in terms.items()]
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, one) for one in wanted])

    def phrase(self, words: Sequence[tuple[int, str]], *, titles: bool = False) -> tantivy.Query:
        """Return the query for terms at these places, one at least."""
        if len(words) == 1:
            return self.term(words[0][1], titles=titles)
        first = words[0][0]
        placed: list[str | tuple[int, str]] = [(place - first, term) for place, term in words]
        found = tantivy.Query.phrase_query(schema(self.layout), self._field(titles=titles), placed)
        return self._boosted(found, [term for _, term in words], titles=titles)

    def prefixed(self, prefix: str, limit: int) -> list[str]:
        """Return terms that begin with `prefix`, the most frequent first."""
        return [term for term, _ in self.searcher.terms_with_prefix("body", prefix, limit=limit)]

    def all_prefixed(self, prefix: str) -> tantivy.Query:
        """Return the query for chunks with any term that begins with `prefix`; all score 1."""
        return tantivy.Query.regex_query(schema(self.layout), "body", f"{re.escape(prefix)}.*")

    def holds(self, term: str) -> bool:
        """Tell whether a text holds `term`."""
        return self.holding(term) > 0

    def holding(self, term: str, *, titles: bool = False) -> int:
        """Return how many chunks hold `term`, as BM25 counts them."""
        return self.searcher.doc_freq(self._field(titles=titles), term)

    def _boosted(
        self, query: tantivy.Query, terms: Sequence[str], weight: float = 1.0, *, titles: bool
    ) -> tantivy.Query:
        if self.statistics is not None:
            weight *= self.statistics.factor(self, terms, titles=titles)
        return query if weight == 1.0 else tantivy.Query.boost_query(query, weight)

    # ------------------------------------------------------------ searching

    def search(self, query: tantivy.Query, k: int, allowed: Choice | None) -> Ranked:
        """Return the `k` best chunks for `query` with their BM25 score.

        Parameters
        ----------
        allowed
            Chunk keys that may be found, all of the generation's version; None allows all.
        """
        if allowed is not None and not len(allowed):
            return NOTHING
        held = self.searcher.num_docs
        if allowed is None or len(allowed) == held:  # it holds no others
            return self._best(query, k)
        chosen = allowed_of(allowed)
        if len(chosen) ** 2 > _MANY * held:
            most = math.ceil(_MORE * k * held / len(chosen))
            found = self._best(query, most)
            passed = chosen.has(found.keys)
            if len(found) < most or passed.sum() >= k:
                return Ranked(found.keys[passed][:k], found.scores[passed][:k])
        return self._best(self._among(query, chosen), k)

    def _best(self, query: tantivy.Query, k: int) -> Ranked:
        hits = self.searcher.search(query, k, count=False).hits  # a new list each time it is read
        scores = np.array([score for score, _ in hits], np.float64)
        return ranked(chunk_keys(self.searcher, hits), scores)

    def matching(self, query: tantivy.Query) -> NDArray[np.int64]:
        """Return the keys of all chunks that `query` finds, shape (n,)."""
        if not self.searcher.num_docs:
            return np.empty(0, np.int64)
        same = tantivy.Query.const_score_query(query, 1.0)
        hits = self.searcher.search(same, self.searcher.num_docs, count=False).hits
        return chunk_keys(self.searcher, hits)

    def fetch(self, keys: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Return the stored rows of the chunks `keys`."""
        if not keys:
            return {}
        wanted = [
            (tantivy.Occur.Should, tantivy.Query.term_query(schema(self.layout), "key", key))
            for key in keys
        ]
        query = tantivy.Query.boolean_query(wanted)
        hits = self.searcher.search(query, len(keys), count=False).hits
        rows = self._rows([address for _, address in hits])
        return dict(zip(chunk_keys(self.searcher, hits).tolist(), rows, strict=True))

    def near(self, term: str, distance: int, most: int) -> Iterator[NearTerm]:
        """Yield up to `most` terms within `distance` of `term`, itself left out.

        Tantivy tells which chunks hold one, not which one it is: it is looked for in the first of
        them, and then a chunk that holds another one is asked for.
        """
        known = schema(self.layout)
        wanted = tantivy.Query.fuzzy_term_query(known, "body", term, distance)
        passed = [(tantivy.Occur.MustNot, self.term(term))]
        for _ in range(most):
            query = tantivy.Query.boolean_query([(tantivy.Occur.Must, wanted), *passed])
            hits = self.searcher.search(query, 1, count=False).hits
            rows = self._rows([address for _, address in hits])
            found = self._nearest_in(rows[0], term, distance) if rows else None
            if found is None:
                return
            yield found
            passed.append((tantivy.Occur.MustNot, self.term(found.term)))

    def _nearest_in(self, row: dict[str, Any], term: str, distance: int) -> NearTerm | None:
        analysis = self.analysis_of(row)
        best: NearTerm | None = None
        for word in sorted({w.lower() for w in WORD.findall(KeywordDocument(0, row).text)}):
            for other in analysis.terms(word):
                apart = edit_distance(term, other)
                if 0 < apart <= distance and (best is None or apart < best.distance):
                    best = NearTerm(other, word, apart, self.searcher.doc_freq("body", other))
        return best

    def _field(self, *, titles: bool) -> str:
        """Return where words are looked for; of the old layout titles are part of the body."""
        return "title" if titles and self.layout >= Layout.FIELDS else "body"

    def _rows(self, addresses: Sequence[tantivy.DocAddress]) -> list[dict[str, Any]]:
        stored = (bytes(self.searcher.doc(address)["row"][0]) for address in addresses)
        # One array: calling the decoder for each row takes as long again.
        rows: list[dict[str, Any]] = json.loads(str(b"[%b]" % b",".join(stored), "utf-8"))
        return rows

    def _among(self, query: tantivy.Query, allowed: Allowed) -> tantivy.Query:
        # A constant score of 0 filters without changing what the words score.
        keys = tantivy.Query.term_set_query(schema(self.layout), "key", allowed.listed)
        return tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Must, query),
                (tantivy.Occur.Must, tantivy.Query.const_score_query(keys, 0.0)),
            ]
        )


def edit_distance(one: str, other: str) -> int:
    """Return how many letters differ: put in, left out, replaced, or changed with a neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        older, before, row = before, row, [i]
        for j, b in enumerate(other, start=1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b)))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                row[j] = min(row[j], older[j - 2] + 1)
    return row[-1]
