"""Retrieval quality over judged queries: how a version ranks, and how good that is, per query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import ir_measures
import numpy as np
from ir_measures import RR, R, ScoredDoc, nDCG
from numpy.typing import NDArray

from ragstone.evaluation.judged import JudgedQueries, Names, check_names, item_names
from ragstone.schemas.api import Mode

if TYPE_CHECKING:
    from ragstone.retrieval.search import EncodeQueries, Retriever
    from ragstone.storage.manifests import Manifest
    from ragstone.storage.ranked import Ranked
    from ragstone.storage.store import Store

NDCG = "ndcg@10"
MEASURES = {NDCG: nDCG @ 10, "recall@100": R @ 100, "mrr@10": RR @ 10}
DIGITS = 4

Rankings = list[list[str]]  # of each query: names of items, best first
Scores = dict[str, NDArray[np.float64]]  # measure -> its value for each query, (queries,)
Means = dict[str, dict[str, float]]  # mode -> measure -> mean
# Number and text of a query, and a mode -> all candidates, best first.
Rank: TypeAlias = "Callable[[int, str, Mode], Ranked]"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: a version, searched in one way."""

    label: str
    manifest: Manifest
    retriever: Retriever


def subject_rankings(
    store: Store,
    encode: EncodeQueries,
    subject: Subject,
    judged: JudgedQueries,
    modes: Sequence[Mode],
) -> dict[Mode, Rankings]:
    """Rank the items of a version by their best chunk, in each of the modes.

    Raises
    ------
    InvalidArgument
        No judgement names an item of the version.
    """
    manifest, retriever = subject.manifest, subject.retriever
    names = item_names(store, manifest)
    check_names(judged, names)
    vectors = encode([*judged.queries.values()], manifest) if {*modes} != {"keyword"} else None
    allowed = retriever.allowed(manifest)

    def rank(number: int, text: str, mode: Mode) -> Ranked:
        vector = vectors[number] if vectors is not None else None
        return retriever.rank(manifest, text, vector, mode, allowed)

    return {mode: rankings(names, judged, rank, mode) for mode in modes}


def rankings(names: Names, judged: JudgedQueries, rank: Rank, mode: Mode) -> Rankings:
    """Return the items that whatever ranks chunks finds for each query, each once."""
    return [
        items_of(names, rank(number, text, mode))
        for number, text in enumerate(judged.queries.values())
    ]


def items_of(names: Names, found: Ranked, most: int | None = None) -> list[str]:
    """Return the items of the chunks found, each at the place of its best one."""
    return list(dict.fromkeys(names[key] for key in found.keys.tolist()))[:most]


def scores(
    judged: JudgedQueries, ranked: Rankings, measures: Mapping[str, Any] = MEASURES
) -> Scores:
    """Return each measure for each query.

    Parameters
    ----------
    measures
        Name -> measure of ir-measures.
    """
    numbers = {query: number for number, query in enumerate(judged.queries)}
    names = {measure: name for name, measure in measures.items()}
    found = {name: np.zeros(len(numbers)) for name in measures}
    run = list(_scored(judged, ranked))
    for metric in ir_measures.iter_calc(list(measures.values()), judged.judgements, run):
        found[names[metric.measure]][numbers[metric.query_id]] = metric.value
    return found


def means(found: Scores) -> dict[str, float]:
    """Return the mean of each measure."""
    return {name: round(float(values.mean()), DIGITS) for name, values in found.items()}


def measured(
    names: Names,
    judged: JudgedQueries,
    rank: Rank,
    modes: Sequence[Mode],
    measures: Mapping[str, Any] = MEASURES,
) -> Means:
    """Return the means over the queries, by mode, of whatever ranks chunks."""
    return {
        mode: means(scores(judged, rankings(names, judged, rank, mode), measures)) for mode in modes
    }


def _scored(judged: JudgedQueries, ranked: Rankings) -> Iterator[ScoredDoc]:
    """Yield rankings as ir-measures takes them.

    It orders by score alone, so equal scores are told apart by our order.
    """
    for query, best in zip(judged.queries, ranked, strict=True):
        for place, name in enumerate(best):
            yield ScoredDoc(query, name, float(len(best) - place))
