"""The keyword arm: a query, as it was read, to the query of one index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import tantivy
from pyroaring import BitMap64

from ragstone.retrieval.queries import (
    Asked,
    Either,
    Every,
    Node,
    Phrase,
    Series,
    Without,
    Word,
)
from ragstone.retrieval.synonyms import Synonyms
from ragstone.storage.allowed import Choice, allowed_of
from ragstone.storage.analysis import Analysis, unspaced
from ragstone.storage.keyword_index import KeywordIndex
from ragstone.storage.ranked import NOTHING, Ranked
from ragstone.text import WORD

SYNONYM_WEIGHT = 0.5  # of what the word itself scores
_MOST_PREFIXED = 64  # terms that are scored; chunks with others that begin so are found as well
_MOST_NEAR = 16  # terms that a fuzzy word stands for
# With these ends the stem of a whole word is tried where a prefix reaches into what a stem lacks:
# the stem of "university" is "univers", and "universi" begins none.
_ENDS = ("", *"e s es n ns y ty ties ed ing on ons ion ions al ally ation ment ness".split())


@dataclass(frozen=True, slots=True)
class KeywordQuery:
    """A query as one index is asked it."""

    asked: Asked
    index: KeywordIndex
    query: tantivy.Query | None  # None finds nothing
    demanded: tantivy.Query | None  # of a hit of any arm: phrases, AND, NOT, title:
    terms: set[str]  # that a hit is marked by

    @classmethod
    def of(cls, asked: Asked, index: KeywordIndex, synonyms: Synonyms) -> KeywordQuery:
        """Return what `index` is asked for `asked`."""
        compiler = _Compiler(index, synonyms)
        if asked.reading == "words":
            words = compiler.words(asked.text)
            return cls(asked, index, words, None, compiler.terms)
        query = compiler.query(asked.root)
        return cls(asked, index, query, compiler.demanded(asked.root), compiler.terms)

    def search(self, k: int, allowed: Choice | None) -> Ranked:
        """Return the `k` best chunks with their BM25 score; None allows all."""
        return NOTHING if self.query is None else self.index.search(self.query, k, allowed)

    def narrowed(self, allowed: Choice | None) -> Choice | None:
        """Return which of the chunks `allowed` have what the query demands."""
        if self.demanded is None:
            return allowed
        matching = BitMap64(self.index.matching(self.demanded))
        return matching if allowed is None else matching & allowed_of(allowed).keys


@dataclass(slots=True)
class _Clauses:
    """Parts of a boolean query."""

    must: list[tantivy.Query] = field(default_factory=list)
    should: list[tantivy.Query] = field(default_factory=list)
    without: list[tantivy.Query] = field(default_factory=list)

    def query(self) -> tantivy.Query | None:
        """Return the query; None when nothing is looked for."""
        if not (self.must or self.should):
            return None
        clauses = [(tantivy.Occur.Must, one) for one in self.must]
        clauses += [(tantivy.Occur.Should, one) for one in self.should]
        clauses += [(tantivy.Occur.MustNot, one) for one in self.without]
        plain = len(clauses) == 1 and not self.without
        return clauses[0][1] if plain else tantivy.Query.boolean_query(clauses)

    def of_all(self) -> tantivy.Query | None:
        """As `query`; of all chunks when there is only something not to be found."""
        if self.without and not (self.must or self.should):
            every = tantivy.Query.const_score_query(tantivy.Query.all_query(), 0.0)
            return _Clauses([every], [], self.without).query()
        return self.query()


class _Compiler:
    def __init__(self, index: KeywordIndex, synonyms: Synonyms) -> None:
        self._index = index
        self._synonyms = synonyms
        self.terms: set[str] = set()

    def words(self, text: str) -> tantivy.Query | None:
        """Return the query for any of the words of `text`; None when it has none."""
        return _Clauses(should=self._bare(text)).query()

    def query(self, node: Node) -> tantivy.Query | None:
        """Return the query for `node`; None when it has no terms."""
        match node:
            case Word():
                return self._word(node)
            case Phrase():
                return self._phrase(node.text, title=node.title)
            case Without():
                return self._excluding([node]).of_all()
            case Every():
                clauses = self._excluding(node.of)
                clauses.must = self._queries(p for p in node.of if not isinstance(p, Without))
                return clauses.of_all()
            case Either():
                return _Clauses(should=self._queries(node.of)).query()
            case Series():
                return self._series(node)

    def demanded(self, root: Series) -> tantivy.Query | None:
        """Return what every hit has to match, whichever arm found it; None for anything."""
        clauses = self._excluding(root.of)
        clauses.must = self._queries(part for part in root.of if _demands(part))
        return clauses.of_all()

    def _series(self, series: Series) -> tantivy.Query | None:
        clauses = self._excluding(series.of)
        bare = [part.text for part in series.of if isinstance(part, Word) and part.bare]
        if bare:
            clauses.should += self._bare(" ".join(bare))
        for part in series.of:
            if _demands(part):
                clauses.must += self._queries([part])
            elif not isinstance(part, Without) and not (isinstance(part, Word) and part.bare):
                clauses.should += self._queries([part])
        return clauses.query()

    def _excluding(self, parts: Sequence[Node]) -> _Clauses:
        """Return what must not be found; its terms mark no hit."""
        inner = _Compiler(self._index, Synonyms())
        return _Clauses(without=inner._queries(p.of for p in parts if isinstance(p, Without)))

    def _queries(self, nodes: Iterable[Node]) -> list[tantivy.Query]:
        return [query for node in nodes if (query := self.query(node)) is not None]

    # ------------------------------------------------------------ words

    def _bare(self, text: str) -> list[tantivy.Query]:
        """Return the query for the words of `text`, and those for their synonyms of many words."""
        weights = dict.fromkeys(self._terms(text), 1.0)
        phrases = []
        for analysis in self._index.analyses if self._synonyms.pairs else ():
            for other in self._synonyms.of(analysis, analysis.terms(text)):
                terms = analysis.terms(other)
                if len(terms) == 1:
                    weights.setdefault(terms[0], SYNONYM_WEIGHT)
                elif (phrase := self._phrase(other)) is not None:
                    phrases.append(tantivy.Query.boost_query(phrase, SYNONYM_WEIGHT))
        self.terms |= weights.keys()
        return [self._index.any_of(weights), *phrases] if weights else []

    def _terms(self, text: str) -> list[str]:
        """Return the terms of `text` in each language of the index, each once."""
        first, *others = analyses = self._index.analyses
        if not others:
            found = first.terms(text)
        else:
            own = _language(text, analyses)
            words = [w for w in WORD.findall(text) if not own.is_stop_word(w)]
            found = [term for word in words for one in analyses for term in one.terms(word)]
        alone = [term for term in found if len(term) == 1 and unspaced(term)]
        begun = [pair for one in alone for pair in self._index.prefixed(one, _MOST_PREFIXED)]
        return list(dict.fromkeys([*found, *begun]))

    def _word(self, word: Word) -> tantivy.Query | None:
        if word.prefix:
            return self._prefix(word)
        if word.letters:
            return self._fuzzy(word)
        if any(len(analysis.terms(word.text)) > 1 for analysis in self._index.analyses):
            return self._phrase(word.text, title=word.title)
        return self._best_of(self._terms(word.text), title=word.title)

    def _prefix(self, word: Word) -> tantivy.Query | None:
        beginning = word.text.lower()
        if unspaced(beginning):
            return self._phrase(beginning, title=word.title)
        whole = {term for end in _ENDS for term in self._terms(beginning + end)}
        begun = self._index.prefixed(beginning, _MOST_PREFIXED)
        found = [*begun, *sorted(t for t in whole - {*begun} if self._index.holds(t))]
        query = self._best_of(found, title=word.title)
        if len(begun) < _MOST_PREFIXED or word.title or query is None:
            return query
        return tantivy.Query.disjunction_max_query([query, self._index.all_prefixed(beginning)])

    def _fuzzy(self, word: Word) -> tantivy.Query | None:
        own = self._terms(word.text)
        near = [n.term for t in own for n in self._index.near(t, word.letters, _MOST_NEAR)]
        return self._best_of(list(dict.fromkeys([*own, *near])), title=word.title)

    def _best_of(self, terms: Sequence[str], *, title: bool) -> tantivy.Query | None:
        self.terms |= set(terms)
        queries = [self._index.any_of({term: 1.0}, titles=title) for term in terms]
        if len(queries) < 2:
            return queries[0] if queries else None
        return tantivy.Query.disjunction_max_query(queries)

    def _phrase(self, text: str, *, title: bool = False) -> tantivy.Query | None:
        """Return the query for the words of `text` one after the other, in each language."""
        found = {}
        for analysis in self._index.analyses:
            placed = tuple((term.position, term.text) for term in analysis.asked(text))
            if placed:
                found[placed] = self._index.phrase(placed, titles=title)
                self.terms |= {term for _, term in placed}
        return _Clauses(should=list(found.values())).query()


def _demands(part: Node) -> bool:
    titled = isinstance(part, Word) and part.title
    return titled or isinstance(part, Phrase | Every)


def _language(text: str, analyses: Sequence[Analysis]) -> Analysis:
    """Return the language of a query: the most frequent one, but for two more words of another.

    The words are those that a language has for its grammar: "die" alone is no German.
    """
    words = WORD.findall(text)
    counts = [sum(map(analysis.is_stop_word, words)) for analysis in analyses]
    best = max(counts)
    return analyses[counts.index(best)] if best >= counts[0] + 2 else analyses[0]
