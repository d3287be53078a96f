"""BM25 over several indexes: how rare a word is in all of them together.

An index counts by itself how many of its chunks hold a word, so a word weighs more where it is
rarer, and the scores of two indexes cannot be compared. With the counts of all of them, a word
weighs the same everywhere: its term in the query is boosted by the quotient of the two weights.
The length that a chunk is compared with stays the average of its own index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragstone.storage.keyword_index import KeywordIndex


class SharedStatistics:
    """The counts of `indexes` together."""

    def __init__(self, indexes: Sequence[KeywordIndex]) -> None:
        self._indexes = indexes

    def factor(self, index: KeywordIndex, terms: Sequence[str], *, titles: bool = False) -> float:
        """Return what a phrase of `terms` in one of the indexes is to be boosted by.

        1 for one that the index does not have: it is not found there in any case.
        """
        own = sum(_weight([index], term, titles=titles) for term in terms)
        shared = sum(_weight(self._indexes, term, titles=titles) for term in terms)
        return shared / own if own else 1.0


def _weight(indexes: Sequence[KeywordIndex], term: str, *, titles: bool) -> float:
    """Return the inverse document frequency as Tantivy computes it; 0 where nothing has it."""
    holding = sum(index.holding(term, titles=titles) for index in indexes)
    every = sum(index.documents for index in indexes)
    return math.log(1 + (every - holding + 0.5) / (holding + 0.5)) if holding else 0.0
